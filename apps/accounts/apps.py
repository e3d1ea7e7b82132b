"""Django's entry for `apps.accounts`."""

from django.apps import AppConfig
from typing_extensions import override

from apps.audit.registry import register_actions


class AccountsConfig(AppConfig):
    """People, their places in workspaces, and their sessions."""

    name = "apps.accounts"
    label = "accounts"
    verbose_name = "People"

    @override
    def ready(self) -> None:
        """Declare audit actions, listen to logins, describe the session to OpenAPI."""
        from apps.accounts import logins  # apps are loaded only now
        from apps.accounts.authentication import schema  # noqa: F401  # registers itself

        register_actions(
            {
                "account.signed_up": "Account created",
                "account.logged_in": "Logged in",
                "account.logged_out": "Logged out",
                "account.login_failed": "Login failed",
                "account.password_changed": "Password changed",
                "account.key_created": "API key created",
                "account.key_revoked": "API key revoked",
                "operator.created": "Operator created",
                "tenant.member_added": "Member added",
                "tenant.member_removed": "Member removed",
                "tenant.role_changed": "Role of a member changed",
            }
        )
        logins.listen()
