"""What every template may use."""

from django.conf import settings
from django.http import HttpRequest
from typing_extensions import TypedDict

from apps.core import scope
from apps.core.scope import TenantRef
from apps.tenants import selectors as tenants


class WorkspaceContext(TypedDict):
    """Where the page is.

    Attributes:
        workspace: The tenant of this host; None on the platform host.
        base_domain: What stands after a workspace's slug, with the port.
        signup_address: Where sign-up is, from every host.
    """

    workspace: TenantRef | None
    base_domain: str
    signup_address: str


def workspace(request: HttpRequest) -> WorkspaceContext:  # noqa: ARG001  # Django passes it
    """Tell templates which workspace they are rendered in."""
    return WorkspaceContext(
        workspace=scope.current(),
        base_domain=f"{settings.BASE_DOMAIN}{settings.LINK_PORT}",
        signup_address=tenants.platform_url("/signup/"),
    )
