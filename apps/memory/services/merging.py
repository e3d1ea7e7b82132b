"""Merging by hand: somebody says that several of their memories say the same."""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from apps.core.errors import InvalidInput
from apps.core.scope import Actor
from apps.memory.contracts import ChangesetKind, ChangesetState, Merge, MergedMemories
from apps.memory.errors import MemoryNotFound
from apps.memory.models import Changeset, Memory
from apps.memory.selectors import changeset_view, get_memory, require_subject
from apps.memory.services.changesets import apply_changeset
from apps.memory.services.subjects import locked_subject

SOURCES_MAX = 20
_BY_HAND = "by hand"


@transaction.atomic(durable=True)
def merge_memories(
    *, actor: Actor, permission: str, into: UUID, source_ids: Sequence[UUID]
) -> MergedMemories:
    """Have one memory say what others said: with their evidence, names and weight.

    Idempotent: what was merged into it already stays so, and the changes that did it are returned.

    Args:
        actor: Whose memories they are.
        permission: What the edge demands.
        into: What stays, in its own words.
        source_ids: What it says from now on; superseded by it, and taken back by undoing.

    Raises:
        PermissionDenied: The actor lacks the permission.
        InvalidInput: Nothing is to be merged, too much, one twice, or one with itself.
        MemoryNotFound: One does not exist, or it is about somebody else.
        ChangesetOutdated: One is not in use any more; names it.
    """
    subject = locked_subject(require_subject(actor, permission))
    wanted = list(source_ids)
    if not 1 <= len(wanted) <= SOURCES_MAX:
        raise InvalidInput(fields={"source_ids": [f"Name 1 to {SOURCES_MAX} memories."]})
    if into in wanted or len(set(wanted)) != len(wanted):
        raise InvalidInput(fields={"source_ids": ["Name each memory once, and not `into`."]})
    rows = {
        row.pk: row for row in Memory.objects.filter(subject_id=subject.pk, pk__in=[into, *wanted])
    }
    if len(rows) != len(wanted) + 1:
        raise MemoryNotFound
    done = _merged_already(rows, into, wanted)
    if done is not None:
        view = changeset_view(done, done.entries.all())
    else:
        view = apply_changeset(
            subject_id=subject.pk,
            kind=ChangesetKind.MERGE,
            merges=[Merge(source_ids=tuple(wanted), into=into)],
            note=_BY_HAND,
        )
    memory = get_memory(actor=actor, memory_id=into, permission=permission)
    return MergedMemories(memory=memory, changeset=view, created=done is None)


def _merged_already(
    rows: dict[UUID, Memory], into: UUID, wanted: Sequence[UUID]
) -> Changeset | None:
    if not rows[into].is_live or any(rows[pk].superseded_by_id != into for pk in wanted):
        return None
    found = Changeset.objects.filter(
        subject_id=rows[into].subject_id,
        kind=ChangesetKind.MERGE,
        state=ChangesetState.APPLIED,
        entries__memory_id=wanted[0],
    )
    return found.order_by("-pk").first()
