"""Browsers that log in the way people do."""

from typing import Any

from django.test import Client

from apps.core.scope import TenantRef
from tests.fixtures.people import PASSWORD

ENTRANCE = "/accounts/login/"


def host_of(tenant: TenantRef | None) -> str:
    return f"{tenant.slug}.localhost" if tenant else "localhost"


def browser(tenant: TenantRef | None, *, check_csrf: bool = False) -> Client:
    return Client(HTTP_HOST=host_of(tenant), enforce_csrf_checks=check_csrf)


def log_in(client: Client, email: str, password: str = PASSWORD) -> Any:
    """Return the response of Django's test client, which stubs describe as a private class."""
    return client.post(ENTRANCE, {"login": email, "password": password})


def is_signed_in(client: Client) -> bool:
    """Whether the host shows the person's list of workspaces rather than the login."""
    return client.get("/workspaces/").status_code == 200
