"""Budgets that hold: a call sets its estimate aside before it asks, and settles what it used.

Setting aside is one conditional statement per level in one transaction, so calls in parallel can
neither pass a limit together nor refuse each other for what none of them spends. A process that
dies keeps nothing: its reservations are not renewed and run out within a minute.
"""

import json
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db import Error, IntegrityError, connection, transaction

from apps.core import scope
from apps.core.clock import now
from apps.core.ids import new_id
from apps.core.logging import get_logger
from apps.jobs import services as jobs
from apps.providers import metrics, upkeep
from apps.providers.configuration import BudgetRule
from apps.providers.contracts import Origin
from apps.providers.domain.periods import Period, next_period_start, period_start
from apps.providers.errors import BudgetExceeded, PriceUnknown
from apps.providers.models import Budget

logger = get_logger(__name__)

LEASE_S = 60.0
_RENEW_EVERY_S = 15.0
_SWEEP_EVERY_S = 5.0
_OWED_EVERY_S = 1.0
WARNING_TASK = "providers.warn_of_budget"
# One order for all: two calls that lock the same rows never wait for each other in a circle.
_LEVELS = ("tenant", "group", "member", "key")
_WHOLE_WORKSPACE = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a call will use at most; `cost` is None where nobody knows the price."""

    tokens: int
    cost: Decimal | None

    def amount(self, unit: str) -> Decimal | None:
        """Return the estimate in a budget's unit."""
        return Decimal(self.tokens) if unit == "tokens" else self.cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What was set aside of one budget's use."""

    use_id: UUID
    unit: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A reservation as its call knows it."""

    id: UUID
    shares: tuple[Share, ...] = field(default=())


_live: set[UUID] = set()
_owed: deque[tuple[Held, int, Decimal | None]] = deque()
_lock = threading.Lock()


def applicable(
    rules: Sequence[BudgetRule], origin: Origin, *, group_id: UUID | None
) -> list[tuple[BudgetRule, UUID]]:
    """Return the budgets that a call counts towards, each with whose use it is, in one order.

    A member's own budget replaces the one of each member with the same unit and period: otherwise
    nobody could be allowed more than the others.
    """
    own = {
        (rule.unit, rule.period)
        for rule in rules
        if rule.level == "member" and rule.subject_id == origin.user_id is not None
    }
    found: list[tuple[BudgetRule, UUID]] = []
    for rule in rules:
        match rule.level:
            case "tenant":
                found.append((rule, _WHOLE_WORKSPACE))
            case "group":
                if group_id is not None and rule.subject_id == group_id:
                    found.append((rule, group_id))
            case "member":
                general = rule.subject_id is None and (rule.unit, rule.period) not in own
                if origin.user_id is not None and (general or rule.subject_id == origin.user_id):
                    found.append((rule, origin.user_id))
            case "key":
                if origin.key_id is not None and rule.subject_id == origin.key_id:
                    found.append((rule, origin.key_id))
            case _:
                continue
    return sorted(found, key=lambda pair: (_LEVELS.index(pair[0].level), pair[0].id))


# What costs nothing is let through also where calls used more than they had set aside.
_SET_ASIDE = """
INSERT INTO public.providers_budgetuse AS mine
    (id, budget_id, subject_id, period_start, used, reserved)
VALUES (%s, %s, %s, %s, 0, %s)
ON CONFLICT (budget_id, subject_id, period_start) DO UPDATE
SET reserved = mine.reserved + EXCLUDED.reserved
WHERE NOT %s OR EXCLUDED.reserved = 0 OR mine.used + mine.reserved + EXCLUDED.reserved <= %s
RETURNING mine.id
"""


def reserve_budget(
    rules: Sequence[BudgetRule],
    *,
    origin: Origin,
    group_id: UUID | None,
    estimate: Estimate,
    model: str,
) -> Held | None:
    """Set a call's estimate aside at every level, or at none.

    Returns:
        What `settle_budget` needs; None where no budget applies.

    Raises:
        BudgetExceeded: A hard budget has no room; says which, and when it begins anew.
        PriceUnknown: A hard budget counts money and nobody knows the model's price.
    """
    applying = applicable(rules, origin, group_id=group_id)
    try:
        return _set_aside(applying, estimate=estimate, model=model)
    except IntegrityError:  # a budget was deleted, and this process learns of it within a second
        ids = [rule.id for rule, _subject in applying]
        left = set(Budget.objects.filter(id__in=ids).values_list("id", flat=True))
        applying = [pair for pair in applying if pair[0].id in left]
        return _set_aside(applying, estimate=estimate, model=model)


@transaction.atomic(durable=True)
def _set_aside(
    applying: Sequence[tuple[BudgetRule, UUID]], *, estimate: Estimate, model: str
) -> Held | None:
    if not applying:
        return None
    moment = now()
    shares: list[Share] = []
    with connection.cursor() as cursor:
        for rule, subject in applying:
            amount = estimate.amount(rule.unit)
            if amount is None:
                if rule.is_hard:
                    raise PriceUnknown(model=model)
                amount = Decimal(0)
            if rule.is_hard and amount > rule.amount:
                raise _exceeded(rule, moment)
            start = period_start(Period(rule.period), moment.date())
            cursor.execute(
                _SET_ASIDE,
                [new_id(), rule.id, subject, start, amount, rule.is_hard, rule.amount],
            )
            row = cursor.fetchone()
            if row is None:
                raise _exceeded(rule, moment)
            shares.append(Share(use_id=row[0], unit=rule.unit, amount=amount))
        held = Held(id=new_id(), shares=tuple(shares))
        cursor.execute(
            "INSERT INTO public.providers_reservation (id, tenant_id, shares, created_at, until)"
            " VALUES (%s, %s, %s, %s, %s)",
            [
                held.id,
                scope.require().id,
                json.dumps([[share.use_id.hex, str(share.amount)] for share in shares]),
                moment,
                moment + timedelta(seconds=LEASE_S),
            ],
        )
    transaction.on_commit(lambda: _remember(held.id))
    return held


def _remember(held_id: UUID) -> None:
    with _lock:
        _live.add(held_id)
    upkeep.start()


def _exceeded(rule: BudgetRule, moment: datetime) -> BudgetExceeded:
    metrics.BUDGET_REFUSALS.labels(rule.level, rule.unit).inc()
    begins = next_period_start(Period(rule.period), moment.date())
    return BudgetExceeded(
        level=rule.level,
        unit=rule.unit,
        period=rule.period,
        limit=f"{rule.amount.normalize():f}",
        resets_on=begins.isoformat(),
    )


_SETTLE = """
UPDATE public.providers_budgetuse AS mine
SET reserved = GREATEST(mine.reserved - %s, 0), used = mine.used + %s,
    alerted_at = CASE
        WHEN mine.alerted_at IS NULL AND mine.used + %s >= b.amount * b.alert_percent / 100
        THEN %s ELSE mine.alerted_at END
