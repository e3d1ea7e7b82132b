"""REST: how the models of a workspace do."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.permissions import CHAT_USER
from apps.core.schema import page_of
from apps.core.scope import current_actor
from apps.providers.domain.routing import Health
from apps.providers.services.model_status import list_model_status


class ModelFiguresSerializer(serializers.Serializer[object]):
    """What the last five minutes showed of a model."""

    first_p50_ms = serializers.FloatField(allow_null=True, help_text="Median to the first word.")
    first_p95_ms = serializers.FloatField(allow_null=True)
    tokens_per_s = serializers.FloatField(allow_null=True)
    error_share = serializers.FloatField(allow_null=True, help_text="0 to 1; null without calls.")
    calls = serializers.IntegerField(
        allow_null=True, help_text="Null for models of the platform: others' calls are among them."
    )
    rate_limited = serializers.IntegerField(allow_null=True, help_text="Refused with 429.")
    open_for_s = serializers.FloatField(help_text="Seconds for which it is not asked.")


class ModelStatusSerializer(serializers.Serializer[object]):
    """Whether a model can be asked now."""

    model = serializers.CharField(help_text="The id by which it is asked for.")
    label = serializers.CharField()  # type: ignore[assignment]  # a field of this name
    provider = serializers.CharField()
    origin = serializers.ChoiceField(choices=["workspace", "platform"])
    state = serializers.ChoiceField(choices=[each.value for each in Health])
    why = serializers.CharField(help_text="Why it is not up; empty when it is.")
    figures = ModelFiguresSerializer(
        allow_null=True, help_text="Null for who does not administer the workspace."
    )


class ProviderStatusView(APIView):
    """How each model does."""

    permission = CHAT_USER

    @extend_schema(operation_id="providers_status", responses=page_of(ModelStatusSerializer))
    def get(self, request: Request) -> Response:
        """Return every model that can be asked here, up, degraded or down, and why."""
        found = list_model_status(actor=current_actor())
        rows = ModelStatusSerializer(found, many=True)
        return Response({"results": rows.data, "next": None})
