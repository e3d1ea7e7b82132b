from collections.abc import Callable
from uuid import UUID

import pytest
from django.test import Client

from apps.core.scope import TenantRef
from apps.tenants import services as tenants
from apps.tenants.resolver import forget_hosts, normalised_host
from tests.fixtures.database import World
from tests.fixtures.people import People


def test_an_unknown_host_is_404(committed: World) -> None:
    assert Client(HTTP_HOST="nobody.localhost").get("/").status_code == 404
    answer = Client(HTTP_HOST="nobody.localhost").get("/api/v1/conversations")
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "tenant_not_found"


def test_a_suspended_workspace_is_403(committed: World) -> None:
    tenants.suspend_tenant(tenant_id=committed.acme.id)
    forget_hosts()

    assert Client(HTTP_HOST="acme.localhost").get("/").status_code == 403
    assert Client(HTTP_HOST="globex.localhost").get("/").status_code != 403


@pytest.mark.parametrize("header", ["x-forwarded-host", "x-host", "forwarded"])
def test_only_the_host_header_counts(committed: World, header: str) -> None:
    client = Client(headers={"host": "nobody.localhost", header: "acme.localhost"})

    assert client.get("/", {"host": "acme.localhost"}).status_code == 404


@pytest.mark.parametrize(
    "host,name",
    [
        ("ACME.localhost:8000", "acme.localhost"),
        ("acme.localhost.", "acme.localhost"),
        ("[::1]:80", "[::1]"),
    ],
)
def test_hosts_are_compared_without_port_case_and_final_dot(host: str, name: str) -> None:
    assert normalised_host(host) == name


def test_health_answers_on_any_host(committed: World) -> None:
    assert Client(HTTP_HOST="10.0.0.7").get("/health/live").status_code == 200


def test_asking_for_health_signs_nobody_out(
    committed: World, people: People, browser_of: Callable[[UUID, TenantRef | None], Client]
) -> None:
    client = browser_of(people.ann, committed.acme)

    answer = client.get("/health/live")

    assert not answer.cookies
    assert client.get("/api/v1/me").status_code == 200
