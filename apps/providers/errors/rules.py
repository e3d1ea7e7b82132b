"""What a workspace's own rules refuse: guardrails, budgets, routing."""

from collections.abc import Sequence

from django.utils.translation import gettext as _
from typing_extensions import override

from apps.core.errors import KarenError


class GuardrailRefused(KarenError):
    """A rule of the workspace refuses this; `rules` names which, `stage` says where it looked.

    Attributes:
        decisions: All that was decided on the way, for the log; never shown
            (`guardrails.decisions_of` gives them their type back).
    """

    code = "guardrail_refused"
    status = 422
    public_fields = ("rules", "stage")

    def __init__(
        self, rules: Sequence[str] = (), *, stage: str = "input", decisions: Sequence[object] = ()
    ) -> None:
        super().__init__(*rules)
        self.rules = list(rules)
        self.stage = stage
        self.decisions = tuple(decisions)

    @override
    def message(self) -> str:
        names = {"rules": ", ".join(self.rules)}
        if self.stage == "output":
            return _("The answer was stopped by a rule of your workspace (%(rules)s).") % names
        return _("A rule of your workspace does not let this be sent (%(rules)s).") % names


class BudgetExceeded(KarenError):
    """A hard budget has no room for this call; nothing was asked."""

    code = "budget_exceeded"
    status = 402
    public_fields = ("level", "unit", "period", "limit", "resets_on")

    def __init__(self, *, level: str, unit: str, period: str, limit: str, resets_on: str) -> None:
        super().__init__(level, unit, period)
        self.level = level
        self.unit = unit
        self.period = period
        self.limit = limit
        self.resets_on = resets_on

    @override
    def message(self) -> str:
        whose = {
            "tenant": _("this workspace"),
            "group": _("your group"),
            "member": _("you"),
            "key": _("this API key"),
        }[self.level]
        return _(
            "The budget for %(whose)s has no room for this: %(limit)s %(unit)s a %(period)s. It "
            "begins anew on %(date)s; an administrator can raise it."
        ) % {
            "whose": whose,
            "limit": self.limit,
            "unit": _("US dollars") if self.unit == "money" else _("tokens"),
            "period": self.period,
            "date": self.resets_on,
        }


class PriceUnknown(KarenError):
    """A budget counts money and nobody knows what this model costs."""

    code = "price_unknown"
    status = 422
    public_fields = ("model",)

    def __init__(self, *, model: str) -> None:
        super().__init__(model)
        self.model = model

    @override
    def message(self) -> str:
        return _(
            "A budget in money applies, and the price of this model is not known. An "
            "administrator can set its price, or you choose another model."
        )


class RouteRefused(KarenError):
    """No model may answer this: each is excluded for a reason.

    `local_only` says that a trusted model may.
    """

    code = "route_refused"
    status = 422
    public_fields = ("reasons",)

    def __init__(self, *, reasons: list[str], local_only: bool = False) -> None:
        super().__init__(reasons)
        self.reasons = reasons
        self.local_only = local_only

    @override
    def message(self) -> str:
        return _("No model may answer this: %(why)s.") % {"why": "; ".join(self.reasons[:3])}
