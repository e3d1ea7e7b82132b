"""Wire shapes of folders, shares, people, personas, transfer and commands; they carry no rules."""

from rest_framework import serializers

from apps.conversations.api.serializers import ErrorBodySerializer
from apps.conversations.contracts import (
    BULK_MAX,
    Audience,
    BulkAction,
    ImportState,
    PersonaOrigin,
)


class ConversationFilterSerializer(serializers.Serializer[object]):
    """Filters of the list of conversations; an absent one lets all through."""

    folder = serializers.CharField(required=False, max_length=36)
    tag = serializers.CharField(required=False, max_length=40)
    archived = serializers.BooleanField(required=False, allow_null=True, default=None)
    pinned = serializers.BooleanField(required=False, allow_null=True, default=None)
    q = serializers.CharField(required=False, max_length=200, allow_blank=True)


class FolderSerializer(serializers.Serializer[object]):
    """A folder."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    position = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class NewFolderSerializer(serializers.Serializer[object]):
    """A folder to make."""

    name = serializers.CharField(max_length=100)


class FolderChangeSerializer(serializers.Serializer[object]):
    """What of a folder is to change; `position` counts from 0."""

    name = serializers.CharField(max_length=100, required=False)
    position = serializers.IntegerField(min_value=0, max_value=10_000, required=False)


class BulkSerializer(serializers.Serializer[object]):
    """One action for several conversations."""

    ids = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=BULK_MAX)
    action = serializers.ChoiceField(choices=[a.value for a in BulkAction])
    folder_id = serializers.UUIDField(required=False, allow_null=True)
    tag = serializers.CharField(max_length=40, required=False)


class BulkResultSerializer(serializers.Serializer[object]):
    """What became of one conversation."""

    id = serializers.UUIDField()
    done = serializers.BooleanField()
    error = ErrorBodySerializer(allow_null=True)


class BulkResultsSerializer(serializers.Serializer[object]):
    """What became of each."""

    results = BulkResultSerializer(many=True)


class ForkSerializer(serializers.Serializer[object]):
    """Up to which message the branch is copied; the same id of the client copies once."""

    message_id = serializers.UUIDField()
    client_message_id = serializers.CharField(min_length=1, max_length=64, required=False)


class NewShareSerializer(serializers.Serializer[object]):
    """What to share; without a message, the branch that is shown."""

    audience = serializers.ChoiceField(
        choices=[a.value for a in Audience], default=Audience.WORKSPACE.value
    )
    message_id = serializers.UUIDField(required=False, allow_null=True)


class ShareSerializer(serializers.Serializer[object]):
    """A share; its `url` is told once, when it is made."""

    id = serializers.UUIDField()
    conversation_id = serializers.UUIDField()
    audience = serializers.ChoiceField(choices=[a.value for a in Audience])
    title = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    revoked = serializers.BooleanField()
    url = serializers.CharField(allow_blank=True)


class PersonSerializer(serializers.Serializer[object]):
    """Somebody of the workspace."""

    id = serializers.UUIDField()
    label = serializers.CharField()  # type: ignore[assignment]  # a Field's own label is a string


class ParticipantSerializer(PersonSerializer):
    """Somebody in a conversation."""

    role = serializers.ChoiceField(choices=["owner", "participant"])


class PersonaSerializer(serializers.Serializer[object]):
    """A persona."""

    slug = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    instruction = serializers.CharField(allow_blank=True)
    model = serializers.CharField(allow_blank=True)
    temperature = serializers.FloatField(allow_null=True)
    tools = serializers.ListField(child=serializers.CharField(), allow_null=True)
    origin = serializers.ChoiceField(choices=[o.value for o in PersonaOrigin])


class PersonaFieldsSerializer(serializers.Serializer[object]):
    """A persona to make or change: give what is to be set."""

    slug = serializers.CharField(max_length=64, required=False)
    name = serializers.CharField(max_length=100, required=False)
    description = serializers.CharField(max_length=500, required=False, allow_blank=True)
    instruction = serializers.CharField(max_length=8000, required=False, allow_blank=True)
    model = serializers.CharField(max_length=100, required=False, allow_blank=True)
    temperature = serializers.FloatField(min_value=0, max_value=2, required=False, allow_null=True)
    tools = serializers.ListField(
        child=serializers.CharField(max_length=64), max_length=50, required=False, allow_null=True
    )
    workspace = serializers.BooleanField(required=False)


class ImportedItemSerializer(serializers.Serializer[object]):
    """What became of one conversation of a file."""

    place = serializers.CharField(allow_blank=True)
    title = serializers.CharField(allow_blank=True)
    conversation_id = serializers.UUIDField(allow_null=True)
    duplicate = serializers.BooleanField()
    problem = serializers.CharField(allow_blank=True)


class ImportSerializer(serializers.Serializer[object]):
    """An import and how far it is."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=[s.value for s in ImportState])
    total = serializers.IntegerField()
    done = serializers.IntegerField()
    imported = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    failed = serializers.IntegerField()
    items = ImportedItemSerializer(many=True)
    created_at = serializers.DateTimeField()


class CommandSerializer(serializers.Serializer[object]):
    """A command for the slash menu."""

    name = serializers.CharField()
    usage = serializers.CharField()
    help = serializers.CharField()
    permission = serializers.CharField(allow_blank=True)
    allowed = serializers.BooleanField()


class ToolSerializer(serializers.Serializer[object]):
    """A tool that the assistant may use."""

    name = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()
