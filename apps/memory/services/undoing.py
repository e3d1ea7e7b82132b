"""Undoing a changeset: every memory becomes what it was before, in the indexes too."""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from apps.audit import services as audit
from apps.core.clock import now
from apps.core.scope import Actor
from apps.jobs import services as jobs
from apps.memory.contracts import ChangesetState, ChangesetView, MemoryStatus
from apps.memory.errors import ChangesetNotFound, ChangesetOutdated
from apps.memory.models import (
    Changeset,
    ChangesetEntry,
    Evidence,
    Memory,
    MemoryVersion,
    Mention,
    Subject,
)
from apps.memory.models.changesets import INNER
from apps.memory.selectors import changeset_view, require_subject
from apps.memory.services.checking import has_twin
from apps.memory.services.embedding import EMBED_TASK
from apps.memory.services.erasing import erase_unmentioned
from apps.memory.services.indexing import index_memory, unindex_memories
from apps.memory.services.subjects import locked_subject
from apps.memory.services.superseding import rivals_of
from apps.memory.services.versions import as_json, keep_versions

_COUNTS_ON = ("use_count", "last_used_at")  # use goes on without being a change


@transaction.atomic
def undo_changeset(*, actor: Actor, permission: str, changeset_id: UUID) -> ChangesetView:
    """Have memories be what they were before a changeset; what it made is erased.

    Idempotent: what is undone already stays so.

    Args:
        actor: Whose memories they are.
        permission: What the edge demands.
        changeset_id: What to undo.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ChangesetNotFound: There is none, or it is about somebody else.
        ChangesetOutdated: A later change touched one of the memories, or something else says now
            what one of them said; names them.
    """
    subject = locked_subject(require_subject(actor, permission))
    changeset = (
        Changeset.objects.select_for_update().filter(pk=changeset_id, subject=subject).first()
    )
    if changeset is None:
        raise ChangesetNotFound
    entries = list(changeset.entries.all())
    if changeset.state != ChangesetState.APPLIED:
        return changeset_view(changeset, entries)
    rows = _unchanged_rows(subject, entries)
    _erase_made(subject, entries, rows)
    _take_back(subject, [each for each in entries if each.before], rows)
    erase_unmentioned(subject)
    changeset.state, changeset.undone_at = ChangesetState.UNDONE, now()
    changeset.save(update_fields=["state", "undone_at"])
    audit.record(
        action="memory.changeset_undone",
        target_type="memory_changeset",
        target_id=changeset.pk,
        target_label=str(changeset.pk),
        data={"kind": changeset.kind},
    )
    return changeset_view(changeset, entries)


def _unchanged_rows(subject: Subject, entries: Sequence[ChangesetEntry]) -> dict[UUID, Memory]:
    """Return the memories, locked, if none of them was changed since."""
    ids = [entry.memory_id for entry in entries]
    found = (
        Memory.objects.select_for_update(no_key=True)
        .filter(subject_id=subject.pk, pk__in=ids)
        .defer("embedding", "words")
    )
    rows = {row.pk: row for row in found}
    numbers = dict(
        MemoryVersion.objects.filter(memory__in=ids)
        .order_by("number")  # the last one of each stays
        .values_list("memory_id", "number")
    )
    outdated = [
        entry.memory_id
        for entry in entries
        if entry.memory_id not in rows
        or INNER not in entry.after
        or numbers.get(entry.memory_id, 0) != entry.after[INNER]["version"]
        or _differs(rows[entry.memory_id], entry)
    ]
    if outdated:
        raise ChangesetOutdated(outdated)
    return rows


def _differs(row: Memory, entry: ChangesetEntry) -> bool:
    for name, value in entry.after.items():
        found = as_json(getattr(row, name)) if name != INNER else value
        if name == "status" and found == MemoryStatus.CONSOLIDATING:
            return True  # a consolidation holds it right now
        if name not in _COUNTS_ON and found != value:
            return True
    return False


def _erase_made(
    subject: Subject, entries: Sequence[ChangesetEntry], rows: dict[UUID, Memory]
) -> None:
    made = [entry for entry in entries if not entry.before]
    unindex_memories(subject, [rows[entry.memory_id] for entry in made])
    Memory.objects.filter(pk__in=[entry.memory_id for entry in made]).delete()
    for entry in made:
        entry.after = {}  # erased means that its text is nowhere
    ChangesetEntry.objects.bulk_update(made, ["after"])


def _take_back(
    subject: Subject, entries: Sequence[ChangesetEntry], rows: dict[UUID, Memory]
) -> None:
    copies = [entry.after[INNER] for entry in entries]
    for model, name in ((Evidence, "evidence"), (Mention, "mentions")):
        model._default_manager.filter(
            pk__in=[pk for each in copies for pk in each.get(name, ())]
        ).delete()
    keep_versions([(rows[entry.memory_id], entry.before, "undone") for entry in entries])
    for entry in entries:
        row = rows[entry.memory_id]
        for name, value in entry.before.items():
            _restore_value(row, name, value, entry.after[name])
        if row.is_live and row.place is None:
            _demand_single(row)
            index_memory(subject, row)
        row.updated_at = now()
        changed = {name.removesuffix("_id") for name in entry.before}
        row.save(update_fields=sorted({*changed, "place", "words_count", "updated_at"}))
    jobs.enqueue_on_commit(EMBED_TASK)


def _restore_value(row: Memory, name: str, before: object, after: object) -> None:
    if name == "last_used_at":
        return
    if name == "use_count":
        row.use_count = max(row.use_count - (int(str(after)) - int(str(before))), 0)
        return
    fields = {field.attname: field for field in Memory._meta.concrete_fields}
    setattr(row, name, fields[name].to_python(before))


def _demand_single(row: Memory) -> None:
    if has_twin(row) or rivals_of(row):
        raise ChangesetOutdated([row.pk])
