"""Wire shapes of the REST edge; they mirror `contracts` and carry no rules."""

from rest_framework import serializers

from apps.conversations.contracts import (
    ATTACHMENTS_PER_MESSAGE,
    MODELS_AT_ONCE,
    Delivery,
    MessageKind,
    MessageStatus,
    Mode,
    TurnKind,
    TurnState,
)
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

    id = serializers.UUIDField()
    title = serializers.CharField()
    model = serializers.CharField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    active_turn_id = serializers.UUIDField(allow_null=True)
    owner_id = serializers.UUIDField(allow_null=True)
    version = serializers.IntegerField()
    leaf_id = serializers.UUIDField(allow_null=True)
    persona = serializers.CharField(allow_blank=True)
    mode = serializers.ChoiceField(choices=[m.value for m in Mode])
    system_instruction = serializers.CharField(allow_blank=True)
    temperature = serializers.FloatField(allow_null=True)
    memory_enabled = serializers.BooleanField()
    show_reasoning = serializers.BooleanField()
    sensitive = serializers.BooleanField()
    tools = serializers.ListField(child=serializers.CharField(), allow_null=True)
    folder_id = serializers.UUIDField(allow_null=True)
    tags = serializers.ListField(child=serializers.CharField())
    pinned = serializers.BooleanField()
    archived = serializers.BooleanField()
    temporary = serializers.BooleanField()
    participants = serializers.ListField(child=serializers.UUIDField())


class ConversationOptionsSerializer(serializers.Serializer[object]):
    """How a conversation is configured: give what is to change."""

    title = serializers.CharField(max_length=200, required=False)
    model = serializers.CharField(max_length=100, required=False, allow_blank=True)
    persona = serializers.CharField(max_length=64, required=False, allow_blank=True)
    mode = serializers.ChoiceField(choices=[m.value for m in Mode], required=False)
    system_instruction = serializers.CharField(max_length=8000, required=False, allow_blank=True)
    temperature = serializers.FloatField(min_value=0, max_value=2, required=False, allow_null=True)
    memory_enabled = serializers.BooleanField(required=False)
    show_reasoning = serializers.BooleanField(required=False)
    sensitive = serializers.BooleanField(required=False)
    tools = serializers.ListField(
        child=serializers.CharField(max_length=64), max_length=50, required=False, allow_null=True
    )
    folder_id = serializers.UUIDField(required=False, allow_null=True)
    tags = serializers.ListField(
        child=serializers.CharField(max_length=40), max_length=20, required=False
    )
    pinned = serializers.BooleanField(required=False)
    archived = serializers.BooleanField(required=False)
    temporary = serializers.BooleanField(required=False)


class FeedbackSerializer(serializers.Serializer[object]):
    """What the viewer thought of an answer."""

    rating = serializers.ChoiceField(choices=[1, -1])
    comment = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")


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
    conversation_id = serializers.UUIDField(allow_null=True)
    parts = serializers.ListField(child=serializers.DictField())
    kind = serializers.ChoiceField(choices=[k.value for k in MessageKind])
    author_id = serializers.UUIDField(allow_null=True)
    pinned = serializers.BooleanField()
    feedback = FeedbackSerializer(allow_null=True)
    memories_used = serializers.IntegerField()


class NewMessageSerializer(serializers.Serializer[object]):
    """What sends a message. The service checks its length."""

    text = serializers.CharField(trim_whitespace=False, allow_blank=True)
    client_message_id = serializers.CharField(min_length=1, max_length=64)
    model = serializers.CharField(max_length=100, required=False, allow_null=True)
    models = serializers.ListField(
        child=serializers.CharField(max_length=100), max_length=MODELS_AT_ONCE, required=False
    )
    parent_id = serializers.UUIDField(required=False, allow_null=True)
    edit_of = serializers.UUIDField(required=False, allow_null=True)
    attachments = serializers.ListField(
        child=serializers.UUIDField(), max_length=ATTACHMENTS_PER_MESSAGE, required=False
    )
    delivery = serializers.ChoiceField(choices=[d.value for d in Delivery], required=False)
    options = ConversationOptionsSerializer(required=False)


class AskAgainSerializer(serializers.Serializer[object]):
    """What asks for another answer."""

    client_message_id = serializers.CharField(min_length=1, max_length=64)
    model = serializers.CharField(max_length=100, required=False, allow_null=True)


class ContinueSerializer(serializers.Serializer[object]):
    """What asks for the rest of an answer."""

    client_message_id = serializers.CharField(min_length=1, max_length=64)


class BranchSerializer(serializers.Serializer[object]):
    """Which branch to show: the newest one through this message."""

    message_id = serializers.UUIDField()


class TurnAcceptedSerializer(serializers.Serializer[object]):
    """The receipt of a message."""

    conversation_id = serializers.UUIDField()
    message_id = serializers.UUIDField()
    turn_id = serializers.UUIDField()
    attempt = serializers.IntegerField()
    created = serializers.BooleanField()
    title = serializers.CharField()
    turn_ids = serializers.ListField(child=serializers.UUIDField())


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
    kind = serializers.ChoiceField(choices=[k.value for k in TurnKind])
    level = serializers.IntegerField()
    blocked_by = serializers.UUIDField(allow_null=True)
    correlation_id = serializers.CharField()


class ModelSerializer(serializers.Serializer[object]):
    """A model that can be asked."""

    id = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a Field's own label is a string
    provider = serializers.CharField()
    context_tokens = serializers.IntegerField()
    supports_tools = serializers.BooleanField()
