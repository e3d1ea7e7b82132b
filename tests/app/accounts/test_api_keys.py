"""API keys: making, using, limiting and ending them."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts import api_keys, services as accounts
from apps.accounts.domain.key_format import new_token
from apps.accounts.errors import ApiKeyInvalid
from apps.accounts.models.api_keys import ApiKey
from apps.accounts.models.memberships import Membership
from apps.audit.models import AuditEntry
from apps.core import scope
from apps.core.clock import now
from apps.core.concurrency import platform_db
from apps.core.scope import TenantRef
from tests.fixtures.database import World
from tests.fixtures.live import NewKey
from tests.fixtures.people import People

BrowserOf = Callable[[UUID, TenantRef | None], Client]
KEYS = "/api/v1/keys"


def post(client: Client, path: str, **body: object) -> Any:
    return client.post(path, json.dumps(body), content_type="application/json")


def with_key(key: str, tenant: TenantRef, **options: Any) -> Client:
    host = f"{tenant.slug}.localhost"
    return Client(HTTP_HOST=host, HTTP_AUTHORIZATION=f"Bearer {key}", **options)


@pytest.fixture
def ann(committed: World, people: People, browser_of: BrowserOf) -> Client:
    return browser_of(people.ann, committed.acme)


def test_a_new_key_is_shown_once_and_kept_as_a_digest(ann: Client) -> None:
    made = post(ann, KEYS, name="CI", expires_in_days=30)
    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    token = made.json()["token"]
    assert token.startswith(f"{made.json()['key']['prefix']}_")
    listed = ann.get(KEYS).json()["results"]
    assert [key["name"] for key in listed] == ["CI"]
    assert listed[0]["scopes"] == ["chat.user"]
    assert listed[0]["last_used_at"] is None
    row = ApiKey.objects.get()
    secret = token.rpartition("_")[2]
    assert secret not in f"{ann.get(KEYS).content!r} {row.digest} {row}"
    entry = AuditEntry.objects.get(action="account.key_created")
    assert secret not in str(entry.new) + entry.target_label
    assert row.prefix in entry.target_label


def test_equal_keys_have_different_digests_in_two_workspaces(committed: World) -> None:
    token = new_token()
    assert api_keys._digest(token, committed.acme.id) != api_keys._digest(
        token, committed.globex.id
    )


def test_rest_knows_the_owner_and_asks_for_no_csrf_token(
    committed: World, people: People, new_key: NewKey
) -> None:
    key = new_key(people.ann, committed.acme)
    client = with_key(key, committed.acme, enforce_csrf_checks=True)
    me = client.get("/api/v1/me").json()
    assert (me["id"], me["permissions"]) == (str(people.ann), ["chat.user"])
    assert post(client, "/api/v1/conversations").status_code == 201


@pytest.mark.parametrize("wrong", ["", "nonsense", f"karen_{'a' * 12}_{'b' * 43}"])
def test_a_wrong_key_is_not_replaced_by_the_session_beside_it(ann: Client, wrong: str) -> None:
    assert ann.get("/api/v1/me").status_code == 200
    refused = ann.get("/api/v1/me", HTTP_AUTHORIZATION=f"Bearer {wrong}")
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"]


def test_a_key_opens_no_page(committed: World, people: People, new_key: NewKey) -> None:
    client = with_key(new_key(people.ann, committed.acme), committed.acme)
    for path in ("/chat/", "/settings/keys/"):
        assert client.get(path).status_code == 302


def test_a_key_makes_lists_and_revokes_no_keys(
    committed: World, people: People, new_key: NewKey, ann: Client
) -> None:
    key = new_key(people.ann, committed.acme)
    key_id = ApiKey.objects.get().pk
    client = with_key(key, committed.acme)
    # Even with cookies of one's own making, which pass for a CSRF token.
    client.cookies["csrftoken"] = "a" * 32
    for answer in (
        client.get(KEYS),
        post(client, KEYS, name="more"),
        client.delete(f"{KEYS}/{key_id}"),
        ann.get(KEYS, HTTP_AUTHORIZATION=f"Bearer {key}"),
    ):
        assert answer.status_code == 401


def test_a_key_may_not_do_more_than_it_was_given(
    committed: World, people: People, new_key: NewKey
) -> None:
    narrow = with_key(new_key(people.ann, committed.acme, scopes=("memory.read",)), committed.acme)
    assert narrow.get("/api/v1/me").status_code == 403


def test_an_areas_admin_stands_for_its_codes_in_a_key_too(
    committed: World, people: People, new_key: NewKey
) -> None:
    wide = with_key(new_key(people.ann, committed.acme, scopes=("chat.admin",)), committed.acme)
    permissions = wide.get("/api/v1/me").json()["permissions"]
    assert "chat.user" in permissions
    assert not [code for code in permissions if not code.startswith("chat.")]


def test_nobody_gives_what_they_do_not_hold(
    committed: World, people: People, browser_of: BrowserOf
) -> None:
    bea = browser_of(people.bea, committed.acme)
    refused = post(bea, KEYS, name="x", scopes=["tenant.admin"])
    assert refused.status_code == 400
    assert "scopes" in refused.json()["error"]["details"]["fields"]


def test_a_key_shrinks_with_its_owner(committed: World, people: People, new_key: NewKey) -> None:
    key = new_key(people.bea, committed.acme)
    client = with_key(key, committed.acme)
    assert client.get("/api/v1/me").status_code == 200
    _change_role(committed.acme, people.bea, "guest")
    try:
        assert client.get("/api/v1/me").status_code == 403
    finally:
        _change_role(committed.acme, people.bea, "member")


def _change_role(tenant: TenantRef, user_id: UUID, role: str) -> None:
    with scope.actor_scope(scope.SYSTEM), scope.correlation_scope():
        accounts.change_role(tenant=tenant, user_id=user_id, role=role)


@pytest.mark.parametrize(
    "body",
    [{}, {"name": ""}, {"name": "x" * 81}, {"name": "x", "expires_in_days": 0},
     {"name": "x", "expires_in_days": 99999}, {"name": "x", "scopes": []},
     {"name": "x", "scopes": ["no.such"]}, {"name": "x", "scopes": "chat.user"}],
    ids=str,
)  # fmt: skip
def test_a_key_that_does_not_fit_is_refused(ann: Client, body: dict[str, object]) -> None:
    assert post(ann, KEYS, **body).status_code == 400
    assert not ApiKey.objects.exists()


def test_nobody_hoards_keys(ann: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "KEYS_MAX", 2)
    assert [post(ann, KEYS, name=str(n)).status_code for n in range(3)] == [201, 201, 409]
    ann.delete(f"{KEYS}/{ann.get(KEYS).json()['results'][0]['id']}")
    assert post(ann, KEYS, name="again").status_code == 201


def test_a_revoked_key_is_useless_and_revoked_once(
    committed: World, people: People, ann: Client, new_key: NewKey
) -> None:
    key = new_key(people.ann, committed.acme)
    client, path = with_key(key, committed.acme), f"{KEYS}/{ApiKey.objects.get().pk}"
    assert client.get("/api/v1/me").status_code == 200
    assert ann.delete(path).status_code == 204
    assert client.get("/api/v1/me").status_code == 401
    assert ann.delete(path).status_code == 404
    assert ann.get(KEYS).json() == {"results": [], "next": None}
    assert AuditEntry.objects.filter(action="account.key_revoked").count() == 1


def holds(key: str, tenant: TenantRef) -> bool:
    accounts.forget_keys()
    try:
        accounts.holder_of_key(key, tenant)
    except ApiKeyInvalid:
        return False
    return True


def test_expiry_membership_account_and_workspace_end_a_key(
    committed: World, people: People, new_key: NewKey
) -> None:
    key = new_key(people.bea, committed.acme, expires_in_days=1)
    keys = ApiKey.objects.all()
    membership = Membership.objects.filter(user_id=people.bea, tenant_id=committed.acme.id)
    user = get_user_model().objects.filter(pk=people.bea)
    assert holds(key, committed.acme)
    for rows, off, on in (
        (keys, {"expires_at": now() - timedelta(seconds=1)}, {"expires_at": None}),
        (membership, {"is_active": False}, {"is_active": True}),
        (user, {"is_active": False}, {"is_active": True}),
    ):
        rows.update(**off)
        assert not holds(key, committed.acme)
        rows.update(**on)
        assert holds(key, committed.acme)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE public.tenants_tenant SET state = 'suspended' WHERE slug = 'acme'")
    assert not holds(key, committed.acme)


def test_a_key_that_expires_while_it_is_remembered_ends_on_time(
    committed: World, people: People, new_key: NewKey
) -> None:
    key = new_key(people.ann, committed.acme)
    ApiKey.objects.update(expires_at=now() + timedelta(milliseconds=200))
    assert holds(key, committed.acme)
    while now() < ApiKey.objects.get().expires_at:  # type: ignore[operator]  # set above
        pass
    with pytest.raises(ApiKeyInvalid):
        accounts.holder_of_key(key, committed.acme)


def test_a_removed_member_takes_their_keys_along(
    committed: World, people: People, new_key: NewKey
) -> None:
    key = new_key(people.bea, committed.acme)
    with scope.actor_scope(scope.SYSTEM), scope.correlation_scope():
        accounts.remove_member(tenant=committed.acme, user_id=people.bea)
        try:
            assert not holds(key, committed.acme)
        finally:
            accounts.add_member(tenant=committed.acme, user_id=people.bea, role="member")
    assert not holds(key, committed.acme)


def test_a_known_key_asks_the_database_once_and_a_wrong_one_each_time(
    committed: World, people: People, new_key: NewKey
) -> None:
    key = new_key(people.ann, committed.acme)
    wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
    accounts.holder_of_key(key, committed.acme)  # also writes down the first use
    accounts.forget_keys()
    with CaptureQueriesContext(connection) as queries:
        for _ in range(5):
            accounts.holder_of_key(key, committed.acme)
    assert len([q for q in queries if "accounts_apikey" in q["sql"]]) == 1
    with CaptureQueriesContext(connection) as queries:
        for _ in range(3):
            with pytest.raises(ApiKeyInvalid):
                accounts.holder_of_key(wrong, committed.acme)
    assert len([q for q in queries if "accounts_apikey" in q["sql"]]) == 3


def test_garbage_asks_no_database(committed: World) -> None:
    with CaptureQueriesContext(connection) as queries:
        for text in ("", "karen_", "sk-123", "x" * 10_000, f"karen_{'A' * 12}_{'b' * 43}"):
            with pytest.raises(ApiKeyInvalid):
                accounts.holder_of_key(text, committed.acme)
    assert not queries.captured_queries


def test_use_is_written_down_at_most_once_a_minute(
    committed: World, people: People, new_key: NewKey
) -> None:
    key = new_key(people.ann, committed.acme)
    assert holds(key, committed.acme)
    first = ApiKey.objects.get().last_used_at
    assert first is not None
    assert holds(key, committed.acme)
    assert ApiKey.objects.get().last_used_at == first
    ApiKey.objects.update(last_used_at=first - timedelta(seconds=61))
    assert holds(key, committed.acme)
    assert ApiKey.objects.get().last_used_at >= first  # type: ignore[operator]  # written again


# -- the page


def test_the_page_shows_a_new_key_once(ann: Client) -> None:
    form = {"name": "my laptop", "scopes": ["chat.user"], "expires_in_days": "90"}
    made = ann.post("/settings/keys/", form)
    token = next(
        w
        for w in made.content.decode().replace("<", " ").replace(">", " ").split()
        if w.startswith("karen_") and len(w) > 50
    )
    assert token not in ann.get("/settings/keys/").content.decode()
    assert "my laptop" in ann.get("/settings/keys/").content.decode()
    revoke = f"/settings/keys/{ApiKey.objects.get().pk}/revoke/"
    assert ann.post(revoke).status_code == 302
    assert ann.post(revoke).status_code == 404


@pytest.mark.parametrize("form", [{}, {"name": "x"}, {"name": "x", "scopes": ["no.such"]}])
def test_the_page_says_what_does_not_fit(ann: Client, form: dict[str, object]) -> None:
    page = ann.post("/settings/keys/", form)
    assert page.status_code == 200
    assert b"field-error" in page.content
    assert not ApiKey.objects.exists()


# -- sockets


async def first_message(tenant: TenantRef, **headers: str) -> dict[str, Any]:
    from karen_site.asgi import application  # sets the web role; only where it is needed

    lines = [(name.encode(), value.encode()) for name, value in headers.items()]
    host = (b"host", f"{tenant.slug}.localhost".encode())
    socket = WebsocketCommunicator(application, "/ws/chat/", headers=[host, *lines])
    await socket.connect(timeout=5)
    message: dict[str, Any] = await socket.receive_output(timeout=5)
    await socket.disconnect()
    return message


async def test_a_program_opens_a_socket_with_its_key_and_without_an_origin(
    committed: World, people: People, new_key: NewKey
) -> None:
    key = await platform_db(new_key, people.ann, committed.acme)
    ready = await first_message(committed.acme, authorization=f"Bearer {key}")
    assert json.loads(ready["text"])["user"]["id"] == str(people.ann)
    assert (await first_message(committed.globex, authorization=f"Bearer {key}"))["code"] == 4401


async def test_a_page_of_another_origin_opens_no_socket_even_with_a_key(
    committed: World, people: People, new_key: NewKey
) -> None:
    key = await platform_db(new_key, people.ann, committed.acme)
    refused = await first_message(
        committed.acme, authorization=f"Bearer {key}", origin="http://evil.localhost"
    )
    assert refused["code"] == 4403


async def test_without_an_origin_a_cookie_opens_no_socket(
    committed: World, people: People, browser_of: BrowserOf
) -> None:
    browser = await platform_db(browser_of, people.ann, committed.acme)
    name = settings.SESSION_COOKIE_NAME
    cookie = f"{name}={browser.cookies[name].value}"
    assert (await first_message(committed.acme, cookie=cookie))["code"] == 4403
    for header in ("Bearer nonsense", "Basic x", ""):
        refused = await first_message(committed.acme, cookie=cookie, authorization=header)
        assert refused["code"] == 4401