FROM public.providers_budget b
WHERE mine.id = %s AND b.id = mine.budget_id
RETURNING mine.alerted_at = %s, b.id, b.level, b.unit
"""


def settle_budget(held: Held, *, tokens: int, cost: Decimal | None) -> None:
    """Give back what was set aside and count what was used; a second time does nothing.

    A reservation that ran out meanwhile was given back already: only the use is counted. A
    database that is away delays it: an answer that was written does not fail for its bookkeeping.
    """
    with _lock:
        if held.id not in _live:
            return
        _live.discard(held.id)
    try:
        _settle(held, tokens=max(tokens, 0), cost=max(cost or Decimal(0), Decimal(0)))
    except Error:
        logger.warning("budget.settling_put_off", reservation=str(held.id))
        with _lock:
            _live.add(held.id)  # keeps its room until it is settled
        _owed.append((held, tokens, cost))
        upkeep.start()


@transaction.atomic(durable=True)
def _settle(held: Held, *, tokens: int, cost: Decimal) -> None:
    moment = now()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM public.providers_reservation WHERE id = %s", [held.id])
        stood = cursor.rowcount == 1
        for share in held.shares:
            used = Decimal(tokens) if share.unit == "tokens" else cost
            back = share.amount if stood else Decimal(0)
            cursor.execute(_SETTLE, [back, used, used, moment, share.use_id, moment])
            row = cursor.fetchone()
            if row is not None and row[0]:
                metrics.BUDGET_ALERTS.labels(row[2], row[3]).inc()
                logger.warning("budget.alert", budget=str(row[1]), level=row[2], unit=row[3])
                if settings.MAIL_IS_SENT:
                    jobs.enqueue_on_commit(WARNING_TASK, use_id=share.use_id)


def settle_owed() -> None:
    """Settle what could not be settled when its call ended."""
    for _each in range(len(_owed)):
        held, tokens, cost = _owed.popleft()
        settle_budget(held, tokens=tokens, cost=cost)


def renew_reservations() -> None:
    """Keep the reservations of this process's running calls."""
    with _lock:
        live = list(_live)
    if live:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE public.providers_reservation SET until = %s WHERE id = ANY(%s)",
                [now() + timedelta(seconds=LEASE_S), live],
            )


def release_expired() -> int:
    """Give back what dead processes had set aside; return how many reservations that were."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "WITH gone AS (DELETE FROM public.providers_reservation WHERE id IN ("
            "SELECT id FROM public.providers_reservation WHERE until < %s"
            " ORDER BY id FOR UPDATE SKIP LOCKED) RETURNING id, shares),"
            " back AS (SELECT (share->>0)::uuid AS use_id, sum((share->>1)::numeric) AS amount"
            " FROM gone, jsonb_array_elements(shares) AS share GROUP BY 1),"
            # Locked in the order in which calls lock them, or both would wait for each other.
            " held AS MATERIALIZED (SELECT u.id FROM public.providers_budgetuse u"
            " JOIN public.providers_budget b ON b.id = u.budget_id"
            " WHERE u.id IN (SELECT use_id FROM back)"
            " ORDER BY array_position(%s::text[], b.level::text), b.id, u.id FOR UPDATE OF u),"
            " done AS (UPDATE public.providers_budgetuse u"
            " SET reserved = GREATEST(u.reserved - back.amount, 0)"
            " FROM back JOIN held ON held.id = back.use_id WHERE u.id = back.use_id)"
            " SELECT count(*) FROM gone",
            [now(), list(_LEVELS)],
        )
        (count,) = cursor.fetchone() or (0,)
    if count:
        logger.warning("budget.reservations_expired", count=count)
    return int(count)


def _sweep() -> None:
    release_expired()


upkeep.register("settlements", settle_owed, every_s=_OWED_EVERY_S)
upkeep.register("reservations kept", renew_reservations, every_s=_RENEW_EVERY_S)
upkeep.register("reservations swept", _sweep, every_s=_SWEEP_EVERY_S)


def forget_reservations() -> None:
    """Drop this process's knowledge of running calls; for tests."""
    with _lock:
        _live.clear()
    _owed.clear()
