"""Making, changing and removing budgets."""

from dataclasses import dataclass, fields
from decimal import Decimal
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _

from apps.accounts import selectors as accounts
from apps.accounts.permissions import TENANT_ADMIN
from apps.audit import services as audit
from apps.core import scope
from apps.core.errors import InvalidInput, PermissionDenied
from apps.core.scope import Actor
from apps.providers import configuration
from apps.providers.domain.periods import Period
from apps.providers.errors import BudgetExists, BudgetNotFound
from apps.providers.models import Budget
from apps.providers.models.budgets import BudgetLevel, BudgetUnit

_MOST = {BudgetUnit.MONEY: Decimal(100_000_000), BudgetUnit.TOKENS: Decimal(1_000_000_000)}


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetChange:
    """What is to become of a budget; None leaves a value as it is."""

    amount: Decimal | None = None
    alert_percent: int | None = None
    is_hard: bool | None = None
    is_enabled: bool | None = None


@transaction.atomic(durable=True)
def create_budget(
    *,
    actor: Actor,
    level: str,
    unit: str,
    period: str,
    subject_id: UUID | None = None,
    change: BudgetChange,
) -> Budget:
    """Make a budget of the workspace in scope.

    Raises:
        PermissionDenied: The actor does not manage the workspace.
        InvalidInput: Something does not fit; says what.
        BudgetExists: There is one for the same subject, unit and period.
    """
    _require_manager(actor)
    wrong = {
        **_wrong_choice("level", level, BudgetLevel.values),
        **_wrong_choice("unit", unit, BudgetUnit.values),
        **_wrong_choice("period", period, [each.value for each in Period]),
    }
    if change.amount is None:
        wrong["amount"] = [_("Say how much may be spent.")]
    if not wrong:
        wrong = {**_wrong_subject(level, subject_id), **_wrong_values(unit, change)}
    if wrong:
        raise InvalidInput(fields=wrong)
    row = Budget(
        tenant_id=scope.require().id, level=level, subject_id=subject_id, unit=unit, period=period
    )
    _apply(row, change)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        raise BudgetExists from error
    _record("budget.created", row, new=_values_of(row))
    configuration.changed()
    return row


@transaction.atomic(durable=True)
def change_budget(*, actor: Actor, budget_id: UUID, change: BudgetChange) -> Budget:
    """Change a budget; what was used in the present period still counts.

    Who was warned is warned again only where the new share was not passed yet.

    Raises:
        PermissionDenied: The actor does not manage the workspace.
        BudgetNotFound: The workspace has no such budget.
        InvalidInput: Something does not fit; says what.
    """
    row = access_budget(actor=actor, budget_id=budget_id)
    wrong = _wrong_values(row.unit, change)
    if wrong:
        raise InvalidInput(fields=wrong)
    old = _values_of(row)
    _apply(row, change)
    row.save(update_fields=[field.name for field in fields(BudgetChange)])
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE public.providers_budgetuse SET alerted_at = NULL"
            " WHERE budget_id = %s AND alerted_at IS NOT NULL AND used < %s * %s / 100",
            [row.id, row.amount, row.alert_percent],
        )
    _record("budget.changed", row, old=old, new=_values_of(row))
    configuration.changed()
    return row


@transaction.atomic(durable=True)
def delete_budget(*, actor: Actor, budget_id: UUID) -> None:
    """Remove a budget with what it counted; calls that run end as usual.

    Raises:
        PermissionDenied: The actor does not manage the workspace.
        BudgetNotFound: The workspace has no such budget.
    """
    row = access_budget(actor=actor, budget_id=budget_id)
    _record("budget.deleted", row, old=_values_of(row))
    row.delete()
    configuration.changed()


def access_budget(*, actor: Actor, budget_id: UUID) -> Budget:
    """Return a budget of the workspace in scope, locked until the transaction ends.

    Raises:
        PermissionDenied: The actor does not manage the workspace.
        BudgetNotFound: The workspace has no such budget.
    """
    _require_manager(actor)
    rows = Budget.objects.select_for_update().filter(tenant_id=scope.require().id)
    row = rows.filter(id=budget_id).first()
    if row is None:
        raise BudgetNotFound
    return row


def _require_manager(actor: Actor) -> None:
    if not actor.may(TENANT_ADMIN):
        raise PermissionDenied(TENANT_ADMIN)


def _wrong_choice(name: str, value: str, known: list[str]) -> dict[str, list[str]]:
    if value in known:
        return {}
    return {name: [_("Choose one of: %(known)s.") % {"known": ", ".join(known)}]}


def _wrong_subject(level: str, subject_id: UUID | None) -> dict[str, list[str]]:
    tenant = scope.require()
    reason = ""
    if level == BudgetLevel.TENANT:
        reason = _("A budget of the whole workspace names nobody.") if subject_id else ""
    elif level == BudgetLevel.MEMBER:
        members = {member.user_id for member in accounts.list_members(tenant)}
        reason = "" if subject_id in {None, *members} else _("There is no such member.")
    elif level == BudgetLevel.GROUP:
        reason = "" if subject_id in accounts.list_roles(tenant) else _("Choose a role.")
    else:
        reason = "" if subject_id in accounts.list_key_names(tenant) else _("Choose an API key.")
    return {"subject_id": [reason]} if reason else {}


def _wrong_values(unit: str, change: BudgetChange) -> dict[str, list[str]]:
    wrong: dict[str, list[str]] = {}
    amount, most = change.amount, _MOST[BudgetUnit(unit)]
    if amount is not None:
        if not amount.is_finite() or not 0 <= amount <= most:
            wrong["amount"] = [_("Give a number from 0 to %(most)s.") % {"most": f"{most:f}"}]
        elif unit == BudgetUnit.TOKENS and amount != amount.to_integral_value():
            wrong["amount"] = [_("Tokens are counted in whole numbers.")]
        elif amount != round(amount, 6):
            wrong["amount"] = [_("Give at most six decimal places.")]
    if change.alert_percent is not None and not 1 <= change.alert_percent <= 100:
        wrong["alert_percent"] = [_("Give a whole number from 1 to 100.")]
    return wrong


def _apply(row: Budget, change: BudgetChange) -> None:
    for field in fields(change):
        value = getattr(change, field.name)
        if value is not None:
            setattr(row, field.name, value)


def _values_of(row: Budget) -> dict[str, object]:
    return {
        "level": row.level,
        "subject_id": None if row.subject_id is None else str(row.subject_id),
        "unit": row.unit,
        "period": row.period,
        "amount": f"{row.amount:f}",
        "alert_percent": row.alert_percent,
        "is_hard": row.is_hard,
        "is_enabled": row.is_enabled,
    }


def _record(
    action: str,
    row: Budget,
    *,
    old: dict[str, object] | None = None,
    new: dict[str, object] | None = None,
) -> None:
    audit.record(
        action=action,
        target_type="budget",
        target_id=row.pk,
        target_label=str(row),
        old=old,
        new=new,
    )
