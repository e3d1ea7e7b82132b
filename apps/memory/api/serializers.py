"""Wire shapes of the REST edge; they mirror `contracts` and carry no rules."""

from rest_framework import serializers

from apps.memory.contracts import MemoryKind, MemoryStatus

_KINDS = [kind.value for kind in MemoryKind]
_STATUSES = [status.value for status in MemoryStatus]


class MemorySerializer(serializers.Serializer[object]):
    """A memory."""

    id = serializers.UUIDField()
    text = serializers.CharField()
    kind = serializers.ChoiceField(choices=_KINDS)
    importance = serializers.IntegerField()
    confidence = serializers.FloatField()
    pinned = serializers.BooleanField()
    status = serializers.ChoiceField(choices=_STATUSES)
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
