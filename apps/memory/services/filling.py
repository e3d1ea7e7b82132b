"""What a fact does to its slot: the same for what is learnt and for what is told."""

from datetime import UTC, date, datetime, time
from uuid import UUID

from django.db.models import Max

from apps.memory.domain.extraction import Candidate
from apps.memory.domain.slots import Filling, Holds, Verdict, ended, judge, same_value
from apps.memory.models import Memory
from apps.memory.models.memories import LIVE


def current_of(subject_id: UUID, slot: str) -> tuple[Memory, datetime] | None:
    """Return what a slot holds, and when that was said last."""
    row = (
        Memory.objects.filter(LIVE, subject_id=subject_id, slot=slot, valid_to=None)
        .annotate(last_said_at=Max("evidence__said_at"))
        .order_by("-id")
        .first()
    )
    return None if row is None else (row, row.last_said_at or row.created_at)


def judged(
    candidate: Candidate, current: tuple[Memory, datetime] | None, said_at: datetime
) -> tuple[Verdict, Holds]:
    """Say what becomes of a fact, and when it is true, given what its slot holds."""
    holds, value = candidate.holds, candidate.value
    if (
        holds is Holds.PAST
        and candidate.until is None
        and current is not None
        and same_value(value, current[0].value)
    ):
        holds = Holds.ENDED  # "I used to live in Rome", where Rome is what is known
    if holds is Holds.ENDED and current is None and not value:
        return Verdict.IGNORE, holds  # the end of nothing that is known
    new = Filling(value=value, said_at=said_at, holds=holds)
    return judge(new, current and Filling(value=current[0].value, said_at=current[1])), holds


def fill(
    memory: Memory, candidate: Candidate, holds: Holds, current: Memory | None, *, said_at: datetime
) -> None:
    """Give an unsaved memory its slot, its value, and when it is true."""
    value, since, until = candidate.value, candidate.since, candidate.until
    memory.valid_to = None
    memory.valid_from = _start(since) if since else None
    if holds is Holds.PAST:
        memory.valid_to = _start(until) if until else said_at
        if memory.valid_from is not None:
            memory.valid_to = max(memory.valid_to, memory.valid_from)
    elif holds is Holds.ENDED:
        value = ended(value or (current.value if current else ""))
        memory.valid_from = _start(until) if until else said_at
    elif candidate.slot:
        memory.valid_from = memory.valid_from or said_at
    memory.slot, memory.value = candidate.slot, value


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
