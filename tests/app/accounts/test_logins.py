"""Logging in and out, and what the audit record says about it."""

import re
from collections.abc import Callable
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.test import Client

from apps.accounts import services
from apps.accounts.models.sessions import Session
from apps.accounts.sessions import SessionStore, stored_key
from apps.audit import selectors as audit
from apps.core import scope
from apps.core.clock import now
from apps.core.scope import TenantRef
from tests.app.accounts.browsers import browser, host_of, is_signed_in, log_in
from tests.fixtures.database import World
from tests.fixtures.people import PASSWORD, People

pytestmark = pytest.mark.django_db

BrowserOf = Callable[[UUID, TenantRef | None], Client]
WRONG = "not the right password"


def actions(tenant: TenantRef | None) -> list[tuple[str, str]]:
    entries = audit.list_entries(tenant_id=tenant.id if tenant else None)
    return [(e.action, e.target_label) for e in entries if e.action.startswith("account.")]


def test_a_member_logs_in_on_the_workspaces_host(world: World, people: People) -> None:
    client = browser(world.acme)
    assert log_in(client, "bea@both.example").headers["Location"] == "/"
    assert is_signed_in(client)
    assert actions(world.acme) == [("account.logged_in", "bea@both.example")]


def test_the_address_may_be_typed_in_any_case(world: World, people: People) -> None:
    client = browser(world.acme)
    log_in(client, "BEA@Both.example")
    assert is_signed_in(client)


def test_on_the_platform_everybody_logs_in_and_sees_their_workspaces(people: People) -> None:
    client = browser(None)
    assert log_in(client, "gus@globex.example").headers["Location"] == "/workspaces/"
    assert b"Globex" in client.get("/workspaces/").content


def test_who_is_no_member_is_told_so_only_with_the_right_password(
    world: World, people: People
) -> None:
    client = browser(world.acme)
    stranger = log_in(client, "gus@globex.example")
    wrong = log_in(client, "gus@globex.example", WRONG)
    unknown = log_in(client, "nobody@nowhere.example", WRONG)
    assert b"not a member of this workspace" in stranger.content
    assert b"not a member" not in wrong.content
    assert wrong.content.count(b"not correct") == unknown.content.count(b"not correct") == 1
    assert not is_signed_in(client)


def test_failed_logins_are_recorded_without_looking_the_address_up(
    world: World, people: People
) -> None:
    client = browser(world.acme)
    log_in(client, "bea@both.example", WRONG)
    log_in(client, "nobody@nowhere.example", WRONG)
    assert actions(world.acme) == [
        ("account.login_failed", "nobody@nowhere.example"),
        ("account.login_failed", "bea@both.example"),
    ]


def test_a_closed_account_does_not_log_in(world: World, people: People) -> None:
    get_user_model().objects.filter(pk=people.bea).update(is_active=False)
    client = browser(world.acme)
    log_in(client, "bea@both.example")
    assert not is_signed_in(client)


def test_guessing_is_slowed_down_across_hosts(world: World, people: People) -> None:
    answers = []
    for number in range(31):
        # A fresh address of the network each time: only the account's own limit is left.
        client = browser(world.acme if number % 2 else world.globex)
        client.defaults["REMOTE_ADDR"] = f"10.0.{number}.1"
        answers.append(log_in(client, "x@both.example", WRONG).content)
    assert b"Too many" in answers[-1]


def test_a_session_begins_anew_at_login(world: World, people: People) -> None:
    client = browser(world.acme)
    with scope.tenant_scope(world.acme):
        session = client.session
        session["planted"] = True
        session.save()
    planted = stored_key(session.session_key or "")
    assert Session.objects.filter(session_key=planted).exists()
    log_in(client, "bea@both.example")
    assert is_signed_in(client)
    assert not Session.objects.filter(session_key=planted).exists()


def test_logging_out_forgets_the_session(
    world: World, people: People, browser_of: BrowserOf
) -> None:
    client = browser_of(people.bea, world.acme)
    client.post("/accounts/logout/")
    assert not is_signed_in(client)
    assert not Session.objects.filter(user_id=people.bea, tenant_id=world.acme.id).exists()


@pytest.mark.parametrize(
    "target",
    ["http://globex.localhost/", "//globex.localhost/", "https://evil.example/", "javascript:x"],
)
def test_a_login_leads_to_no_other_host(world: World, people: People, target: str) -> None:
    client = browser(world.acme)
    answer = client.post(
        f"/accounts/login/?next={target}",
        {"login": "bea@both.example", "password": PASSWORD, "next": target},
    )
    assert answer.headers["Location"] == "/"


