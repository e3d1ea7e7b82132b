"""Wire shapes of the API as a whole."""

from rest_framework import serializers


class WorkspaceSerializer(serializers.Serializer[object]):
    """The workspace whose host was asked."""

    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()


class MeSerializer(serializers.Serializer[object]):
    """The caller."""

    id = serializers.UUIDField(source="actor.id")
    label = serializers.CharField(source="actor.label")  # type: ignore[assignment]  # hides DRF's form label
    permissions = serializers.SerializerMethodField()
    workspace = WorkspaceSerializer()

    def get_permissions(self, me: dict[str, object]) -> list[str]:
        """Return the permission codes in alphabetical order."""
        codes: frozenset[str] = getattr(me["actor"], "permissions", frozenset())
        return sorted(codes)
