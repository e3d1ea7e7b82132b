"""Reading memories: the gate and lists; what fits a question is in `recall`."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from apps.core.errors import NotAuthenticated, PermissionDenied
from apps.core.scope import Actor
from apps.memory.contracts import (
    MemoryKind,
    MemoryOrigin,
    MemoryStatus,
    MemoryView,
    Namespace,
    PolicyView,
    Priority,
    SecretsPolicy,
)
from apps.memory.errors import MemoryNotFound
from apps.memory.models import Memory, MemoryPolicy, Subject
from apps.memory.models.memories import LIVE


def require_subject(actor: Actor, permission: str) -> UUID:
    """Return whose memories the actor may handle, if the actor holds `permission`.

    Raises:
        NotAuthenticated: The actor is nobody in particular.
        PermissionDenied: The actor lacks the permission.
    """
    if actor.id is None:
        raise NotAuthenticated
    if not actor.may(permission):
        raise PermissionDenied(permission)
    return actor.id


def access_memory(*, actor: Actor, memory_id: UUID, permission: str, lock: bool = False) -> Memory:
    """Return a memory about the actor, if the actor holds `permission`: the only gate.

    Raises:
        PermissionDenied: The actor lacks the permission.
        MemoryNotFound: It does not exist, or it is about somebody else.
    """
    subject_id = require_subject(actor, permission)
    rows = Memory.objects.select_for_update(no_key=True) if lock else Memory.objects
    found = rows.filter(subject_id=subject_id, pk=memory_id).first()
    if found is None:
        raise MemoryNotFound
    return found


def list_memories(*, actor: Actor, permission: str) -> QuerySet[Memory]:
    """Return the memories about the actor.

    Raises:
        PermissionDenied: The actor lacks the permission.
    """
    rows = Memory.objects.filter(subject_id=require_subject(actor, permission))
    return rows.defer("embedding").prefetch_related("mentions__entity")


def page_of_live_memories(
    *, actor: Actor, permission: str, before: UUID | None, limit: int
) -> tuple[tuple[MemoryView, ...], UUID | None]:
    """Return a page of what is remembered about the actor and holds, newest first.

    Args:
        actor: Who asks, about themselves.
        permission: What the edge demands.
        before: The last memory of the page before; None for the first page.
        limit: Most memories.

    Returns:
        The page, and what to give as `before` for the next one; None after the last.

    Raises:
        PermissionDenied: The actor lacks the permission.
    """
    rows = list_memories(actor=actor, permission=permission).filter(LIVE).order_by("-id")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    views = tuple(memory_view(row) for row in rows[: limit + 1])
    more = len(views) > limit
    return views[:limit], views[limit - 1].id if more else None


def memory_view(row: Memory) -> MemoryView:
    """Map a row; does not touch its vector."""
    return MemoryView(
        id=row.pk,
        text=row.text,
        kind=MemoryKind(row.kind),
        namespace=Namespace(row.namespace),
        origin=MemoryOrigin(row.origin),
        priority=Priority(row.priority),
        importance=row.importance,
        confidence=row.confidence,
        pinned=row.pinned_at is not None,
        status=MemoryStatus(row.status),
        slot=row.slot,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        superseded_by=row.superseded_by_id,
        expires_at=row.expires_at,
        source_message_ids=tuple(row.source_message_ids),
        entities=tuple(sorted(mention.entity.name for mention in row.mentions.all())),
        proof_count=row.proof_count,
        embedded=bool(row.embedding_model),
        use_count=row.use_count,
        created_at=row.created_at,
        updated_at=row.updated_at,
        last_used_at=row.last_used_at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """A live memory to ask for.

    Attributes:
        words: What it rests on, letter by letter; its own text where a person told it.
        names: Names that may stand in them.
    """

    memory_id: UUID
    subject_id: UUID
    words: str
    names: tuple[str, ...]


def sample_for_quality(*, limit: int) -> tuple[Sampled, ...]:
    """Return some live memories of any subjects of the tenant in scope, by chance."""
    rows = list(
        Memory.objects.filter(LIVE, place__isnull=False)
        .defer("embedding")
        .prefetch_related("mentions__entity", "evidence")
        .order_by("?")[:limit]
    )
    speakers = Subject.objects.filter(pk__in={row.subject_id for row in rows})
    spoken = dict(speakers.values_list("pk", "speakers"))
    return tuple(
        Sampled(
            memory_id=row.pk,
            subject_id=row.subject_id,
            words=next((each.quote for each in row.evidence.all()), row.text),
            names=(
                *filter(None, spoken.get(row.subject_id, [])),
                *(mention.entity.name for mention in row.mentions.all()),
            ),
        )
        for row in rows
    )


def list_texts(*, subject_id: UUID, memory_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the texts of those of `memory_ids` that are about this person."""
    rows = Memory.objects.filter(subject_id=subject_id, pk__in=list(memory_ids))
    return dict(rows.values_list("pk", "text"))


def current_policy() -> PolicyView:
    """Return the policy of the workspace in scope; the defaults where nobody decided."""
    row = MemoryPolicy.objects.order_by("pk").first()
    return PolicyView() if row is None else policy_view(row)


def get_memory_policy(*, actor: Actor, permission: str) -> PolicyView:
    """Return the policy of the workspace to somebody who may see it.

    Raises:
        PermissionDenied: The actor lacks the permission.
    """
    if not actor.may(permission):
        raise PermissionDenied(permission)
    return current_policy()


def policy_view(row: MemoryPolicy) -> PolicyView:
    """Map a row."""
    return PolicyView(
        learns=row.learns,
        keeps_said=row.keeps_said,
        secrets=SecretsPolicy(row.secrets),
        semantic_half_life_days=row.semantic_half_life_days,
        episodic_half_life_days=row.episodic_half_life_days,
        procedural_half_life_days=row.procedural_half_life_days,
        retention_days=row.retention_days,
        said_retention_days=row.said_retention_days,
        per_subject_max=row.per_subject_max,
        per_workspace_max=row.per_workspace_max,
    )
