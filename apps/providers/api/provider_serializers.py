"""Wire shapes of the gateway's settings. A key goes in and never comes out."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.providers.domain.routing_rules import Need, Order

_MODEL_NAMES_MAX = 100


class ModelSerializer(serializers.Serializer[object]):
    """A model of a provider."""

    id = serializers.UUIDField()
    model = serializers.CharField(help_text="The id by which it is asked for.")
    name = serializers.CharField(help_text="What the provider calls it.")
    label = serializers.CharField()  # type: ignore[assignment]  # a field of this name
    position = serializers.IntegerField(help_text="Lower comes first.")
    is_enabled = serializers.BooleanField()
    context_tokens = serializers.IntegerField()
    supports_tools = serializers.BooleanField()
    supports_vision = serializers.BooleanField()
    supports_formats = serializers.BooleanField()
    supports_reasoning = serializers.BooleanField()
    is_embedder = serializers.BooleanField()
    stated = serializers.ListField(
        child=serializers.CharField(),
        help_text="Facts that were written; the others are known of its name, or guessed.",
    )
    price_key = serializers.CharField()
    input_price = serializers.DecimalField(
        max_digits=18, decimal_places=10, allow_null=True, help_text="US dollars a million tokens."
    )
    cached_price = serializers.DecimalField(max_digits=18, decimal_places=10, allow_null=True)
    output_price = serializers.DecimalField(max_digits=18, decimal_places=10, allow_null=True)
    price_source = serializers.CharField(help_text="`own price`, `genai-prices` or `unknown`.")


class ProviderSerializer(serializers.Serializer[object]):
    """A provider; of the platform's a workspace sees neither address nor key hint."""

    id = serializers.UUIDField()
    slug = serializers.CharField(help_text="First part of its models' ids.")
    label = serializers.CharField()  # type: ignore[assignment]  # a field of this name
    preset = serializers.CharField()
    adapter = serializers.CharField()
    base_url = serializers.CharField()
    origin = serializers.ChoiceField(choices=["workspace", "platform"])
    is_editable = serializers.BooleanField()
    is_enabled = serializers.BooleanField()
    is_trusted = serializers.BooleanField(help_text="Sensitive content may be sent there.")
    simulate_failure = serializers.BooleanField(help_text="Every call fails, to try fallbacks.")
    has_key = serializers.BooleanField()
    key_hint = serializers.CharField(help_text="The key's last characters.")
    key_refused_at = serializers.DateTimeField(allow_null=True)
    requests_per_minute = serializers.IntegerField(allow_null=True)
    tokens_per_minute = serializers.IntegerField(allow_null=True)
    concurrent_calls = serializers.IntegerField(allow_null=True)
    is_hidden = serializers.BooleanField(help_text="The workspace's own of this name comes first.")
    models = ModelSerializer(many=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class ProviderChangeSerializer(serializers.Serializer[object]):
    """What may be changed; what is left out stays. Another address forgets the key."""

    label = serializers.CharField(max_length=80, required=False)  # type: ignore[assignment]  # a field of this name
    adapter = serializers.CharField(max_length=60, required=False)
    base_url = serializers.CharField(max_length=400, required=False, allow_blank=True)
    is_enabled = serializers.BooleanField(required=False)
    is_trusted = serializers.BooleanField(required=False)
    simulate_failure = serializers.BooleanField(required=False)
    requests_per_minute = serializers.IntegerField(min_value=1, required=False, allow_null=True)
    tokens_per_minute = serializers.IntegerField(min_value=1, required=False, allow_null=True)
    concurrent_calls = serializers.IntegerField(min_value=1, required=False, allow_null=True)


class NewProviderSerializer(ProviderChangeSerializer):
    """What makes a provider; what is left out comes from the preset."""

    preset = serializers.CharField(max_length=40, required=False)
    slug = serializers.CharField(max_length=40, required=False)
    key = serializers.CharField(required=False, write_only=True, trim_whitespace=False)
    models = serializers.ListField(
        child=serializers.CharField(max_length=150),
        required=False,
        max_length=_MODEL_NAMES_MAX,
        help_text="Names of its first models.",
    )


class ProviderKeySerializer(serializers.Serializer[object]):
    """A key, on its way in."""

    key = serializers.CharField(write_only=True, trim_whitespace=False)


class ModelChangeSerializer(serializers.Serializer[object]):
    """What may be written about a model; null means: what is known of its name."""

    name = serializers.CharField(max_length=150, required=False)
    label = serializers.CharField(max_length=120, required=False, allow_blank=True)  # type: ignore[assignment]  # a field of this name
    position = serializers.IntegerField(min_value=0, max_value=32_767, required=False)
    is_enabled = serializers.BooleanField(required=False)
    context_tokens = serializers.IntegerField(min_value=1, required=False, allow_null=True)
    supports_tools = serializers.BooleanField(required=False, allow_null=True)
    supports_vision = serializers.BooleanField(required=False, allow_null=True)
    supports_formats = serializers.BooleanField(required=False, allow_null=True)
    supports_reasoning = serializers.BooleanField(required=False, allow_null=True)
    is_embedder = serializers.BooleanField(required=False)
    price_key = serializers.CharField(max_length=160, required=False, allow_blank=True)
    input_price = serializers.DecimalField(
        max_digits=12, decimal_places=6, min_value=0, required=False, allow_null=True
    )
    cached_price = serializers.DecimalField(
        max_digits=12, decimal_places=6, min_value=0, required=False, allow_null=True
    )
    output_price = serializers.DecimalField(
        max_digits=12, decimal_places=6, min_value=0, required=False, allow_null=True
    )


class NewModelSerializer(ModelChangeSerializer):
    """What makes a model."""

    name = serializers.CharField(max_length=150)


class ModelOrderSerializer(serializers.Serializer[object]):
    """All models of a provider, the best first."""

    models = serializers.ListField(child=serializers.UUIDField(), max_length=500)


class ExamineSerializer(serializers.Serializer[object]):
    """What to try."""

    model = serializers.CharField(
        max_length=150,
        required=False,
        default="",
        allow_blank=True,
        help_text="A name at the provider, to be asked one short question.",
    )


class ExaminedStepSerializer(serializers.Serializer[object]):
    """One step of an examination."""

    step = serializers.CharField(help_text="`prepare`, `list` or `ask`.")
    ending = serializers.CharField(help_text="Stable code; `ok` when it went well.")
    title = serializers.CharField()
    http_status = serializers.IntegerField(allow_null=True)
    took_ms = serializers.IntegerField()


class ExaminationSerializer(serializers.Serializer[object]):
    """What came out; never the provider's own words."""

    ok = serializers.BooleanField()
    ending = serializers.CharField(help_text="Stable code of what decided.")
    summary = serializers.CharField()
    advice = serializers.CharField()
    steps = ExaminedStepSerializer(many=True)
    models_listed = serializers.IntegerField(allow_null=True)


class DiscoveredModelSerializer(serializers.Serializer[object]):
    """A model that a provider lists."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field of this name
    context_tokens = serializers.IntegerField()
    supports_tools = serializers.BooleanField()
    supports_vision = serializers.BooleanField()
    supports_reasoning = serializers.BooleanField()
    is_embedder = serializers.BooleanField()
    told = serializers.ListField(
        child=serializers.CharField(), help_text="Facts that the provider told."
    )
    price_source = serializers.CharField()
    input_price = serializers.DecimalField(max_digits=18, decimal_places=10, allow_null=True)
    output_price = serializers.DecimalField(max_digits=18, decimal_places=10, allow_null=True)
    is_added = serializers.BooleanField()


class GatewaySettingsSerializer(serializers.Serializer[object]):
    """The gateway's settings as they hold here."""

    is_own = serializers.BooleanField(
        read_only=True, help_text="False: the platform's, until the workspace changes one."
    )
    default_model = serializers.CharField(max_length=200, required=False, allow_blank=True)
    cache_ttl_s = serializers.IntegerField(min_value=0, max_value=3600, required=False)
    requests_per_minute = serializers.IntegerField(min_value=1, required=False, allow_null=True)
    tokens_per_minute = serializers.IntegerField(min_value=1, required=False, allow_null=True)
    concurrent_calls = serializers.IntegerField(min_value=1, required=False, allow_null=True)
    user_requests_per_minute = serializers.IntegerField(
        min_value=1, required=False, allow_null=True
    )
    user_concurrent_calls = serializers.IntegerField(min_value=1, required=False, allow_null=True)


class ConditionsSerializer(serializers.Serializer[object]):
    """When a policy applies; all that are given must hold."""

    flows = serializers.ListField(child=serializers.CharField(), required=False)
    sensitive = serializers.BooleanField(required=False, allow_null=True)
    interactive = serializers.BooleanField(required=False, allow_null=True)
    min_tokens = serializers.IntegerField(required=False, allow_null=True)
    max_tokens = serializers.IntegerField(required=False, allow_null=True)
    needs = serializers.ListField(
        child=serializers.ChoiceField(choices=[need.value for need in Need]), required=False
    )
    users = serializers.ListField(child=serializers.UUIDField(), required=False)
    hours = serializers.ListField(
        child=serializers.IntegerField(),
        required=False,
        allow_null=True,
        help_text="From the first hour to before the second, UTC.",
    )
    weekdays = serializers.ListField(child=serializers.IntegerField(), required=False)


class TargetSerializer(serializers.Serializer[object]):
    """A model, or several by a pattern such as `groq/*`."""

    model = serializers.CharField()
    weight = serializers.FloatField(required=False)


class RoutesSerializer(serializers.Serializer[object]):
    """Where calls go under a policy."""

    targets = TargetSerializer(many=True, required=False)
    order = serializers.ChoiceField(choices=[order.value for order in Order], required=False)
    local_only = serializers.BooleanField(required=False)
    max_cost = serializers.CharField(required=False, allow_null=True, help_text="US dollars.")
    max_first_ms = serializers.IntegerField(required=False, allow_null=True)


class FallbacksSerializer(serializers.Serializer[object]):
    """Which models are asked instead, by cause."""

    failure = serializers.ListField(child=serializers.CharField(), required=False)
    context = serializers.ListField(  # type: ignore[assignment]  # a field of this name
        child=serializers.CharField(), required=False
    )
    refusal = serializers.ListField(child=serializers.CharField(), required=False)


@extend_schema_field(ConditionsSerializer)
class _ConditionsField(serializers.DictField):
    """Conditions as they are kept; `routing_rules` checks them."""


@extend_schema_field(RoutesSerializer)
class _RoutesField(serializers.DictField):
    """Routes as they are kept; `routing_rules` checks them."""


@extend_schema_field(FallbacksSerializer)
class _FallbacksField(serializers.DictField):
    """Fallbacks as they are kept; `routing_rules` checks them."""


class PolicyChangeSerializer(serializers.Serializer[object]):
    """A routing policy as it is written. Its parts are checked as a whole, each place by name."""

    name = serializers.CharField(max_length=80, required=False)
    position = serializers.IntegerField(min_value=0, max_value=32_767, required=False)
    is_enabled = serializers.BooleanField(required=False)
    conditions = _ConditionsField(required=False)
    routes = _RoutesField(required=False)
    fallbacks = _FallbacksField(required=False)


class PolicySerializer(serializers.Serializer[object]):
    """A routing policy as it is kept."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    origin = serializers.ChoiceField(choices=["workspace", "platform"])
    is_editable = serializers.BooleanField()
    position = serializers.IntegerField(help_text="Lower is asked first.")
    is_enabled = serializers.BooleanField()
    conditions = _ConditionsField()
    routes = _RoutesField()
    fallbacks = _FallbacksField()
    updated_at = serializers.DateTimeField()
