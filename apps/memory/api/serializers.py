"""Wire shapes of the REST edge; they mirror `contracts` and carry no rules."""

from typing import Any

from rest_framework import serializers
from typing_extensions import override

from apps.memory.contracts import (
    EntityKind,
    MemoryKind,
    MemoryOrigin,
    MemoryStatus,
    Namespace,
    Priority,
    RecalledKind,
    Signal,
)

_KINDS = [kind.value for kind in MemoryKind]
_STATUSES = [status.value for status in MemoryStatus]
_NAMESPACES = [space.value for space in Namespace]
_PRIORITIES = [priority.value for priority in Priority]


class MemorySerializer(serializers.Serializer[object]):
    """A memory."""

    id = serializers.UUIDField()
    text = serializers.CharField()
    kind = serializers.ChoiceField(choices=_KINDS)
    namespace = serializers.ChoiceField(choices=_NAMESPACES)
    origin = serializers.ChoiceField(choices=[origin.value for origin in MemoryOrigin])
    priority = serializers.ChoiceField(choices=_PRIORITIES)
    importance = serializers.IntegerField()
    confidence = serializers.FloatField()
    pinned = serializers.BooleanField()
    status = serializers.ChoiceField(choices=_STATUSES)
    slot = serializers.CharField(allow_blank=True)
    valid_from = serializers.DateTimeField(allow_null=True)
    valid_to = serializers.DateTimeField(allow_null=True)
    superseded_by = serializers.UUIDField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    entities = serializers.ListField(child=serializers.CharField())
    proof_count = serializers.IntegerField()
    source_message_ids = serializers.ListField(child=serializers.UUIDField())
    embedded = serializers.BooleanField()
    use_count = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)


class NewMemorySerializer(serializers.Serializer[object]):
    """What to remember. The service checks its length and refuses secrets."""

    text = serializers.CharField(trim_whitespace=False, allow_blank=True)
    kind = serializers.ChoiceField(choices=_KINDS, required=False)
    importance = serializers.IntegerField(required=False)
    confidence = serializers.FloatField(required=False)
    pinned = serializers.BooleanField(required=False)


class MemoryChangeSerializer(serializers.Serializer[object]):
    """What to change: give what is to change."""

    text = serializers.CharField(trim_whitespace=False, allow_blank=True, required=False)
    kind = serializers.ChoiceField(choices=_KINDS, required=False)
    importance = serializers.IntegerField(required=False)
    confidence = serializers.FloatField(required=False)
    pinned = serializers.BooleanField(required=False)
    status = serializers.ChoiceField(choices=_STATUSES, required=False)


class SignalSerializer(serializers.Serializer[object]):
    """How much of a score a signal gave; negative where it spoke against."""

    signal = serializers.ChoiceField(choices=[signal.value for signal in Signal])
    share = serializers.FloatField()


class RecalledSerializer(serializers.Serializer[object]):
    """Something that was found, and why."""

    kind = serializers.ChoiceField(choices=[kind.value for kind in RecalledKind])
    id = serializers.UUIDField(help_text="Of the memory, or of the message that was said.")
    text = serializers.CharField()
    score = serializers.FloatField(help_text="Comparable within one search only.")
    why = serializers.CharField()
    reason = serializers.CharField(allow_blank=True, help_text="The same for people.")
    signals = SignalSerializer(many=True)
    speaker = serializers.CharField(allow_blank=True)
    said_at = serializers.DateTimeField(allow_null=True)
    conversation_id = serializers.UUIDField(allow_null=True)
    source_message_ids = serializers.ListField(child=serializers.UUIDField())


class FoundSerializer(serializers.Serializer[object]):
    """What a search found, best first."""

    results = RecalledSerializer(many=True)


class VersionSerializer(serializers.Serializer[object]):
    """What a memory was before a change."""

    number = serializers.IntegerField()
    before = serializers.DictField()
    reason = serializers.CharField()
    by = serializers.CharField(allow_blank=True)
    changed_at = serializers.DateTimeField()


class HistorySerializer(serializers.Serializer[object]):
    """How a memory changed."""

    memory = MemorySerializer()
    versions = VersionSerializer(many=True)
    supersedes = MemorySerializer(many=True)
    superseded_by = MemorySerializer(allow_null=True)


class EvidenceSerializer(serializers.Serializer[object]):
    """Words that a memory rests on."""

    message_id = serializers.UUIDField(allow_null=True)
    conversation_id = serializers.UUIDField(allow_null=True)
    speaker = serializers.CharField(allow_blank=True)
    quote = serializers.CharField()
    said_at = serializers.DateTimeField()


class ReasonsSerializer(serializers.Serializer[object]):
    """Why a memory is believed."""

    memory = MemorySerializer()
    evidence = EvidenceSerializer(many=True)
    conversation_id = serializers.UUIDField(allow_null=True)
    learnt_at = serializers.DateTimeField()
    supersedes = MemorySerializer(many=True)


class EntitySerializer(serializers.Serializer[object]):
    """A name, and how many memories mention it."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=[kind.value for kind in EntityKind])
    memories = serializers.IntegerField()


class EntitiesSerializer(serializers.Serializer[object]):
    """Names, those mentioned most first."""

    results = EntitySerializer(many=True)


class EntityLinkSerializer(serializers.Serializer[object]):
    """Two names that stand in the same memories."""

    source = serializers.UUIDField()  # type: ignore[assignment]  # a Field's own source is a string
    target = serializers.UUIDField()
    memories = serializers.IntegerField()


class GraphSerializer(serializers.Serializer[object]):
    """Names, and which go together."""

    entities = EntitySerializer(many=True)
    links = EntityLinkSerializer(many=True)


class ForgetSerializer(serializers.Serializer[object]):
    """What to forget: a topic, or a name."""

    topic = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
    entity = serializers.CharField(max_length=120, required=False, allow_blank=True, default="")
    dry_run = serializers.BooleanField(default=False, help_text="Only count.")

    @override
    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return what is to be forgotten.

        Raises:
            ValidationError: It is neither a topic nor a name, or both.
        """
        if bool(attrs["topic"].strip()) == bool(attrs["entity"].strip()):
            raise serializers.ValidationError({"topic": "Give a topic or a name."})
        return attrs


class ForgottenSerializer(serializers.Serializer[object]):
    """How much was forgotten."""

    memories = serializers.IntegerField()
    said = serializers.IntegerField(help_text="Messages that were kept word for word.")
    entities = serializers.IntegerField(help_text="Names that nothing mentions any more.")
