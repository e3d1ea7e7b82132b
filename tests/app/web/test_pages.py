"""The pages through the HTTP edge: who sees what, and under which policy."""

import re
from collections.abc import Callable
from uuid import UUID

import pytest
from django.test import Client

from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef
from tests.factories import send
from tests.fixtures.database import World
from tests.fixtures.people import People

BrowserOf = Callable[[UUID, TenantRef | None], Client]

PLATFORM_PAGES = ["/", "/signup/", "/accounts/login/", "/accounts/password/reset/"]
WORKSPACE_PAGES = ["/accounts/login/", "/accounts/password/reset/"]

INLINE_SCRIPT = re.compile(
    r"<script(?![^>]*\bsrc=)(?![^>]*type=\"application/json\")[^>]*>", re.IGNORECASE
)
INLINE_HANDLER = re.compile(r"\s(?:on[a-z]+|style)=[\"']", re.IGNORECASE)


def assert_fits_policy(client: Client, path: str) -> str:
    """Fetch a page; return its text after checking it against its own policy."""
    answer = client.get(path)
    policy = answer.headers["Content-Security-Policy"]
    text = answer.content.decode()
    assert "default-src 'none'" in policy
    assert "'unsafe-" not in policy
    assert INLINE_SCRIPT.findall(text) == []
    assert INLINE_HANDLER.findall(text) == []
    return text


@pytest.mark.parametrize("path", PLATFORM_PAGES)
def test_a_stranger_sees_the_public_pages_of_the_platform(committed: World, path: str) -> None:
    client = Client(HTTP_HOST="localhost")

    assert client.get(path).status_code == 200
    assert_fits_policy(client, path)


@pytest.mark.parametrize("path", WORKSPACE_PAGES)
def test_a_stranger_may_log_in_to_a_workspace(committed: World, path: str) -> None:
    client = Client(HTTP_HOST="acme.localhost")

    assert client.get(path).status_code == 200
    assert "Acme" in assert_fits_policy(client, path)


@pytest.mark.parametrize("path", ["/chat/", f"/chat/{UUID(int=1)}/", "/workspaces/"])
def test_a_stranger_is_asked_to_log_in(committed: World, path: str) -> None:
    answer = Client(HTTP_HOST="acme.localhost").get(path)

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/accounts/login/?next=")


def test_there_is_no_sign_up_inside_a_workspace(committed: World) -> None:
    client = Client(HTTP_HOST="acme.localhost")

    assert client.get("/signup/").status_code == 404
    assert client.get("/accounts/signup/").headers["Location"] == "/accounts/login/"


def test_a_member_sees_the_chat(committed: World, people: People, browser_of: BrowserOf) -> None:
    client = browser_of(people.ann, committed.acme)

    text = assert_fits_policy(client, "/chat/")

    assert "Acme" in text
    assert (
        "connect-src 'self' ws://acme.localhost"
        in client.get("/chat/").headers["Content-Security-Policy"]
    )
    assert client.get("/").headers["Location"] == "/chat/"


def test_a_guest_without_chat_is_told_so(
    committed: World, people: People, browser_of: BrowserOf
) -> None:
    assert browser_of(people.eve, committed.acme).get("/chat/").status_code == 403


def test_a_conversation_is_its_owners_only(
    committed: World,
    people: People,
    browser_of: BrowserOf,
    actor_in: Callable[[UUID, TenantRef], Actor],
) -> None:
    accepted = send(actor=actor_in(people.ann, committed.acme), tenant=committed.acme)
    path = f"/chat/{accepted.conversation_id}/"

    assert browser_of(people.ann, committed.acme).get(path).status_code == 200
    assert browser_of(people.bea, committed.acme).get(path).status_code == 404
    assert browser_of(people.bea, committed.globex).get(path).status_code == 404
    assert browser_of(people.ann, committed.acme).get(f"/chat/{new_id()}/").status_code == 404


def test_the_list_of_workspaces_is_ones_own(
    committed: World, people: People, browser_of: BrowserOf
) -> None:
    assert assert_fits_policy(browser_of(people.bea, None), "/workspaces/").count("/open/") == 2
    assert assert_fits_policy(browser_of(people.ann, None), "/workspaces/").count("/open/") == 1


def test_a_person_goes_from_the_platform_into_a_workspace_once(
    committed: World, people: People, browser_of: BrowserOf
) -> None:
    platform = browser_of(people.bea, None)

    answer = platform.post(f"/workspaces/{committed.globex.id}/open/")

    assert answer.status_code == 302
    address = answer.headers["Location"]
    assert address.startswith("http://globex.localhost")
    path = "/" + address.split("/", 3)[3]
    visitor = Client(HTTP_HOST="globex.localhost")
    assert visitor.get(path).headers["Location"] == "/chat/"
    assert visitor.get("/chat/").status_code == 200
    # The link works once, and nowhere else.
    assert Client(HTTP_HOST="globex.localhost").get(path).status_code in {401, 403, 404}


def test_an_entry_link_of_one_workspace_opens_no_other(
    committed: World, people: People, browser_of: BrowserOf
) -> None:
    answer = browser_of(people.bea, None).post(f"/workspaces/{committed.globex.id}/open/")
    path = "/" + answer.headers["Location"].split("/", 3)[3]

    refused = Client(HTTP_HOST="acme.localhost").get(path)

    assert refused.status_code in {401, 403, 404}
    assert "used up" in refused.content.decode()


def test_a_workspace_of_others_cannot_be_opened(
    committed: World, people: People, browser_of: BrowserOf
) -> None:
    answer = browser_of(people.ann, None).post(f"/workspaces/{committed.globex.id}/open/")

    assert answer.status_code == 404


def test_a_form_without_its_token_is_refused_with_a_way_back(
    committed: World,
) -> None:
    client = Client(HTTP_HOST="localhost", enforce_csrf_checks=True)

    answer = client.post("//evil.example/signup/", {})
    assert 'href="//evil' not in answer.content.decode()
    answer = client.post("/signup/", {"organisation": "X"})

    assert answer.status_code == 403
    assert 'href="/signup/"' in answer.content.decode()


@pytest.mark.parametrize("host", ["localhost", "acme.localhost"])
def test_a_wrong_address_gets_a_page(committed: World, host: str) -> None:
    answer = Client(HTTP_HOST=host).get("/nothing/here/")

    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()
