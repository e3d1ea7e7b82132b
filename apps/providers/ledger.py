"""The ledger of calls: every call of a model becomes one row, whatever became of it.

A turn's calls are written in the transaction that ends the turn. All others wait in this process
for a fraction of a second and are written together; a database that is away only delays them.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID

from django.conf import settings
from django.db import DataError, IntegrityError, connection, transaction

from apps.core import scope
from apps.core.clock import now
from apps.core.ids import new_id
from apps.core.logging import get_logger
from apps.providers import metrics, upkeep
from apps.providers.contracts import NOBODY, Flow, Origin, Usage
from apps.providers.pricing import Cost, Tariff, cost_of

logger = get_logger(__name__)

_EVERY_S = 0.2
_ROWS_AT_ONCE = 500
_WAITING_MAX = 50_000
_COUNT_MAX = 2**31 - 1

LOST = "lost"  # the process died; what the model wrote until then is all that is known

_NOTHING_KNOWN = Cost(amount=None, source="")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One call as it went.

    Attributes:
        tenant_id: Whose it was; None for the platform's own.
        status: `ok`, `closed` (nobody read on), `lost`, or the code of an error.
        usage: What it consumed; None where it never reached a model.
        tariff: How that is priced; None with no usage.
        tries: Attempts to reach the model, the first included.
        first_ms: Milliseconds to the first event.
        steps: Stages of the gateway in their order, each with its outcome; not stored.
        id: Its key; a record that is written twice, because nobody knew whether the first time
            was kept, counts once.
    """

    tenant_id: UUID | None
    flow: Flow
    model: str
    provider: str
    started_at: datetime
    status: str
    usage: Usage | None
    tariff: Tariff | None
    origin: Origin = NOBODY
    is_cached: bool = False
    tries: int = 1
    first_ms: int | None = None
    total_ms: int = 0
    correlation_id: str = ""
    steps: tuple[tuple[str, str], ...] = ()
    id: UUID = field(default_factory=new_id)

    @property
    def cost(self) -> Cost:
        """What it cost; an answer from the cache costs nothing."""
        if self.usage is None or self.tariff is None:
            return _NOTHING_KNOWN
        if self.is_cached:
            return Cost(amount=Decimal(0), source="cache")
        return cost_of(self.tariff, self.usage)


def lost_call(*, model: str, started_at: datetime, origin: Origin) -> CallRecord:
    """Return the record of an attempt at a turn whose worker died: what it used is not known."""
    return CallRecord(
        tenant_id=scope.require().id,
        flow=Flow.CHAT_ANSWER,
        model=model,
        provider=model.partition("/")[0],
        started_at=started_at,
        status=LOST,
        usage=None,
        tariff=None,
        origin=origin,
    )


_Value: TypeAlias = str | int | bool | Decimal | datetime | UUID | None

_COLUMNS = (
    "id", "started_at", "tenant_id", "flow", "model", "provider", "turn_id", "attempt", "step",
    "user_id", "key_id", "status", "is_cached", "tries", "prompt_tokens", "completion_tokens",
    "cached_tokens", "reasoning_tokens", "is_estimated", "cost", "price_source", "first_ms",
    "total_ms", "correlation_id",
)  # fmt: skip
_ROW = f"({', '.join(['%s'] * len(_COLUMNS))})"


def write_calls(records: Sequence[CallRecord]) -> None:
    """Write calls in the caller's transaction; what is there already stays as it is."""
    if not records:
        return
    values: list[_Value] = []
    for record in records:
        values += _values(record)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO public.providers_call ({', '.join(_COLUMNS)}) VALUES "  # noqa: S608  # constant names
            f"{', '.join([_ROW] * len(records))} ON CONFLICT DO NOTHING",
            values,
        )


def _values(record: CallRecord) -> list[_Value]:
    origin, usage, cost = record.origin, record.usage, record.cost
    return [
        record.id,
        record.started_at,
        record.tenant_id,
        record.flow.value,
        record.model[:200],
        record.provider[:40],
        origin.turn_id,
        origin.attempt,
        origin.step,
        origin.user_id,
        origin.key_id,
        record.status[:40],
        record.is_cached,
        record.tries,
        _count(usage.prompt_tokens) if usage else None,
        _count(usage.completion_tokens) if usage else None,
        _count(usage.cached_tokens) if usage else 0,
        _count(usage.reasoning_tokens) if usage else 0,
        usage.estimated if usage else False,
        cost.amount,
        cost.source,
        record.first_ms,
        record.total_ms,
        record.correlation_id[:64],
    ]