def test_a_login_leads_back_to_where_one_wanted_to_go(world: World, people: People) -> None:
    client = browser(world.acme)
    form = {"login": "bea@both.example", "password": PASSWORD, "next": "/chat/"}
    assert client.post("/accounts/login/", form).headers["Location"] == "/chat/"


@pytest.mark.parametrize("host", ["acme", None])
def test_signing_up_happens_nowhere_but_on_its_own_page(
    world: World, people: People, host: str | None
) -> None:
    client = browser(world.acme if host else None)
    client.post("/accounts/signup/", {"email": "zoe@new.example", "password1": PASSWORD})
    assert not get_user_model().objects.filter(email="zoe@new.example").exists()


def test_asking_for_a_reset_does_not_tell_whether_an_account_exists(
    world: World, people: People
) -> None:
    client = browser(world.acme)
    known = client.post("/accounts/password/reset/", {"email": "bea@both.example"})
    unknown = client.post("/accounts/password/reset/", {"email": "nobody@nowhere.example"})
    assert (known.status_code, known.headers["Location"]) == (
        unknown.status_code,
        unknown.headers["Location"],
    )
    assert len(mail.outbox) == 2, "the unknown address gets a mail as well"


def test_links_in_mails_do_not_follow_a_forged_port(world: World, people: People) -> None:
    client = Client(HTTP_HOST=f"{host_of(world.acme)}:6666")
    client.post("/accounts/password/reset/", {"email": "bea@both.example"})
    assert "6666" not in str(mail.outbox[-1].body)
    assert mail.outbox[-1].subject.startswith("[Acme]")


def test_a_new_password_ends_all_sessions(
    world: World, people: People, browser_of: BrowserOf
) -> None:
    clients = [browser_of(people.bea, place) for place in (world.acme, world.globex, None)]
    outsider = browser(world.acme)
    outsider.post("/accounts/password/reset/", {"email": "bea@both.example"})
    link = re.search(r"/accounts/password/reset/key/\S+", str(mail.outbox[-1].body))
    assert link
    path = link.group()
    form_page = outsider.get(path).headers["Location"]
    fresh = "another long phrase"
    outsider.post(form_page, {"password1": fresh, "password2": fresh})
    assert not any(is_signed_in(client) for client in clients)
    assert not Session.objects.filter(user_id=people.bea).exists()
    log_in(outsider, "bea@both.example", fresh)
    assert is_signed_in(outsider)


def test_changing_the_password_ends_all_sessions_but_this_one(
    world: World, people: People, browser_of: BrowserOf
) -> None:
    here, there = browser_of(people.bea, world.acme), browser_of(people.bea, world.globex)
    fresh = "another long phrase"
    form = {"oldpassword": PASSWORD, "password1": fresh, "password2": fresh}
    assert here.post("/accounts/password/change/", form).status_code == 302
    assert is_signed_in(here)
    assert not is_signed_in(there)


def test_an_operator_can_log_somebody_out_everywhere(
    world: World, people: People, browser_of: BrowserOf
) -> None:
    services.create_operator(email="op@site.example", password=PASSWORD)
    operator, client = browser(None), browser_of(people.bea, world.acme)
    log_in(operator, "op@site.example")
    choice = {"action": "end_sessions", "_selected_action": [str(people.bea)]}
    operator.post("/admin/accounts/user/", choice)
    assert not is_signed_in(client)


def test_expired_sessions_are_unknown_and_swept(
    world: World, people: People, browser_of: BrowserOf
) -> None:
    client = browser_of(people.bea, world.acme)
    Session.objects.update(expire_date=now())
    assert not is_signed_in(client)
    SessionStore.clear_expired()
    assert not Session.objects.exists()


def test_operators_use_the_admin_on_the_platform_only(world: World, people: People) -> None:
    services.create_operator(email="op@site.example", password=PASSWORD)
    on_platform, in_workspace = browser(None), browser(world.acme)
    log_in(on_platform, "op@site.example")
    log_in(in_workspace, "op@site.example")
    assert on_platform.get("/admin/accounts/user/").status_code == 200
    assert not is_signed_in(in_workspace)
    assert in_workspace.get("/admin/").status_code == 404


@pytest.mark.parametrize("page", ["user", "membership", "role", "session"])
def test_the_admin_lists_and_searches(world: World, people: People, page: str) -> None:
    services.create_operator(email="op@site.example", password=PASSWORD)
    client = browser(None)
    log_in(client, "op@site.example")
    assert client.get(f"/admin/accounts/{page}/", {"q": "acme"}).status_code == 200
