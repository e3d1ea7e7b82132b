"""Wire shapes of the REST edge; they mirror `contracts` and carry no rules."""

from rest_framework import serializers

from apps.conversations.contracts import MessageStatus, TurnState
from apps.providers.contracts import Role


class ErrorBodySerializer(serializers.Serializer[object]):
    """The inside of the error envelope, kept with what failed."""

    type = serializers.CharField()
    message = serializers.CharField()
    retryable = serializers.BooleanField()
    correlation_id = serializers.CharField()
    details = serializers.DictField(required=False)


class ConversationSerializer(serializers.Serializer[object]):
    """A conversation."""

    id = serializers.UUIDField(read_only=True)
    title = serializers.CharField(max_length=200)
    model = serializers.CharField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)
    active_turn_id = serializers.UUIDField(read_only=True, allow_null=True)


class NewConversationSerializer(serializers.Serializer[object]):
    """What starts an empty conversation."""

    title = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
    model = serializers.CharField(max_length=100, required=False, allow_blank=True, default="")


class MessageSerializer(serializers.Serializer[object]):
    """A message."""

    id = serializers.UUIDField()
    parent_id = serializers.UUIDField(allow_null=True)
    role = serializers.ChoiceField(choices=[r.value for r in Role])
    text = serializers.CharField()
    status = serializers.ChoiceField(choices=[s.value for s in MessageStatus])
    turn_id = serializers.UUIDField(allow_null=True)
    model = serializers.CharField()
    created_at = serializers.DateTimeField()
    error = ErrorBodySerializer(allow_null=True)


class NewMessageSerializer(serializers.Serializer[object]):
    """What sends a message. The service checks its length."""

    text = serializers.CharField(trim_whitespace=False, allow_blank=True)
    client_message_id = serializers.CharField(min_length=1, max_length=64)
    model = serializers.CharField(max_length=100, required=False, allow_null=True, default=None)


class TurnAcceptedSerializer(serializers.Serializer[object]):
    """The receipt of a message."""

    conversation_id = serializers.UUIDField()
    message_id = serializers.UUIDField()
    turn_id = serializers.UUIDField()
    attempt = serializers.IntegerField()
    created = serializers.BooleanField()
    title = serializers.CharField()


class TurnSerializer(serializers.Serializer[object]):
    """A turn."""

    id = serializers.UUIDField()
    conversation_id = serializers.UUIDField()
    message_id = serializers.UUIDField()
    answer_id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=[s.value for s in TurnState])
    attempt = serializers.IntegerField()
    model = serializers.CharField()
    finish_reason = serializers.CharField(allow_blank=True)
    error = ErrorBodySerializer(allow_null=True)
    prompt_tokens = serializers.IntegerField(allow_null=True)
    completion_tokens = serializers.IntegerField(allow_null=True)
    usage_estimated = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class ModelSerializer(serializers.Serializer[object]):
    """A model that can be asked."""

    id = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a Field's own label is a string
    provider = serializers.CharField()
    context_tokens = serializers.IntegerField()
    supports_tools = serializers.BooleanField()
