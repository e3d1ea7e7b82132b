"""Wire shapes of budgets. Amounts are decimal texts: US dollars or tokens."""

from rest_framework import serializers

from apps.providers.domain.periods import Period
from apps.providers.models.budgets import BudgetLevel, BudgetUnit

_LEVELS = BudgetLevel.values
_UNITS = BudgetUnit.values
_PERIODS = [each.value for each in Period]


class SpentSerializer(serializers.Serializer[object]):
    """What one subject used in the present period."""

    subject_id = serializers.UUIDField(allow_null=True)
    label = serializers.CharField()  # type: ignore[assignment]  # a Field's own label is a string
    used = serializers.DecimalField(max_digits=20, decimal_places=10)
    reserved = serializers.DecimalField(
        max_digits=20, decimal_places=10, help_text="What running calls may use at most."
    )
    share = serializers.FloatField(help_text="Part of the budget that is used, from 0.")
    is_alerted = serializers.BooleanField()


class BudgetSerializer(serializers.Serializer[object]):
    """A budget and how it stands."""

    id = serializers.UUIDField()
    level = serializers.ChoiceField(choices=_LEVELS)
    subject_id = serializers.UUIDField(
        allow_null=True, help_text="Role, member or key; null: the workspace, or each member."
    )
    label = serializers.CharField()  # type: ignore[assignment]  # a Field's own label is a string
    unit = serializers.ChoiceField(choices=_UNITS)
    period = serializers.ChoiceField(choices=_PERIODS)
    amount = serializers.DecimalField(max_digits=18, decimal_places=6)
    alert_percent = serializers.IntegerField()
    is_hard = serializers.BooleanField()
    is_enabled = serializers.BooleanField()
    is_alerted = serializers.BooleanField()
    starts_on = serializers.DateField()
    resets_on = serializers.DateField()
    uses = SpentSerializer(many=True)


class BudgetListSerializer(serializers.Serializer[object]):
    """All budgets on one page: there are few."""

    results = BudgetSerializer(many=True)
    next = serializers.CharField(allow_null=True, default=None, help_text="Always null.")


class BudgetChangeSerializer(serializers.Serializer[object]):
    """What is to become of a budget."""

    amount = serializers.DecimalField(max_digits=18, decimal_places=6, required=False)
    alert_percent = serializers.IntegerField(required=False)
    is_hard = serializers.BooleanField(required=False)
    is_enabled = serializers.BooleanField(required=False)


class NewBudgetSerializer(BudgetChangeSerializer):
    """A budget to be made."""

    level = serializers.ChoiceField(choices=_LEVELS)
    subject_id = serializers.UUIDField(required=False, allow_null=True, default=None)
    unit = serializers.ChoiceField(choices=_UNITS)
    period = serializers.ChoiceField(choices=_PERIODS)
    amount = serializers.DecimalField(max_digits=18, decimal_places=6)
