"""Wire shapes of usage. Amounts of money are decimal texts in US dollars."""

from typing import Any, TypeAlias

from rest_framework import serializers
from typing_extensions import override

from apps.providers.contracts import Flow
from apps.providers.usage import GroupBy

_Fields: TypeAlias = dict[str, serializers.Field[Any, Any, Any, Any]]
_MONEY: dict[str, Any] = {"max_digits": 20, "decimal_places": 10}
_TEXT_MAX = 1_000_000
_TOKENS_MAX = 1_000_000


class WindowSerializer(serializers.Serializer[object]):
    """Which calls: days by UTC, both included; this month up to today when left out."""

    to = serializers.DateField(required=False)
    user = serializers.UUIDField(
        required=False, help_text="Whose; administrators may leave it out for everybody's."
    )

    @override
    def get_fields(self) -> _Fields:
        """Return the fields; `from` is no name that Python allows for one."""
        return {"from": serializers.DateField(required=False), **super().get_fields()}


class UsageQuerySerializer(WindowSerializer):
    """Which calls, and what they are added up by."""

    group_by = serializers.ChoiceField(
        choices=[each.value for each in GroupBy], default=GroupBy.DAY.value
    )


class SpendingSerializer(serializers.Serializer[object]):
    """Calls added up."""

    key = serializers.CharField(allow_blank=True)
    label = serializers.CharField(allow_blank=True)  # type: ignore[assignment]  # a Field's own label is a string
    calls = serializers.IntegerField()
    prompt_tokens = serializers.IntegerField()
    completion_tokens = serializers.IntegerField()
    cached_tokens = serializers.IntegerField()
    reasoning_tokens = serializers.IntegerField()
    cost = serializers.DecimalField(**_MONEY)
    unpriced_calls = serializers.IntegerField(
        help_text="Calls whose price nobody knows; not in `cost`."
    )
    failed_calls = serializers.IntegerField()
    failed_share = serializers.FloatField()
    cached_calls = serializers.IntegerField(help_text="Answered from Karen's own cache.")
    cached_share = serializers.FloatField()
    estimated_calls = serializers.IntegerField(
        help_text="Calls whose tokens the provider did not report."
    )
    first_p50_ms = serializers.IntegerField(allow_null=True)
    first_p95_ms = serializers.IntegerField(allow_null=True)


class UsageSerializer(serializers.Serializer[object]):
    """What was used: in all, and by what was asked for."""

    first = serializers.DateField()
    last = serializers.DateField()
    group_by = serializers.ChoiceField(choices=[each.value for each in GroupBy])
    total = SpendingSerializer()
    results = SpendingSerializer(many=True)


class CallSerializer(serializers.Serializer[object]):
    """One call of one model."""

    id = serializers.UUIDField()
    started_at = serializers.DateTimeField()
    flow = serializers.ChoiceField(choices=[each.value for each in Flow])
    model = serializers.CharField()
    provider = serializers.CharField()
    status = serializers.CharField(help_text="`ok`, `closed`, `lost`, or the code of an error.")
    user_id = serializers.UUIDField(allow_null=True)
    key_id = serializers.UUIDField(allow_null=True)
    turn_id = serializers.UUIDField(allow_null=True)
    attempt = serializers.IntegerField(allow_null=True)
    step = serializers.IntegerField()
    tries = serializers.IntegerField()
    is_cached = serializers.BooleanField()
    is_estimated = serializers.BooleanField()
    prompt_tokens = serializers.IntegerField(allow_null=True)
    completion_tokens = serializers.IntegerField(allow_null=True)
    cached_tokens = serializers.IntegerField()
    reasoning_tokens = serializers.IntegerField()
    cost = serializers.DecimalField(
        **_MONEY, allow_null=True, help_text="Null where nobody knows the price."
    )
    price_source = serializers.CharField(allow_blank=True)
    first_ms = serializers.IntegerField(allow_null=True)
    total_ms = serializers.IntegerField()
    correlation_id = serializers.CharField(allow_blank=True)


class _PromptMessageSerializer(serializers.Serializer[object]):
    role = serializers.CharField(max_length=40, default="user")
    text = serializers.CharField(max_length=_TEXT_MAX, allow_blank=True, trim_whitespace=False)


class EstimateRequestSerializer(serializers.Serializer[object]):
    """A prompt that is not sent: one text, or messages."""

    model = serializers.CharField(
        max_length=200, required=False, help_text="Left out: every model there is."
    )
    text = serializers.CharField(
        max_length=_TEXT_MAX, required=False, allow_blank=True, trim_whitespace=False
    )
    messages = _PromptMessageSerializer(many=True, required=False)
    max_tokens = serializers.IntegerField(min_value=1, max_value=_TOKENS_MAX, required=False)

    @override
    def validate(self, attrs: dict[str, object]) -> dict[str, object]:
        """Have exactly one of `text` and `messages`."""
        if ("text" in attrs) == ("messages" in attrs):
            raise serializers.ValidationError({"text": "Give either a text or messages."})
        return attrs


class ForecastSerializer(serializers.Serializer[object]):
    """What one model would take."""

    model = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a Field's own label is a string
    prompt_tokens = serializers.IntegerField()
    is_exact = serializers.BooleanField(help_text="Counted as the model counts.")
    max_tokens = serializers.IntegerField()
    fits = serializers.BooleanField(help_text="Prompt and answer fit its context.")
    cost_low = serializers.DecimalField(**_MONEY, allow_null=True)
    cost_high = serializers.DecimalField(**_MONEY, allow_null=True)
    price_source = serializers.CharField()
    is_refused = serializers.BooleanField(help_text="A hard budget would refuse it now.")


class RoomSerializer(serializers.Serializer[object]):
    """What a budget leaves to the person now."""

    level = serializers.CharField()
    unit = serializers.CharField()
    period = serializers.CharField()
    is_hard = serializers.BooleanField()
    left = serializers.DecimalField(**_MONEY)
    resets_on = serializers.DateField()


class EstimateSerializer(serializers.Serializer[object]):
    """What each model would take, cheapest first, and what budgets leave."""

    models = ForecastSerializer(many=True)
    room = RoomSerializer(many=True)
