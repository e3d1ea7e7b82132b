"""REST: what a model saw and why, and how full a conversation is."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.permissions import CHAT_USER
from apps.conversations import insight
from apps.conversations.api.base import ChatView
from apps.conversations.contracts import SummaryState
from apps.conversations.rendering import as_json
from apps.memory.contracts import RecalledKind


class ContextItemSerializer(serializers.Serializer[object]):
    """A candidate of a prompt and what became of it."""

    source = serializers.CharField()  # type: ignore[assignment]  # a Field's own source is a string
    id = serializers.CharField(allow_blank=True)
    hash = serializers.CharField()
    tokens = serializers.IntegerField()
    taken = serializers.BooleanField()
    reason = serializers.CharField()
    score = serializers.FloatField(allow_null=True)
    why = serializers.CharField(allow_blank=True)
    preview = serializers.CharField(allow_blank=True)
    because = serializers.CharField(allow_blank=True)
    remembered = serializers.ChoiceField(
        choices=[kind.value for kind in RecalledKind], allow_null=True
    )
    conversation_id = serializers.UUIDField(allow_null=True)


class ContextSourceSerializer(serializers.Serializer[object]):
    """What was taken from one source and what was not."""

    source = serializers.CharField()  # type: ignore[assignment]  # a Field's own source is a string
    taken = serializers.IntegerField()
    taken_tokens = serializers.IntegerField()
    cut = serializers.IntegerField()
    cut_tokens = serializers.IntegerField()


class TurnContextSerializer(serializers.Serializer[object]):
    """Why a turn's prompt was what it was."""

    turn_id = serializers.UUIDField()
    known = serializers.BooleanField()
    model = serializers.CharField(allow_blank=True)
    tokenizer = serializers.CharField(allow_blank=True)
    exact = serializers.BooleanField()
    context_tokens = serializers.IntegerField()
    answer_tokens = serializers.IntegerField()
    room_tokens = serializers.IntegerField()
    used_tokens = serializers.IntegerField()
    summary = serializers.ChoiceField(choices=[state.value for state in SummaryState])
    missing = serializers.ListField(child=serializers.CharField())
    digest = serializers.CharField(allow_blank=True)
    sources = ContextSourceSerializer(many=True)
    items = ContextItemSerializer(many=True)


class GaugeSerializer(serializers.Serializer[object]):
    """How full a conversation's context is, and what it consumed."""

    conversation_id = serializers.UUIDField()
    model = serializers.CharField(allow_blank=True)
    context_tokens = serializers.IntegerField(allow_null=True)
    used_tokens = serializers.IntegerField(allow_null=True)
    estimated = serializers.BooleanField()
    prompt_tokens_total = serializers.IntegerField()
    completion_tokens_total = serializers.IntegerField()
    cost = serializers.CharField(allow_null=True, help_text="US dollars; null: not known.")
    unpriced_calls = serializers.IntegerField(help_text="Calls that are not in `cost`.")
    next_cost_low = serializers.CharField(allow_null=True)
    next_cost_high = serializers.CharField(allow_null=True)


class TurnContextView(ChatView):
    """What the model saw."""

    @extend_schema(responses=TurnContextSerializer)
    def get(self, _request: Request, turn_id: UUID) -> Response:
        """Return what was put before the model, what was cut, and why."""
        view = insight.explain_turn(actor=self.actor, turn_id=turn_id, permission=CHAT_USER)
        return Response(as_json(view))


class GaugeView(ChatView):
    """How full a conversation is."""

    @extend_schema(responses=GaugeSerializer)
    def get(self, _request: Request, conversation_id: UUID) -> Response:
        """Return the tokens of the next prompt, of all turns so far, and their cost."""
        view = insight.gauge_of(
            actor=self.actor, conversation_id=conversation_id, permission=CHAT_USER
        )
        return Response(as_json(view))
