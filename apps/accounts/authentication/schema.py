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
