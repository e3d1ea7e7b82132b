"""The people, places and things that somebody's memories name, and which of them go together."""

from uuid import UUID

from django.db import connection
from django.db.models import Count, Q, QuerySet

from apps.core.scope import Actor
from apps.memory.contracts import EntityGraph, EntityKind, EntityLink, EntityView, MemoryStatus
from apps.memory.models import Entity
from apps.memory.selectors.memories import require_subject

ENTITIES_MAX = 200
GRAPH_MAX = 40
_LINKS_MAX = 120

_LINKS = """
SELECT one.entity_id, other.entity_id, count(*)
FROM memory_mention AS one
JOIN memory_mention AS other
    ON other.memory_id = one.memory_id AND other.entity_id > one.entity_id
JOIN memory_memory AS memory ON memory.id = one.memory_id
WHERE one.entity_id = ANY(%(entities)s) AND other.entity_id = ANY(%(entities)s)
    AND memory.subject_id = %(subject)s AND memory.status IN ('active', 'consolidating')
GROUP BY one.entity_id, other.entity_id
ORDER BY count(*) DESC, one.entity_id, other.entity_id
LIMIT %(most)s
"""
_IN_USE = Q(
    mentions__memory__status__in=(MemoryStatus.ACTIVE.value, MemoryStatus.CONSOLIDATING.value)
)


def entity_key(name: str) -> str:
    """Return what a name is known by, however it was typed."""
    return " ".join(name.split()).lower()


def list_entities(
    *,
    actor: Actor,
    permission: str,
    kind: EntityKind | None = None,
    limit: int = ENTITIES_MAX,
) -> tuple[EntityView, ...]:
    """Return the names in the actor's memories, those mentioned most first.

    Args:
        actor: Whose.
        permission: What the edge demands.
        kind: Of this kind only.
        limit: Most names.

    Raises:
        PermissionDenied: The actor lacks the permission.
    """
    rows = _counted(require_subject(actor, permission))
    if kind is not None:
        rows = rows.filter(kind=kind)
    return tuple(_view(row) for row in rows[:limit])


def find_entity(*, actor: Actor, permission: str, name: str) -> EntityView | None:
    """Return what the actor's memories know by a name, or None.

    Raises:
        PermissionDenied: The actor lacks the permission.
    """
    row = _counted(require_subject(actor, permission)).filter(key=entity_key(name)).first()
    return _view(row) if row else None


def entity_graph(
    *, actor: Actor, permission: str, name: str = "", limit: int = GRAPH_MAX
) -> EntityGraph:
    """Return the names mentioned most, and which stand in the same memories.

    Args:
        actor: Whose.
        permission: What the edge demands.
        name: Only what goes together with this name, and the name itself; empty for all.
        limit: Most names.

    Raises:
        PermissionDenied: The actor lacks the permission.
    """
    subject_id = require_subject(actor, permission)
    rows = _counted(subject_id)
    if name:
        beside = Entity.objects.filter(
            subject=subject_id, mentions__memory__mentions__entity__key=entity_key(name)
        )
        rows = rows.filter(pk__in=beside.values("pk"))
    entities = tuple(_view(row) for row in rows[:limit])
    with connection.cursor() as cursor:
        cursor.execute(
            _LINKS,
            {
                "entities": [entity.id for entity in entities],
                "subject": subject_id,
                "most": _LINKS_MAX,
            },
        )
        found = cursor.fetchall()
    links = tuple(
        EntityLink(source=one, target=other, memories=count) for one, other, count in found
    )
    return EntityGraph(entities=entities, links=links)


def _counted(subject_id: UUID) -> QuerySet[Entity]:
    rows = Entity.objects.filter(subject=subject_id)
    rows = rows.annotate(used=Count("mentions", filter=_IN_USE))
    return rows.filter(used__gt=0).order_by("-used", "key")


def _view(row: Entity) -> EntityView:
    used: int = getattr(row, "used", 0)  # an annotation
    return EntityView(id=row.pk, name=row.name, kind=EntityKind(row.kind), memories=used)
