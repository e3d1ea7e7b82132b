"""Mail to whoever manages a workspace: a budget passed its alert share."""

from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils.translation import gettext as _

from apps.accounts import selectors as accounts
from apps.accounts.permissions import TENANT_ADMIN
from apps.core import scope
from apps.core.logging import get_logger
from apps.providers.allowances import BudgetState, Spent, budget_state
from apps.providers.models import BudgetUse
from apps.tenants import selectors as tenants

logger = get_logger(__name__)


def warn_of_budget(use_id: UUID) -> None:
    """Write to each of the workspace's administrators; nothing to say is no error.

    Each gets a mail of their own: nobody learns the others' addresses.
    """
    use = BudgetUse.objects.select_related("budget").filter(id=use_id).first()
    tenant = tenants.find_ref(use.budget.tenant_id) if use is not None else None
    if use is None or tenant is None or not settings.MAIL_IS_SENT:
        return
    with scope.tenant_scope(tenant):
        state = budget_state(use.budget)
        spent = next(
            (each for each in state.uses if each.subject_id in {None, use.subject_id}), None
        )
        if spent is None:  # its period is over
            return
        subject = _("%(place)s: %(share)d %% of a budget is used") % {
            "place": tenant.name, "share": spent.share * 100,
        }  # fmt: skip
        body = _body(state, spent)
        for address in accounts.list_addresses_who_may(tenant, TENANT_ADMIN):
            EmailMessage(subject=subject, body=body, to=[address]).send()
    logger.info("budget.warning_sent", budget=str(state.id), level=state.level)


def _body(state: BudgetState, spent: Spent) -> str:
    unit = _("US dollars") if state.unit == "money" else _("tokens")
    effect = (
        _("Further calls are refused when it is used up.")
        if state.is_hard
        else _("Nothing is refused: this budget only warns.")
    )
    return _(
        "Budget: %(whose)s, %(amount)s %(unit)s a %(period)s.\n"
        "Used so far: %(used)s %(unit)s (%(share)d %%).\n"
        "%(effect)s It begins anew on %(resets)s (UTC).\n\n"
        "See and change it: %(address)s\n"
    ) % {
        "whose": spent.label,
        "amount": f"{state.amount.normalize():f}",
        "unit": unit,
        "period": state.period,
        "used": f"{round(spent.used, 4).normalize():f}",
        "share": spent.share * 100,
        "effect": effect,
        "resets": state.resets_on.isoformat(),
        "address": tenants.workspace_url(scope.require(), "/usage/"),
    }
