"""How budgets stand: what was used of each in its present period, and what is left of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from django.utils.translation import gettext as _

from apps.accounts import selectors as accounts
from apps.accounts.permissions import TENANT_ADMIN
from apps.core import scope
from apps.core.scope import Actor
from apps.providers.configuration import BudgetRule
from apps.providers.contracts import Origin
from apps.providers.domain.periods import Period, next_period_start, period_start
from apps.providers.models import Budget, BudgetUse
from apps.providers.models.budgets import BudgetLevel
from apps.providers.services.budgets import applicable
from apps.providers.usage import people_labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What one subject used of a budget in its present period.

    Attributes:
        subject_id: A member, for budgets of each member; None otherwise.
        label: How people call them.
        used: What ended calls used.
        reserved: What running calls may use at most.
        share: Part of the budget that is used, from 0; more than 1 where it was passed.
        is_alerted: It passed the share at which people are warned.
    """

    subject_id: UUID | None
    label: str
    used: Decimal
    reserved: Decimal
    share: float
    is_alerted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetState:
    """A budget and how it stands.

    Attributes:
        id: Its identity.
        level: Whose spending it limits: `tenant`, `group`, `member`, `key`.
        subject_id: The role, member or key; None for the workspace, and for each member.
        label: How people call that.
        unit: `money` (US dollars) or `tokens`.
        period: `day`, `week` or `month`.
        amount: The limit.
        alert_percent: At this share people are warned.
        is_hard: Calls beyond it are refused.
        is_enabled: Whether it counts at all.
        starts_on: First day of the present period, by UTC.
        resets_on: First day of the next one.
        uses: One of its subject, or one for each member who used something, largest first.
    """

    id: UUID
    level: str
    subject_id: UUID | None
    label: str
    unit: str
    period: str
    amount: Decimal
    alert_percent: int
    is_hard: bool
    is_enabled: bool
    starts_on: date
    resets_on: date
    uses: tuple[Spent, ...]

    @property
    def is_alerted(self) -> bool:
        """Somebody passed the share at which people are warned."""
        return self.is_enabled and any(use.is_alerted for use in self.uses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a budget leaves to a call now.

    Attributes:
        left: The limit less what was used and what running calls may use; never below 0.
        resets_on: The day on which it begins anew.
    """

    level: str
    unit: str
    period: str
    is_hard: bool
    left: Decimal
    resets_on: date


def list_budgets(*, actor: Actor) -> tuple[BudgetState, ...]:
    """Return the budgets of the workspace; for whoever does not manage it, their own allowance."""
    tenant = scope.require()
    rows = list(Budget.objects.filter(tenant_id=tenant.id).order_by("unit", "period", "id"))
    rows.sort(key=lambda row: list(BudgetLevel).index(BudgetLevel(row.level)))
    if actor.may(TENANT_ADMIN):
        return _states(rows, names=_names(rows), only=None)
    mine = [row for row in rows if row.level == "member" and row.is_enabled]
    own = {(row.unit, row.period) for row in mine if row.subject_id == actor.id is not None}
    shown = [
        row
        for row in mine
        if row.subject_id == actor.id is not None
        or (row.subject_id is None and (row.unit, row.period) not in own)
    ]
    names = {actor.id: actor.label} if actor.id else {}
    return _states(shown, names=names, only=actor.id)


def budget_state(row: Budget) -> BudgetState:
    """Return how one budget stands."""
    return _states([row], names=_names([row]), only=None)[0]


def list_room(
    rules: Sequence[BudgetRule], *, origin: Origin, group_id: UUID | None
) -> tuple[Room, ...]:
    """Return what every budget that applies to a call leaves to it."""
    today = datetime.now(tz=UTC).date()
    applying = applicable(rules, origin, group_id=group_id)
    uses = {
        (use.budget_id, use.subject_id, use.period_start): use.used + use.reserved
        for use in BudgetUse.objects.filter(
            budget_id__in=[rule.id for rule, _subject in applying],
            subject_id__in=[subject for _rule, subject in applying],
        ).order_by()
    }
    rooms = []
    for rule, subject in applying:
        period = Period(rule.period)
        taken = uses.get((rule.id, subject, period_start(period, today)), Decimal(0))
        rooms.append(
            Room(
                level=rule.level,
                unit=rule.unit,
                period=rule.period,
                is_hard=rule.is_hard,
                left=max(rule.amount - taken, Decimal(0)),
                resets_on=next_period_start(period, today),
            )
        )
    return tuple(rooms)


def _states(
    rows: Sequence[Budget], *, names: dict[UUID, str], only: UUID | None
) -> tuple[BudgetState, ...]:
    today = datetime.now(tz=UTC).date()
    starts = {row.id: period_start(Period(row.period), today) for row in rows}
    uses: dict[UUID, list[BudgetUse]] = {}
    found = BudgetUse.objects.filter(budget__in=rows, period_start__in=set(starts.values()))
    for use in found.order_by("-used", "id") if rows else ():
        if use.period_start == starts[use.budget_id] and only in {None, use.subject_id}:
            uses.setdefault(use.budget_id, []).append(use)
    return tuple(_state(row, starts[row.id], uses.get(row.id, []), names) for row in rows)


def _state(
    row: Budget, start: date, uses: Sequence[BudgetUse], names: dict[UUID, str]
) -> BudgetState:
    each = row.level == BudgetLevel.MEMBER and row.subject_id is None
    label = _label(row, names)
    spent = [
        _spent(row, use.used, use.reserved, use.subject_id if each else None,
               names.get(use.subject_id, _("Somebody who left")) if each else label)
        for use in uses
    ]  # fmt: skip
    if not spent and not each:
        spent = [_spent(row, Decimal(0), Decimal(0), None, label)]
    return BudgetState(
        id=row.id,
        level=row.level,
        subject_id=row.subject_id,
        label=label,
        unit=row.unit,
        period=row.period,
        amount=row.amount,
        alert_percent=row.alert_percent,
        is_hard=row.is_hard,
        is_enabled=row.is_enabled,
        starts_on=start,
        resets_on=next_period_start(Period(row.period), start),
        uses=tuple(spent),
    )


def _spent(
    row: Budget, used: Decimal, reserved: Decimal, subject_id: UUID | None, label: str
) -> Spent:
    # Of a budget of nothing everything is used as soon as anything is.
    share = float(used / row.amount) if row.amount else float(used > 0)
    return Spent(
        subject_id=subject_id,
        label=label,
        used=used,
        reserved=reserved,
        share=share,
        is_alerted=share * 100 >= row.alert_percent,
    )


def _label(row: Budget, names: dict[UUID, str]) -> str:
    if row.level == BudgetLevel.TENANT:
        return _("The whole workspace")
    if row.subject_id is None:
        return _("Each member")
    name = names.get(row.subject_id, _("No longer here"))
    return _("Role: %(name)s") % {"name": name} if row.level == BudgetLevel.GROUP else name


def _names(rows: Sequence[Budget]) -> dict[UUID, str]:
    tenant = scope.require()
    levels = {row.level for row in rows}
    names: dict[UUID, str] = {}
    if BudgetLevel.MEMBER in levels:
        names |= people_labels()
    if BudgetLevel.GROUP in levels:
        names |= accounts.list_roles(tenant)
    if BudgetLevel.KEY in levels:
        names |= accounts.list_key_names(tenant)
    return names
