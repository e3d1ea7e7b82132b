"""Changesets: several changes of one subject's memories that happen as one, or not at all.

Whatever takes the place of other memories is written in the transaction that supersedes them, and
carries all they rest on. Both is counted before the commit: a changeset that would lose a memory or
a piece of evidence does not happen. Each memory's values before and after are kept, so that it can
be undone (`undoing`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from apps.audit import services as audit
from apps.core.clock import now
from apps.core.errors import ProgrammingFault
from apps.core.ids import new_id
from apps.jobs import services as jobs
from apps.memory import metrics
from apps.memory.contracts import (
    ChangesetKind,
    ChangesetState,
    ChangesetView,
    MemoryOrigin,
    MemoryStatus,
    Merge,
    Namespace,
    NewMemory,
    Retirement,
)
from apps.memory.errors import ChangesetOutdated
from apps.memory.models import Changeset, ChangesetEntry, Evidence, Memory, Mention, Subject
from apps.memory.models.changesets import INNER
from apps.memory.models.memories import LIVE
from apps.memory.selectors import changeset_view
from apps.memory.services.checking import checked_text, require_single
from apps.memory.services.embedding import EMBED_TASK
from apps.memory.services.indexing import index_memory, unindex_memories
from apps.memory.services.subjects import locked_subject
from apps.memory.services.versions import as_json, keep_versions

_RETIRED = ("status", "superseded_by_id", "valid_to", "retired_at")
_JOINED = (
    "proof_count", "use_count", "last_used_at", "importance", "confidence", "priority",
    "pinned_at", "namespace", "source_message_ids", "slot", "value",
)  # fmt: skip
_ALL_OF_RETIRED = [
    "status", "superseded_by", "valid_to", "retired_at", "place", "words_count", "embedding",
    "embedding_model", "updated_at",
]  # fmt: skip


class ChangesetBroken(ProgrammingFault):
    """A changeset would have lost or doubled something; it did not happen."""


@dataclass(slots=True)
class _Work:
    """A changeset in the making.

    Attributes:
        rows: The memories it touches that exist, locked.
        before: Their values that change, by id.
        inner: What their entries keep for undoing, by id.
    """

    subject: Subject
    rows: dict[UUID, Memory]
    before: dict[UUID, dict[str, object]] = field(default_factory=dict)
    inner: dict[UUID, dict[str, object]] = field(default_factory=dict)
    created: list[Memory] = field(default_factory=list)

    def values(self, pk: UUID, names: Iterable[str]) -> dict[str, object]:
        """Return what a memory is, as JSON has it."""
        return {name: as_json(getattr(self.rows[pk], name)) for name in names}


@transaction.atomic
def apply_changeset(
    *,
    subject_id: UUID,
    kind: ChangesetKind,
    merges: Sequence[Merge] = (),
    retirements: Sequence[Retirement] = (),
    note: str = "",
    dry_run: bool = False,
) -> ChangesetView:
    """Change several memories of a subject as one.

    Args:
        subject_id: Whose memories.
        kind: What makes the changes.
        merges: What others say from now on. Each memory stands in one change only.
        retirements: What is used no more.
        note: What is done, in words, without anything of the texts.
        dry_run: Change nothing and return what would change.

    Raises:
        ChangesetOutdated: A memory is not there, or not live; names them.
        MemoryExists: What is to be made says exactly what another live memory says.
        InvalidInput: The text of what is to be made is empty or too long.
        MemoryHoldsSecret: It holds a secret.
    """
    with transaction.atomic():
        work = _Work(locked_subject(subject_id), _locked(subject_id, merges, retirements))
        counted = _counted(subject_id)
        targets = [_target(work, merge) for merge in merges]
        _retire(work, merges, targets, retirements)
        for merge, target in zip(merges, targets, strict=True):
            _join(work, merge, target)
        _demand_nothing_lost(work, counted, merges, targets, retirements)
        view = _keep(work, kind, note, planned=dry_run)
        if dry_run:
            transaction.set_rollback(True)
    if not dry_run:
        for retirement in retirements:
            metrics.retired_total.labels(retirement.reason).inc()
    return view


def _locked(
    subject_id: UUID, merges: Sequence[Merge], retirements: Sequence[Retirement]
) -> dict[UUID, Memory]:
    ids = [each.memory_id for each in retirements]
    for merge in merges:
        ids += [*merge.source_ids, *([merge.into] if isinstance(merge.into, UUID) else [])]
    if len(set(ids)) != len(ids) or not all(merge.source_ids for merge in merges):
        raise ChangesetBroken("each memory stands in one change, and a merge has sources")
    found = (
        Memory.objects.select_for_update(no_key=True)
        .filter(subject_id=subject_id, pk__in=ids)
        .defer("embedding", "words")
    )
    rows = {row.pk: row for row in found}
    gone = [each for each in ids if each not in rows or not rows[each].is_live]
    if gone:
        raise ChangesetOutdated(gone)
    for row in rows.values():
        row.status = MemoryStatus.ACTIVE.value  # that it was claimed is no part of its history
    return rows


def _counted(subject_id: UUID) -> tuple[int, int]:
    """Return how many memories the subject has, and how many of them are live."""
    mine = Memory.objects.filter(subject_id=subject_id)
    return mine.count(), mine.filter(LIVE).count()


def _target(work: _Work, merge: Merge) -> Memory:
    if isinstance(merge.into, UUID):
        return work.rows[merge.into]
    made = _made(work.subject, merge.into)
    work.rows[made.pk] = made
    work.created.append(made)
    return made


def _made(subject: Subject, wanted: NewMemory) -> Memory:
    return Memory(
        id=new_id(),
        subject_id=subject.pk,
        kind=wanted.kind,
        origin=MemoryOrigin.CONSOLIDATED,
        importance=wanted.importance,
        confidence=wanted.confidence,
        valid_from=wanted.valid_from,
        proof_count=0,
        **checked_text(wanted.text),
    )


def _retire(
    work: _Work,
    merges: Sequence[Merge],
    targets: Sequence[Memory],
    retirements: Sequence[Retirement],
) -> None:
    by = {
        pk: target for merge, target in zip(merges, targets, strict=True) for pk in merge.source_ids
    }
    asked = {each.memory_id: each for each in retirements}
    retired = [work.rows[pk] for pk in (*by, *asked)]
    why = dict.fromkeys(by, "merged") | {pk: each.reason for pk, each in asked.items()}
    numbers = keep_versions([(row, _RETIRED, why[row.pk]) for row in retired])
    unindex_memories(work.subject, retired)
    moment = now()
    for row in retired:
        work.before[row.pk] = work.values(row.pk, _RETIRED)
        work.inner[row.pk] = {"version": numbers[row.pk]}
        target = by.get(row.pk)
        row.status = MemoryStatus.ARCHIVED if target else asked[row.pk].status
        row.superseded_by_id = target.pk if target else None
        if target and row.valid_to is None:
            row.valid_to = max(moment, row.valid_from or moment)
        row.retired_at = row.updated_at = moment
        row.save(update_fields=_ALL_OF_RETIRED)  # the key of what is made is checked at the commit


def _join(work: _Work, merge: Merge, target: Memory) -> None:
    """Have `target` say what the sources said: with their weight, evidence and names."""
    sources = [work.rows[pk] for pk in merge.source_ids]
    joined = _weight([target, *sources])
    if target in work.created:
        for name, value in joined.items():
            setattr(target, name, value)
        require_single(target)
        index_memory(work.subject, target)
        target.save(force_insert=True)
        jobs.enqueue_on_commit(EMBED_TASK)
        work.before[target.pk], work.inner[target.pk] = {}, {"version": 0}
    else:
        names = [name for name in _JOINED if getattr(target, name) != joined[name]]
        numbers = keep_versions([(target, names, "merged")])
        work.before[target.pk] = work.values(target.pk, [*names, "status"])
        work.inner[target.pk] = {"version": numbers[target.pk]}
        for name in names:
            setattr(target, name, joined[name])
        target.status, target.updated_at = MemoryStatus.ACTIVE, now()
        target.save(update_fields=[*names, "status", "updated_at"])
    _carry_evidence(work, sources, target)
    _carry_mentions(work, sources, target)


def _weight(several: Sequence[Memory]) -> dict[str, Any]:
    pinned = [each.pinned_at for each in several if each.pinned_at]
    used = [each.last_used_at for each in several if each.last_used_at]
    lasts = any(each.namespace == Namespace.PERSISTENT for each in several)
    messages = dict.fromkeys(pk for each in several for pk in each.source_message_ids)
    return {
        "proof_count": sum(each.proof_count for each in several),
        "use_count": sum(each.use_count for each in several),
        "last_used_at": max(used, default=None),
        "importance": max(each.importance for each in several),
        "confidence": max(each.confidence for each in several),
        "priority": max(each.priority for each in several),
        "pinned_at": min(pinned, default=None),
        "namespace": Namespace.PERSISTENT.value if lasts else several[0].namespace,
        "source_message_ids": list(messages),
        **_slot(several),
    }


def _slot(several: Sequence[Memory]) -> dict[str, str]:
    """Return the slot of the first, or the one that the others agree on."""
    first, *others = several
    found = {(each.slot, each.value) for each in others if each.slot}
    slot, value = first.slot, first.value
    if not slot and len(found) == 1:
        ((slot, value),) = found
    return {"slot": slot, "value": value}


def _carry_evidence(work: _Work, sources: Sequence[Memory], target: Memory) -> None:
    has = {_said(each) for each in Evidence.objects.filter(memory=target)}
    copies = []
    for each in Evidence.objects.filter(memory__in=sources):
        if _said(each) in has:
            continue
        has.add(_said(each))
        copy = Evidence(
            memory=target,
            message_id=each.message_id,
            speaker=each.speaker,
            quote=each.quote,
            said_at=each.said_at,
        )
        copies.append(copy)
        kept = work.inner[each.memory_id]
        kept["evidence"] = [*_listed(kept, "evidence"), str(copy.pk)]
    Evidence.objects.bulk_create(copies)


def _said(evidence: Evidence) -> object:
    """What makes two pieces of evidence the same: the message, or the words where there is none."""
    return evidence.message_id or evidence.quote


def _carry_mentions(work: _Work, sources: Sequence[Memory], target: Memory) -> None:
    has = set(Mention.objects.filter(memory=target).values_list("entity_id", flat=True))
    copies = []
    for each in Mention.objects.filter(memory__in=sources).order_by("pk"):
        if each.entity_id in has:
            continue
        has.add(each.entity_id)
        copy = Mention(memory=target, entity_id=each.entity_id)
        copies.append(copy)
        kept = work.inner[each.memory_id]
        kept["mentions"] = [*_listed(kept, "mentions"), str(copy.pk)]
    Mention.objects.bulk_create(copies)


def _listed(kept: dict[str, object], name: str) -> list[object]:
    value = kept.get(name, [])
    return value if isinstance(value, list) else []


def _demand_nothing_lost(
    work: _Work,
    counted: tuple[int, int],
    merges: Sequence[Merge],
    targets: Sequence[Memory],
    retirements: Sequence[Retirement],
) -> None:
    sources = [pk for merge in merges for pk in merge.source_ids]
    made, gone = len(work.created), len(sources) + len(retirements)
    expected = (counted[0] + made, counted[1] + made - gone)
    found = _counted(work.subject.pk)
    if found != expected:
        raise ChangesetBroken(f"(memories, live) are {found} instead of {expected}")
    if not sources:
        return
    same = Q(message_id=OuterRef("message_id")) | Q(
        message_id__isnull=True, quote=OuterRef("quote")
    )
    carried = Evidence.objects.filter(same, memory_id=OuterRef("memory__superseded_by_id"))
    if Evidence.objects.filter(~Exists(carried), memory_id__in=sources).exists():
        raise ChangesetBroken("a piece of evidence would have been lost")
    held = Memory.objects.filter(
        pk__in=sources,
        status=MemoryStatus.ARCHIVED,
        superseded_by__in=[target.pk for target in targets],
        superseded_by__status=MemoryStatus.ACTIVE,
        valid_to__isnull=False,
        retired_at__isnull=False,
    )
    if held.count() != len(sources):
        raise ChangesetBroken("a superseded memory has nothing that says what holds now")


def _keep(work: _Work, kind: ChangesetKind, note: str, *, planned: bool) -> ChangesetView:
    changeset = Changeset(
        subject=work.subject,
        kind=kind,
        note=note,
        state=ChangesetState.PLANNED if planned else ChangesetState.APPLIED,
    )
    changeset.save(force_insert=True)
    entries = []
    for pk, before in work.before.items():
        names = before or ("text", "kind", "status", *_JOINED)
        after = {**work.values(pk, names), INNER: work.inner[pk]}
        entries.append(
            ChangesetEntry(changeset=changeset, memory_id=pk, before=before, after=after)
        )
    ChangesetEntry.objects.bulk_create(entries)
    audit.record(
        action="memory.changeset_applied",
        target_type="memory_changeset",
        target_id=changeset.pk,
        target_label=str(changeset.pk),
        data={"kind": kind.value, "made": len(work.created), "changed": len(entries)},
    )
    return changeset_view(changeset, entries)
