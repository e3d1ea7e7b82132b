"""How much may be remembered: a hard limit for a subject, and one for the workspace."""

from django.db import connection

from apps.jobs import services as jobs
from apps.memory.contracts import PolicyView
from apps.memory.errors import MemoryFull
from apps.memory.models import Subject

CONSOLIDATE_TASK = "memory.consolidate"
PRESSURE = 0.9  # of a subject's quota: from here on consolidation is begun ahead of the night

_DEFAULTS = PolicyView()
# One statement of what is asked before each write.
_ROOM = """
SELECT policy.per_subject_max, policy.per_workspace_max,
    (SELECT sum(memory_count) FROM memory_subject)
FROM (SELECT 1) AS one LEFT JOIN memory_memorypolicy AS policy ON true
ORDER BY policy.id LIMIT 1
"""


def require_room(subject: Subject) -> None:
    """Refuse one more live memory where there is no room; begin to make room where it gets scarce.

    Args:
        subject: Whose it would be, locked.

    Raises:
        MemoryFull: The subject or the workspace holds as much as the policy allows.
    """
    per_subject, per_workspace, total = _quotas()
    if subject.memory_count >= per_subject:
        raise MemoryFull(per_subject, "subject")
    if total >= per_workspace:
        raise MemoryFull(per_workspace, "workspace")
    if subject.memory_count + 1 == int(per_subject * PRESSURE):
        jobs.enqueue_on_commit(CONSOLIDATE_TASK, subject_id=str(subject.pk))


def has_room(subject: Subject) -> bool:
    """Say whether one more live memory of a locked subject fits."""
    per_subject, per_workspace, total = _quotas()
    return subject.memory_count < per_subject and total < per_workspace


def _quotas() -> tuple[int, int, int]:
    """Return how much a subject and the workspace may hold, and how much the workspace does."""
    with connection.cursor() as cursor:
        cursor.execute(_ROOM)
        per_subject, per_workspace, total = cursor.fetchone()
    if per_subject is None:
        per_subject, per_workspace = _DEFAULTS.per_subject_max, _DEFAULTS.per_workspace_max
    return per_subject, per_workspace, total or 0
