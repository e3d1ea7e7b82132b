"""Every credential of one workspace is worth nothing in another, nor on the platform.

Bea is a member of both tenants: only the host a credential was made for can tell them apart.
Sockets are in `test_event_loop.py`: they need committed rows.
"""

import re
from collections.abc import Callable
from uuid import UUID

import pytest
from django.conf import settings
from django.core import mail
from django.test import Client
from pytest_django import Settings

from apps.accounts import selectors, services
from apps.accounts.errors import EntryTokenInvalid
from apps.accounts.models.sessions import Session
from apps.accounts.sessions import stored_key
from apps.core import scope
from apps.core.scope import TenantRef
from tests.app.accounts.browsers import browser, host_of, is_signed_in, log_in
from tests.fixtures.database import World
from tests.fixtures.people import People

pytestmark = pytest.mark.django_db

BEA = "bea@both.example"
BrowserOf = Callable[[UUID, TenantRef | None], Client]

# From where a credential comes, and to where it is carried.
CROSSINGS = [("acme", "globex"), ("globex", "acme"), ("acme", None), (None, "acme")]


def place(world: World, name: str | None) -> TenantRef | None:
    return getattr(world, name) if name else None


@pytest.mark.parametrize("home,abroad", CROSSINGS)
def test_a_session_cookie_is_unknown_on_another_host(
    world: World, people: People, browser_of: BrowserOf, home: str | None, abroad: str | None
) -> None:
    signed_in = browser_of(people.bea, place(world, home))
    assert is_signed_in(signed_in)
    name = settings.SESSION_COOKIE_NAME
    stranger = browser(place(world, abroad))
    stranger.cookies[name] = signed_in.cookies[name].value
    assert not is_signed_in(stranger)
    assert is_signed_in(signed_in), "the attempt must not end the real session"


@pytest.mark.parametrize("home,abroad", CROSSINGS)
def test_logging_out_abroad_with_a_foreign_cookie_ends_nothing(
    world: World, people: People, browser_of: BrowserOf, home: str | None, abroad: str | None
) -> None:
    signed_in = browser_of(people.bea, place(world, home))
    name = settings.SESSION_COOKIE_NAME
    stranger = browser(place(world, abroad))
    stranger.cookies[name] = signed_in.cookies[name].value
    stranger.post("/accounts/logout/")
    assert is_signed_in(signed_in)


def test_a_session_key_is_valid_for_sockets_of_its_own_tenant_only(
    world: World, people: People, browser_of: BrowserOf
) -> None:
    key = browser_of(people.bea, world.acme).cookies[settings.SESSION_COOKIE_NAME].value
    assert selectors.is_session_valid(key, world.acme)
    assert not selectors.is_session_valid(key, world.globex)


def test_a_session_of_the_platform_opens_no_socket_in_a_workspace(
    world: World, people: People, browser_of: BrowserOf
) -> None:
    key = browser_of(people.bea, None).cookies[settings.SESSION_COOKIE_NAME].value
    assert not selectors.is_session_valid(key, world.acme)


@pytest.mark.parametrize("abroad", ["globex", None])
def test_an_entry_ticket_opens_the_workspace_it_was_made_for_only(
    world: World, people: People, abroad: str | None
) -> None:
    token = services.issue_entry_token(user_id=people.bea, tenant=world.acme)
    stranger = browser(place(world, abroad))
    assert stranger.get(f"/enter/{token}/").status_code == 404
    assert not is_signed_in(stranger)
    at_home = browser(world.acme)
    assert at_home.get(f"/enter/{token}/").status_code == 302
    assert is_signed_in(at_home)


def test_an_entry_ticket_of_one_tenant_is_refused_by_the_service_in_another(
    world: World, people: People
) -> None:
    token = services.issue_entry_token(user_id=people.bea, tenant=world.acme)
    with scope.tenant_scope(world.globex), pytest.raises(EntryTokenInvalid):
        services.redeem_entry_token(token)
    with scope.tenant_scope(world.acme):
        assert services.redeem_entry_token(token) == people.bea


def _reset_link(client: Client) -> str:
    client.post("/accounts/password/reset/", {"email": BEA})
    found = re.search(
        r"http://([^/\s]+)(/accounts/password/reset/key/\S+)", str(mail.outbox[-1].body)
    )
    assert found
    assert found.group(1).partition(":")[0] == client.defaults["HTTP_HOST"]
    return found.group(2)


def _link_works(client: Client, path: str) -> bool:
    page = client.get(path, follow=True)
    return b'name="password1"' in page.content


@pytest.mark.parametrize("home,abroad", CROSSINGS)
def test_a_password_reset_link_works_on_its_own_host_only(
    world: World, people: People, home: str | None, abroad: str | None
) -> None:
    at_home = browser(place(world, home))
    path = _reset_link(at_home)
    assert not _link_works(browser(place(world, abroad)), path)
    assert _link_works(at_home, path)


@pytest.mark.parametrize("home,abroad", [("acme", "globex"), (None, "acme")])
def test_an_e_mail_code_confirms_on_its_own_host_only(
    world: World, people: People, settings: Settings, home: str | None, abroad: str | None
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
    at_home = browser(place(world, home))
    waiting = log_in(at_home, BEA)
    page = waiting.headers["Location"]
    assert not is_signed_in(at_home), "the address is not confirmed yet"
    code = re.search(r"^([A-Z0-9]{3,}-?[A-Z0-9]+)$", str(mail.outbox[-1].body), re.MULTILINE)
    assert code
    name = settings.SESSION_COOKIE_NAME
    stranger = browser(place(world, abroad))
    stranger.cookies[name] = at_home.cookies[name].value
    stranger.post(page, {"code": code.group(1)})
    assert not is_signed_in(stranger)
    at_home.post(page, {"code": code.group(1)})
    assert is_signed_in(at_home)


def test_a_form_of_one_host_is_refused_on_another(world: World, people: People) -> None:
    ours = browser(world.acme, check_csrf=True)
    ours.get("/accounts/login/")
    secret = ours.cookies["karen_csrf" if "karen_csrf" in ours.cookies else "csrftoken"].value
    form = {"login": BEA, "password": "correct horse battery", "csrfmiddlewaretoken": secret}
    origin = {"origin": f"http://{host_of(world.acme)}"}
    theirs = browser(world.globex, check_csrf=True)
    assert theirs.post("/accounts/login/", form, headers=origin).status_code == 403, (
        "no cookie there"
    )
    theirs.cookies.load(ours.cookies.output(header=""))
    assert theirs.post("/accounts/login/", form, headers=origin).status_code == 403, (
        "foreign origin"
    )
    assert not is_signed_in(theirs)
    assert ours.post("/accounts/login/", form, headers=origin).status_code == 302


def test_the_row_of_a_session_names_its_tenant_and_person_but_not_its_key(
    world: World, people: People, browser_of: BrowserOf
) -> None:
    key = browser_of(people.bea, world.acme).cookies[settings.SESSION_COOKIE_NAME].value
    row = Session.objects.get(session_key=stored_key(key))
    assert (row.tenant_id, row.user_id) == (world.acme.id, people.bea)
    assert key not in str(Session.objects.values())
