"""REST: why an answer became what it is."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.conversations.api.base import ChatView
from apps.conversations.permissions import CHAT
from apps.conversations.rendering import as_json
from apps.conversations.steps import list_turn_steps


class StepSerializer(serializers.Serializer[object]):
    """One step of a turn."""

    attempt = serializers.IntegerField()
    seq = serializers.IntegerField()
    kind = serializers.CharField()
    started_at = serializers.DateTimeField()
    ms = serializers.IntegerField()
    correlation_id = serializers.CharField()
    detail = serializers.DictField()


class TraceSerializer(serializers.Serializer[object]):
    """Everything that was decided and done for a turn, in order."""

    steps = StepSerializer(many=True)


class TurnTraceView(ChatView):
    """The trace of a turn."""

    @extend_schema(responses=TraceSerializer)
    def get(self, request: Request, turn_id: UUID) -> Response:  # REST framework's
        """Return the steps of every attempt, in order."""
        steps = list_turn_steps(actor=self.actor, turn_id=turn_id, permission=CHAT)
        return Response({"steps": [as_json(step) for step in steps]})
