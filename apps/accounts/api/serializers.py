"""Wire shapes of API keys."""

from rest_framework import serializers

from apps.accounts.api_keys import LIFETIME_MAX_DAYS
from apps.accounts.domain.key_format import BRAND
from apps.accounts.permissions import ALL


class ApiKeySerializer(serializers.Serializer[object]):
    """An API key without its secret."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    prefix = serializers.SerializerMethodField(help_text="The key's public beginning.")
    scopes = serializers.ListField(child=serializers.CharField())
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="To the minute.")
    created_at = serializers.DateTimeField()

    def get_prefix(self, key: object) -> str:
        """Return the public beginning as it stands in the key."""
        return f"{BRAND}_{getattr(key, 'prefix', '')}"


class NewApiKeySerializer(serializers.Serializer[object]):
    """What makes a key."""

    name = serializers.CharField(max_length=80)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=sorted(ALL)),
        required=False,
        allow_empty=False,
        max_length=len(ALL),
        help_text="Permission codes you hold; `chat.user` when left out.",
    )
    expires_in_days = serializers.IntegerField(
        min_value=1, max_value=LIFETIME_MAX_DAYS, required=False, allow_null=True, default=None
    )


class MadeApiKeySerializer(serializers.Serializer[object]):
    """A key that was just made."""

    key = ApiKeySerializer()
    token = serializers.CharField(help_text="The key itself. It is shown this once.")
