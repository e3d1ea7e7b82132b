"""OpenAPI: how callers authenticate."""

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from typing_extensions import override


class WorkspaceSessionScheme(
    OpenApiAuthenticationExtension  # type: ignore[no-untyped-call]  # registers by subclassing
):
    """The session cookie of a workspace's host."""

    target_class = "apps.accounts.authentication.session.WorkspaceSession"
    name = "session"

    @override
    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        """Describe the cookie."""
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "Set by logging in on the workspace's host. Writing requests also send "
            "the CSRF cookie's value in the header `X-CSRFToken`.",
        }


class WorkspaceApiKeyScheme(
    OpenApiAuthenticationExtension  # type: ignore[no-untyped-call]  # registers by subclassing
):
    """An API key in the `Authorization` header."""

    target_class = "apps.accounts.authentication.api_keys.WorkspaceApiKey"
    name = "api_key"

    @override
    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        """Describe the header."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A key made under Settings, API keys, of this workspace: "
            "`Authorization: Bearer karen_…`.",
        }
