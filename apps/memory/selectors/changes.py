"""What changed several memories at once: lists, and one with what each memory was and became."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Max, Q, QuerySet

from apps.core.scope import Actor
from apps.memory.contracts import (
    ChangesetEntryView,
    ChangesetKind,
    ChangesetPage,
    ChangesetState,
    ChangesetView,
    MemoryStatus,
    Tidied,
)
from apps.memory.errors import ChangesetNotFound
from apps.memory.models import Changeset, ChangesetEntry, Memory
from apps.memory.models.changesets import INNER
from apps.memory.selectors.memories import require_subject

PAGE_SIZE = 20
BY_ITSELF = (ChangesetKind.CONSOLIDATION, ChangesetKind.LIFE)


def list_changesets(
    *, actor: Actor, permission: str, kinds: Collection[ChangesetKind] = ()
) -> QuerySet[Changeset]:
    """Return what changed several memories about the actor at once, newest first.

    Args:
        actor: Whose.
        permission: What the edge demands.
        kinds: Of these kinds only; empty for all.

    Raises:
        PermissionDenied: The actor lacks the permission.
    """
    rows = Changeset.objects.filter(subject_id=require_subject(actor, permission))
    if kinds:
        rows = rows.filter(kind__in=sorted(kinds))
    return rows.prefetch_related("entries")


def page_of_changesets(
    *,
    actor: Actor,
    permission: str,
    kinds: Collection[ChangesetKind] = (),
    before: UUID | None = None,
    size: int = PAGE_SIZE,
) -> ChangesetPage:
    """Return a page of what changed several memories at once, with the memories' texts.

    Args:
        actor: Whose.
        permission: What the edge demands.
        kinds: Of these kinds only; empty for all.
        before: `following` of the page before; None for the first page.
        size: Most changes on a page.

    Raises:
        PermissionDenied: The actor lacks the permission.
    """
    rows = list_changesets(actor=actor, permission=permission, kinds=kinds)
    # The id of what a message taught is the message's, so ids alone are no order of time.
    rows = rows.order_by("-created_at", "-pk")
    if before is not None:
        last = rows.filter(pk=before).values_list("created_at", flat=True).first()
        if last is None:
            raise ChangesetNotFound
        rows = rows.filter(created_at__lte=last).exclude(created_at=last, pk__gte=before)
    found = list(rows[: size + 1])
    views = tuple(views_of_changesets(found[:size]))
    return ChangesetPage(changesets=views, following=views[-1].id if len(found) > size else None)


def count_tidied(*, actor: Actor, permission: str, since: datetime) -> Tidied:
    """Return how much Karen merged, told in short or put aside by itself, and did not take back.

    Raises:
        PermissionDenied: The actor lacks the permission.
    """
    rows = Changeset.objects.filter(
        subject_id=require_subject(actor, permission),
        kind__in=BY_ITSELF,
        state=ChangesetState.APPLIED,
        created_at__gte=since,
    )
    retired = Q(entries__after__status__in=[MemoryStatus.ARCHIVED, MemoryStatus.EXPIRED])
    found = rows.aggregate(memories=Count("entries", filter=retired), last_at=Max("created_at"))
    return Tidied(memories=found["memories"], last_at=found["last_at"])


def explain_changeset(*, actor: Actor, permission: str, changeset_id: UUID) -> ChangesetView:
    """Return what changed several memories about the actor at once: each before, after and now.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ChangesetNotFound: There is none, or it is about somebody else.
    """
    row = list_changesets(actor=actor, permission=permission).filter(pk=changeset_id).first()
    if row is None:
        raise ChangesetNotFound
    return views_of_changesets([row])[0]


def views_of_changesets(rows: Sequence[Changeset]) -> list[ChangesetView]:
    """Map rows with what their memories say now."""
    ids = {entry.memory_id for row in rows for entry in row.entries.all()}
    owners = {row.subject_id for row in rows}
    mine = Memory.objects.filter(subject_id__in=owners, pk__in=ids)
    texts = dict(mine.values_list("pk", "text"))
    return [changeset_view(row, row.entries.all(), texts) for row in rows]


def changeset_view(
    row: Changeset, entries: Iterable[ChangesetEntry], texts: Mapping[UUID, str] | None = None
) -> ChangesetView:
    """Map a row and its entries; `texts` is what the memories say now."""
    known = texts or {}
    return ChangesetView(
        id=row.pk,
        kind=ChangesetKind(row.kind),
        state=ChangesetState(row.state),
        note=row.note,
        created_at=row.created_at,
        undone_at=row.undone_at,
        entries=tuple(
            ChangesetEntryView(
                memory_id=entry.memory_id,
                before=entry.before,
                after={name: value for name, value in entry.after.items() if name != INNER},
                text=known.get(entry.memory_id),
            )
            for entry in entries
        ),
    )
