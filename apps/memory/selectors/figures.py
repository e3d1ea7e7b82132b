"""How much the memory of the workspace in scope holds; for operators, so no texts and no names."""

from django.db import connection
from django.db.models import Count, Max, Q, Sum

from apps.jobs import selectors as jobs
from apps.memory.contracts import ChangesetKind, MemoryFigures, MemoryStatus
from apps.memory.models import Changeset, Memory, Subject, Utterance
from apps.memory.models.memories import LIVE

CONSOLIDATION_LEASE = "memory.consolidation"

_SIZE = """
SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)
FROM pg_class AS c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
    AND c.relname LIKE 'memory\\_%%'
"""


def memory_figures() -> MemoryFigures:
    """Return the figures of the workspace in scope."""
    by_status = Memory.objects.order_by().values_list("status").annotate(number=Count("pk"))
    whose = Subject.objects.aggregate(number=Count("pk"), said=Sum("said_count"))
    waiting = Memory.objects.aggregate(number=Count("pk", filter=LIVE & Q(embedding=None)))
    held = Memory.objects.filter(status=MemoryStatus.CONSOLIDATING)
    leased = jobs.leased_keys(CONSOLIDATION_LEASE)
    by_subject = dict(held.order_by().values_list("subject_id").annotate(number=Count("pk")))
    last = Changeset.objects.filter(kind=ChangesetKind.CONSOLIDATION).aggregate(
        at=Max("created_at")
    )
    with connection.cursor() as cursor:
        cursor.execute(_SIZE)
        size = cursor.fetchone()[0]
    return MemoryFigures(
        subjects=whose["number"],
        memories={MemoryStatus(status): number for status, number in by_status},
        said=whose["said"] or 0,
        memories_waiting=waiting["number"],
        said_waiting=Utterance.objects.filter(embedding=None).count(),
        size_bytes=int(size),
        consolidated_at=last["at"],
        held=sum(by_subject.values()),
        held_by_nobody=sum(count for pk, count in by_subject.items() if pk not in leased),
    )
