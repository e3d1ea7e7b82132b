"""Password-reset links that work on one host only (`ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR`)."""

from typing import Any

from django.contrib.auth.tokens import PasswordResetTokenGenerator
from typing_extensions import override

from apps.core import scope


class HostBoundResetTokens(PasswordResetTokenGenerator):
    """Django's tokens, signed together with the host they were asked for.

    Password, address and last login are part of the signed value already, so a link dies when any
    of them changes.
    """

    key_salt = "apps.accounts.tokens.HostBoundResetTokens"

    @override
    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        tenant = scope.current()
        host = tenant.id.hex if tenant else "platform"
        return f"{super()._make_hash_value(user, timestamp)}|{host}"
