"""All that is known of a person, as a file.

Memories of every state, what they rest on, how they changed, and, if wanted, what was said word
for word.
"""

import json
from collections.abc import AsyncIterator
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet

from apps.core import scope
from apps.core.clock import now
from apps.core.concurrency import tenant_db
from apps.core.scope import TenantRef
from apps.memory.models import Memory, Subject, Utterance
from apps.memory.rendering import as_json
from apps.memory.selectors.explaining import evidence_of, version_view
from apps.memory.selectors.memories import memory_view

FORMAT, VERSION = "karen.memories", 1
_PAGE = 200
Row = TypeVar("Row", bound=Model)


async def export_lines(
    *, subject_id: UUID, tenant: TenantRef, with_said: bool
) -> AsyncIterator[str]:
    """Yield one JSON object a line: a head, then each memory, then what was said; oldest first.

    Args:
        subject_id: Whose; the caller has checked who asks.
        tenant: Named because a response is streamed after its request has left the scope.
        with_said: What was said word for word as well.
    """
    yield _line(_head())
    async for record in _records(subject_id, tenant, with_said):
        yield _line(record)


async def export_json(
    *, subject_id: UUID, tenant: TenantRef, with_said: bool
) -> AsyncIterator[str]:
    """Yield the same as one JSON object with the lists `memories` and `said`.

    Args:
        subject_id: Whose; the caller has checked who asks.
        tenant: Named because a response is streamed after its request has left the scope.
        with_said: What was said word for word as well.
    """
    yield json.dumps(_head(), ensure_ascii=False)[:-1] + ', "memories": ['
    at, separator = "memory", "\n"
    async for record in _records(subject_id, tenant, with_said):
        if record["type"] != at:
            at, separator = record["type"], '\n], "said": [\n'
        yield separator + json.dumps(record, ensure_ascii=False)
        separator = ",\n"
    yield "\n]}\n" if at == "said" else '\n], "said": []}\n'


def _head() -> dict[str, Any]:
    return {"type": FORMAT, "version": VERSION, "exported_at": now().isoformat()}


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"


async def _records(
    subject_id: UUID, tenant: TenantRef, with_said: bool
) -> AsyncIterator[dict[str, Any]]:
    sources = [_memories_after, _said_after] if with_said else [_memories_after]
    for read in sources:
        after: UUID | None = None
        while True:
            with scope.tenant_scope(tenant):
                page = await tenant_db(read, subject_id, after)
            for record in page:
                yield record
            if len(page) < _PAGE:
                break
            after = UUID(page[-1]["id"])


def _after(rows: QuerySet[Row], after: UUID | None) -> list[Row]:
    found = rows.filter(pk__gt=after) if after else rows
    return list(found.order_by("pk")[:_PAGE])


def _memories_after(subject_id: UUID, after: UUID | None) -> list[dict[str, Any]]:
    rows = Memory.objects.filter(subject_id=subject_id).defer("embedding")
    rows = rows.prefetch_related("mentions__entity", "evidence", "versions")
    return [_memory_record(row) for row in _after(rows, after)]


def _memory_record(row: Memory) -> dict[str, Any]:
    return {
        "type": "memory",
        **as_json(memory_view(row)),
        "value": row.value,
        "conversation_id": str(row.conversation_id) if row.conversation_id else None,
        "retired_at": row.retired_at.isoformat() if row.retired_at else None,
        "pinned_at": row.pinned_at.isoformat() if row.pinned_at else None,
        "evidence": [as_json(each) for each in evidence_of(row, list(row.evidence.all()))],
        "versions": [as_json(version_view(each)) for each in row.versions.all()],
        "mentions": [
            {"name": each.entity.name, "kind": each.entity.kind} for each in row.mentions.all()
        ],
    }


def _said_after(subject_id: UUID, after: UUID | None) -> list[dict[str, Any]]:
    rows = _after(Utterance.objects.filter(subject=subject_id).defer("embedding"), after)
    speakers: list[str] = (
        Subject.objects.filter(pk=subject_id).values_list("speakers", flat=True).first() or []
    )
    return [
        {
            "type": "said",
            "id": str(row.pk),
            "conversation_id": str(row.conversation_id),
            "speaker": speakers[row.speaker] if row.speaker < len(speakers) else "",
            "by_assistant": row.by_assistant,
            "text": row.text,
            "said_at": row.said_at.isoformat(),
        }
        for row in rows
    ]
