"""Sessions and actors on the event loop: pages through ASGI, and sockets."""

from collections.abc import Callable
from http.cookies import SimpleCookie
from urllib.parse import urlencode
from uuid import UUID

import pytest
from channels.testing import HttpCommunicator
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.db import connections
from django.test import Client

from apps.accounts import services
from apps.core.concurrency import platform_db
from apps.core.scope import TenantRef
from tests.app.accounts.browsers import host_of
from tests.fixtures.database import World
from tests.fixtures.people import PASSWORD, People
from tests.fixtures.work import Connect

BrowserOf = Callable[[UUID, TenantRef | None], Client]
django_application = get_asgi_application()
CLOSED_AS_STRANGER = {"type": "websocket.close", "code": 4401}


@pytest.fixture(autouse=True)
def connections_end_with_their_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in web processes: each request has its own thread, which must not keep a connection."""
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)


class AsgiBrowser:
    """A browser on one host, talking to the whole application as Daphne would."""

    def __init__(self, tenant: TenantRef) -> None:
        self.host = host_of(tenant)
        self.cookies = SimpleCookie()

    async def get(self, path: str) -> int:
        return await self._request("GET", path)

    async def post(self, path: str, form: dict[str, str]) -> int:
        token = {"csrfmiddlewaretoken": self.cookies[settings.CSRF_COOKIE_NAME].value}
        return await self._request("POST", path, urlencode({**form, **token}).encode())

    async def _request(self, method: str, path: str, body: bytes = b"") -> int:
        cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in self.cookies.items())
        headers = [
            (b"host", self.host.encode()),
            (b"cookie", cookies.encode()),
            (b"content-type", b"application/x-www-form-urlencoded"),
            (b"content-length", str(len(body)).encode()),
        ]
        talk = HttpCommunicator(django_application, method, path, body=body, headers=headers)
        talk.scope["client"] = ("127.0.0.1", 50_000)
        answer = await talk.get_response(timeout=10)
        await talk.wait()
        for name, value in answer["headers"]:
            if name.lower() == b"set-cookie":
                self.cookies.load(value.decode())
        return int(answer["status"])


async def test_pages_know_the_same_people_as_without_a_loop(
    committed: World, people: People, browser_of: BrowserOf
) -> None:
    signed_in = await platform_db(browser_of, people.bea, committed.acme)
    for tenant, status in ((committed.acme, 200), (committed.globex, 302)):
        carried = AsgiBrowser(tenant)
        carried.cookies.load(signed_in.cookies.output(header=""))
        assert await carried.get("/workspaces/") == status


async def test_sessions_begin_and_end(committed: World, people: People) -> None:
    here = AsgiBrowser(committed.acme)
    await here.get("/accounts/login/")
    await here.post("/accounts/login/", {"login": "bea@both.example", "password": PASSWORD})
    assert await here.get("/workspaces/") == 200
    await here.post("/accounts/logout/", {})
    assert await here.get("/workspaces/") == 302


async def test_a_socket_with_a_foreign_cookie_is_closed_as_not_authenticated(
    committed: World, people: People, browser_of: BrowserOf, connect: Connect
) -> None:
    signed_in = await platform_db(browser_of, people.bea, committed.acme)
    async with connect(signed_in, committed.acme) as at_home:
        assert (await at_home.receive())["type"] == "ready"
    async with connect(signed_in, committed.globex) as abroad:
        assert await abroad._communicator.receive_output(5) == CLOSED_AS_STRANGER


async def test_a_socket_of_the_platforms_session_is_closed_too(
    committed: World, people: People, browser_of: BrowserOf, connect: Connect
) -> None:
    signed_in = await platform_db(browser_of, people.bea, None)
    async with connect(signed_in, committed.acme) as socket:
        assert await socket._communicator.receive_output(5) == CLOSED_AS_STRANGER


async def test_a_socket_without_a_session_is_closed(
    committed: World, people: People, connect: Connect
) -> None:
    async with connect(None, committed.acme) as socket:
        assert await socket._communicator.receive_output(5) == CLOSED_AS_STRANGER


async def test_a_removed_member_opens_no_socket(
    committed: World, people: People, browser_of: BrowserOf, connect: Connect
) -> None:
    signed_in = await platform_db(browser_of, people.bea, committed.acme)
    await platform_db(services.remove_member, tenant=committed.acme, user_id=people.bea)
    try:
        async with connect(signed_in, committed.acme) as socket:
            assert await socket._communicator.receive_output(5) == CLOSED_AS_STRANGER
    finally:  # the people are those of the whole run
        await platform_db(
            services.add_member, tenant=committed.acme, user_id=people.bea, role="member"
        )
