"""Lists of memories: filtered, in pages, and as they were at a moment of the past."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.postgres.search import SearchQuery
from django.db.models import OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.fields.json import KeyTextTransform
from django.utils.dateparse import parse_datetime

from apps.core.errors import InvalidInput
from apps.core.scope import Actor
from apps.memory.contracts import (
    MemoryCounts,
    MemoryKind,
    MemoryPage,
    MemoryQuery,
    MemoryStatus,
    MemoryView,
    Namespace,
    Priority,
)
from apps.memory.models import Entity, Memory, MemoryVersion, Mention, Subject
from apps.memory.models.memories import LIVE
from apps.memory.selectors.entities import entity_key
from apps.memory.selectors.memories import (
    access_memory,
    current_policy,
    list_memories,
    memory_view,
    require_subject,
)

PAGE_SIZE = 50
_LIVE = (MemoryStatus.ACTIVE.value, MemoryStatus.CONSOLIDATING.value)


def get_memory(*, actor: Actor, memory_id: UUID, permission: str) -> MemoryView:
    """Return one memory about the actor, whatever its state.

    Raises:
        PermissionDenied: The actor lacks the permission.
        MemoryNotFound: It does not exist, or it is about somebody else.
    """
    return memory_view(access_memory(actor=actor, memory_id=memory_id, permission=permission))


def choose_memories(*, actor: Actor, permission: str, query: MemoryQuery) -> QuerySet[Memory]:
    """Return the memories about the actor that a query asks for.

    Raises:
        PermissionDenied: The actor lacks the permission.
    """
    return chosen(list_memories(actor=actor, permission=permission), query)


def chosen(rows: QuerySet[Memory], query: MemoryQuery) -> QuerySet[Memory]:
    """Narrow memories down to those that a query asks for."""
    rows = rows.filter(_wanted(query))
    if query.text:
        words = SearchQuery(query.text, config="english", search_type="websearch")
        rows = rows.filter(Q(words=words) | Q(text__icontains=query.text))
    if query.entity:
        named = Mention.objects.filter(entity__key=entity_key(query.entity))
        rows = rows.filter(pk__in=named.values("memory"))
    if query.as_of is not None:
        return _believed(rows, query.as_of)
    if not query.superseded:
        rows = rows.filter(superseded_by__isnull=True)
    return rows


def _wanted(query: MemoryQuery) -> Q:
    wanted = Q()
    if query.kinds:
        wanted &= Q(kind__in=sorted(query.kinds))
    if query.namespaces:
        wanted &= Q(namespace__in=sorted(query.namespaces))
    if query.statuses:
        wanted &= Q(status__in=sorted(query.statuses))
    if query.pinned is not None:
        wanted &= Q(pinned_at__isnull=not query.pinned)
    if query.since is not None:
        wanted &= Q(created_at__gte=query.since)
    if query.until is not None:
        wanted &= Q(created_at__lt=query.until)
    return wanted


def _believed(rows: QuerySet[Memory], moment: datetime) -> QuerySet[Memory]:
    """Narrow down to what was believed then.

    What was given up and taken back since has no `retired_at`; its versions tell.
    """
    later = MemoryVersion.objects.filter(
        memory=OuterRef("pk"), changed_at__gt=moment, before__has_key="status"
    ).order_by("number")
    status = KeyTextTransform("status", "before")
    return (
        rows.annotate(status_then=Subquery(later.annotate(was=status).values("was")[:1]))
        .filter(created_at__lte=moment)
        .filter(Q(retired_at__isnull=True) | Q(retired_at__gt=moment))
        .filter(Q(status_then__isnull=True) | Q(status_then__in=_LIVE))
    )


def page_of_memories(
    *,
    actor: Actor,
    permission: str,
    query: MemoryQuery,
    after: str = "",
    size: int = PAGE_SIZE,
) -> MemoryPage:
    """Return a page of the memories about the actor, the last learnt first.

    Args:
        actor: Whose.
        permission: What the edge demands.
        query: Which ones.
        after: `following` of the page before; empty for the first page.
        size: Most memories on a page.

    Raises:
        PermissionDenied: The actor lacks the permission.
        InvalidInput: `after` is not what a page gave.
    """
    rows = choose_memories(actor=actor, permission=permission, query=query)
    if after:
        moment, last = _place_of(after)
        rows = rows.filter(Q(created_at__lt=moment) | Q(created_at=moment, pk__lt=last))
    found = list(rows.order_by("-created_at", "-pk")[: size + 1])
    following = ""
    if len(found) > size:
        last_row = found[size - 1]
        following = f"{last_row.created_at.isoformat()}~{last_row.pk.hex}"
    return MemoryPage(memories=tuple(views_of(found[:size], query.as_of)), following=following)


def memories_by_id(
    *, actor: Actor, permission: str, memory_ids: Sequence[UUID]
) -> tuple[MemoryView, ...]:
    """Return those of `memory_ids` that are about the actor and in use, in the order given.

    Raises:
        PermissionDenied: The actor lacks the permission.
    """
    rows = list_memories(actor=actor, permission=permission).filter(LIVE, pk__in=list(memory_ids))
    found = {row.pk: memory_view(row) for row in rows}
    return tuple(found[pk] for pk in memory_ids if pk in found)


def _place_of(after: str) -> tuple[datetime, UUID]:
    moment, _, last = after.partition("~")
    try:
        when, pk = parse_datetime(moment), UUID(last)
    except ValueError:
        when = None
    if when is None or when.tzinfo is None:
        raise InvalidInput(fields={"after": ["Pass the `next` of a page you received, unchanged."]})
    return when, pk


def views_of(rows: Sequence[Memory], as_of: datetime | None = None) -> list[MemoryView]:
    """Map rows; with `as_of`, as they were then.

    What a later change overwrote is in its version; of several, the first after the moment tells.
    """
    views = [memory_view(row) for row in rows]
    if as_of is None or not rows:
        return views
    later = MemoryVersion.objects.filter(memory__in=[row.pk for row in rows], changed_at__gt=as_of)
    before: dict[UUID, dict[str, Any]] = {}
    for version in later.order_by("memory_id", "-number"):
        before.setdefault(version.memory_id, {}).update(version.before)
    return [_as_it_was(view, before.get(view.id, {}), as_of) for view in views]


def _as_it_was(view: MemoryView, before: Mapping[str, Any], moment: datetime) -> MemoryView:
    """Return a view with the values it had; what superseded it was not known yet."""
    was: dict[str, Any] = {
        name: before[name]
        for name in ("text", "importance", "confidence", "slot")
        if name in before
    }
    for name, kind in (("kind", MemoryKind), ("namespace", Namespace), ("priority", Priority)):
        if name in before:
            was[name] = kind(before[name])
    for name in ("valid_from", "valid_to", "expires_at"):
        if name in before:
            was[name] = parse_datetime(before[name]) if before[name] else None
    if "pinned_at" in before:
        was["pinned"] = before["pinned_at"] is not None
    if view.superseded_by is not None:
        was["superseded_by"] = None
        was.setdefault("valid_to", None)
    was["status"] = MemoryStatus(before.get("status", MemoryStatus.ACTIVE.value))
    if view.last_used_at is not None and view.last_used_at > moment:
        was["last_used_at"] = None
    return replace(view, **was)


def count_memories(*, actor: Actor, permission: str) -> MemoryCounts:
    """Return how much is known of the actor.

    Raises:
        PermissionDenied: The actor lacks the permission.
    """
    subject_id = require_subject(actor, permission)
    live = Memory.objects.filter(LIVE, subject_id=subject_id)
    memories, policy = live.count(), current_policy()
    total = Subject.objects.aggregate(total=Sum("memory_count"))["total"] or 0
    said: Iterable[int] = Subject.objects.filter(pk=subject_id).values_list("said_count", flat=True)
    return MemoryCounts(
        memories=memories,
        pinned=live.filter(pinned_at__isnull=False).count(),
        said=next(iter(said), 0),
        entities=Entity.objects.filter(subject=subject_id).count(),
        is_full=memories >= policy.per_subject_max or total >= policy.per_workspace_max,
    )
