"""The forms of budgets. They check shape; services decide."""

from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _
from typing_extensions import override

from apps.accounts import selectors as accounts
from apps.core import scope
from apps.web.forms import ServiceForm

_EACH_MEMBER, _WORKSPACE = "member", "tenant"


class BudgetChangeForm(ServiceForm):
    """What is to become of a budget."""

    amount = forms.DecimalField(
        label=_("Limit"),
        error_messages={
            "required": _("Say how much may be spent."),
            "invalid": _("Give a number."),
        },
        widget=forms.NumberInput(attrs={"min": 0, "step": "any", "inputmode": "decimal"}),
    )
    alert_percent = forms.IntegerField(
        label=_("Warn at (percent)"),
        initial=80,
        widget=forms.NumberInput(attrs={"min": 1, "max": 100}),
    )
    is_hard = forms.BooleanField(
        label=_("Refuse calls beyond the limit"), required=False, initial=True
    )
    is_enabled = forms.BooleanField(label=_("In force"), required=False, initial=True)


class BudgetForm(BudgetChangeForm):
    """A new budget: for whom, of what, how often."""

    whose = forms.ChoiceField(label=_("For"))
    unit = forms.ChoiceField(
        label=_("Counts"), choices=[("money", _("US dollars")), ("tokens", _("Tokens"))]
    )
    period = forms.ChoiceField(
        label=_("Each"),
        choices=[("day", _("Day")), ("week", _("Week")), ("month", _("Month"))],
        initial="month",
    )
    field_order = ("whose", "amount", "unit", "period", "alert_percent", "is_hard", "is_enabled")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        whose = self.fields["whose"]
        assert isinstance(whose, forms.ChoiceField)
        whose.choices = _subjects()

    @override
    def clean(self) -> dict[str, Any]:
        """Return the values as the service takes them."""
        values: dict[str, Any] = super().clean() or {}
        level, _colon, subject = str(values.pop("whose", "")).partition(":")
        return {**values, "level": level, "subject_id": UUID(subject) if subject else None}


def _subjects() -> list[Any]:
    tenant = scope.require()
    members = [
        (f"member:{each.user_id}", each.name or each.email)
        for each in accounts.list_members(tenant)
    ]
    roles = [(f"group:{key}", name) for key, name in accounts.list_roles(tenant).items()]
    keys = [(f"key:{key}", name) for key, name in accounts.list_key_names(tenant).items()]
    choices: list[Any] = [
        (_WORKSPACE, _("The whole workspace")),
        (_EACH_MEMBER, _("Each member")),
        (_("All with one role together"), roles),
        (_("One member"), members),
    ]
    return [*choices, (_("One API key"), keys)] if keys else choices