def _count(reported: int) -> int:
    """Return a number of tokens that fits its column: providers report what they like."""
    return min(max(reported, 0), _COUNT_MAX)


_waiting: deque[CallRecord] = deque()
_flushing = threading.Lock()


def record_call(record: CallRecord) -> None:
    """Have a call written within a fraction of a second; never blocks."""
    if len(_waiting) >= _WAITING_MAX:
        metrics.LEDGER_LOST.inc()
        logger.error("ledger.full", waiting=len(_waiting))
        return
    _waiting.append(record)
    upkeep.start()


def flush_calls() -> None:
    """Write what waits. Blocking.

    Raises:
        django.db.Error: The database is away; everything still waits.
    """
    with _flushing:
        while _waiting:
            batch = [_waiting[place] for place in range(min(len(_waiting), _ROWS_AT_ONCE))]
            try:
                write_calls(batch)
            except (DataError, IntegrityError):
                _write_singly(batch)
            for _written in batch:
                _waiting.popleft()


def _write_singly(batch: Sequence[CallRecord]) -> None:
    """Write what fits the table; one row that does not must not keep all others waiting."""
    for record in batch:
        try:
            write_calls([record])
        except (DataError, IntegrityError):
            metrics.LEDGER_LOST.inc()
            logger.exception("ledger.row_refused", flow=record.flow.value, status=record.status)


upkeep.register("ledger", flush_calls, every_s=_EVERY_S)


# -- partitions

_AHEAD = 3  # months


def ensure_partitions(*, today: date) -> list[str]:
    """Make the partitions of this month and the next ones; return the names of the new ones.

    What lies in the default partition stays there: a month that began without its partition is
    left to it, because moving rows would lock the ledger.
    """
    made = []
    start = today.replace(day=1)
    for _month in range(_AHEAD + 1):
        end = (start + timedelta(days=32)).replace(day=1)
        name = f"providers_call_{start:%Y_%m}"
        if _make_partition(name, start, end):
            made.append(name)
        start = end
    return made


def _make_partition(name: str, start: date, end: date) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [f"public.{name}"])
        row = cursor.fetchone()
        cursor.execute(
            "SELECT EXISTS (SELECT FROM public.providers_call_default"
            " WHERE started_at >= %s AND started_at < %s)",
            [start, end],
        )
        in_default = cursor.fetchone()
        if (row and row[0]) or (in_default and in_default[0]):
            return False
        cursor.execute(
            f"CREATE TABLE IF NOT EXISTS public.{name} PARTITION OF public.providers_call"
            f" FOR VALUES FROM ('{start:%Y-%m-%d}') TO ('{end:%Y-%m-%d}')"
        )
    return True


def drop_old_partitions(*, before: date) -> list[str]:
    """Drop the partitions of months that ended before `before`; return their names.

    Rows of such months that lie in the default partition go too.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = 'public.providers_call'::regclass"
        )
        months = [
            name
            for (name,) in cursor.fetchall()
            if name.removeprefix("providers_call_").replace("_", "").isdecimal()
        ]
        limit = f"providers_call_{before:%Y_%m}"
        old = sorted(name for name in months if name < limit)
        for name in old:
            cursor.execute(f"DROP TABLE public.{name}")
        cursor.execute(
            "DELETE FROM public.providers_call_default WHERE started_at < %s",
            [before.replace(day=1)],
        )
    return old


def tend_ledger() -> None:
    """Make the months ahead, and drop those that `LEDGER_KEEP_MONTHS` has no use for.

    Waits for nobody long: whoever reads the ledger would otherwise keep all calls waiting.
    """
    today = now().date()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '5s'")
        made = ensure_partitions(today=today)
        dropped = []
        if settings.LEDGER_KEEP_MONTHS > 0:
            month = today.year * 12 + today.month - 1 - settings.LEDGER_KEEP_MONTHS
            dropped = drop_old_partitions(before=date(month // 12, month % 12 + 1, 1))
    if made or dropped:
        logger.info("ledger.months", made=made, dropped=dropped)


def forget_calls() -> None:
    """Drop what waits to be written; for tests."""
    _waiting.clear()
