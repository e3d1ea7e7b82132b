"""Signing up through the form: errors stand next to their field, success leads into the chat."""

import re
from collections.abc import Callable
from uuid import UUID

import pytest
from django.core.mail import EmailMessage
from django.test import Client
from pytest_django.fixtures import Settings

from apps.core.ids import new_id
from apps.core.scope import TenantRef
from apps.tenants.selectors import find_ref_by_slug
from tests.fixtures.database import World
from tests.fixtures.people import People

BrowserOf = Callable[[UUID, TenantRef | None], Client]

GOOD = {
    "organisation": "Sea Rescue",
    "slug": "",
    "name": "Ada Lovelace",
    "email": "ada@sea.example",
    "password": "four unrelated words here",
}


@pytest.fixture
def visitor(committed: World) -> Client:
    return Client(HTTP_HOST="localhost")


def test_a_stranger_signs_up_and_is_in_the_chat(visitor: Client) -> None:
    answer = visitor.post("/signup/", {**GOOD, "email": f"{new_id().hex}@sea.example"})

    assert answer.status_code == 302
    address = answer.headers["Location"]
    assert address.startswith("http://sea-rescue.localhost")
    person = Client(HTTP_HOST="sea-rescue.localhost")
    assert person.get("/" + address.split("/", 3)[3]).headers["Location"] == "/chat/"
    assert "Sea Rescue" in person.get("/chat/").content.decode()


def test_the_page_lets_its_form_lead_into_a_workspace(visitor: Client) -> None:
    policy = visitor.get("/signup/").headers["Content-Security-Policy"]

    assert "form-action 'self' http://*.localhost" in policy


@pytest.mark.parametrize(
    "field,value",
    [
        ("organisation", ""),
        ("organisation", "  "),
        ("name", ""),
        ("email", ""),
        ("email", "ada at sea"),
        ("password", ""),
        ("password", "short"),
        ("password", "1234567890"),
        ("slug", "-x-"),
        ("slug", "admin"),
        ("slug", "acme"),
    ],
)
def test_what_does_not_fit_is_said_next_to_the_field(
    visitor: Client, field: str, value: str
) -> None:
    answer = visitor.post("/signup/", {**GOOD, field: value})

    assert answer.status_code == 200
    assert list(answer.context["form"].errors) == [field]
    text = answer.content.decode()
    assert "has-error" in text
    assert GOOD["password"] not in text
    if field != "email":
        assert GOOD["email"] in text


def test_the_address_follows_the_name(visitor: Client) -> None:
    text = visitor.get("/signup/address/", {"organisation": "Sea Rescue"}).content.decode()

    assert 'value="sea-rescue"' in text
    assert "sea-rescue.localhost" in text


def test_a_taken_address_is_answered_with_a_free_one(visitor: Client) -> None:
    text = visitor.get("/signup/address/", {"slug": "acme"}).content.decode()

    assert "cannot be had" in text
    assert "acme-2" in text


def test_the_name_of_an_organisation_is_text_not_markup(visitor: Client) -> None:
    name = "<img src=x onerror=alert(1)>"

    preview = visitor.get("/signup/address/", {"organisation": name}).content.decode()
    page = visitor.post("/signup/", {**GOOD, "organisation": name, "email": ""}).content.decode()

    assert "<img src=x" not in preview + page


def test_a_member_creates_another_workspace(
    committed: World, people: People, browser_of: BrowserOf
) -> None:
    browser = browser_of(people.bea, None)

    answer = browser.post("/workspaces/", {"organisation": "Third Place", "slug": ""})

    assert answer.headers["Location"].startswith("http://third-place.localhost")
    assert browser.get("/workspaces/").content.decode().count("/open/") == 3


def test_where_addresses_are_confirmed_the_code_comes_first(
    visitor: Client, settings: Settings, mailoutbox: list[EmailMessage]
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
    address = f"{new_id().hex}@sea.example"

    answer = visitor.post("/signup/", {**GOOD, "slug": "sea-two", "email": address})

    assert answer.headers["Location"] == "/accounts/confirm-email/"
    page = visitor.get("/accounts/confirm-email/").content.decode()
    assert address in page
    [mail] = mailoutbox
    [code] = re.findall(r"^([A-Z0-9-]{6,})$", str(mail.body), re.MULTILINE)
    confirmed = visitor.post("/accounts/confirm-email/", {"code": code})
    assert confirmed.headers["Location"] == "/workspaces/"
    assert "Sea Rescue" in visitor.get("/workspaces/").content.decode()


def test_where_addresses_are_confirmed_a_known_one_gets_the_same_answer(
    visitor: Client, settings: Settings, people: People, mailoutbox: list[EmailMessage]
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True

    answer = visitor.post("/signup/", {**GOOD, "slug": "sea-three", "email": "ann@acme.example"})

    assert answer.headers["Location"] == "/accounts/confirm-email/"
    assert find_ref_by_slug("sea-three") is None
    assert [mail.to for mail in mailoutbox] == [["ann@acme.example"]]
    assert not re.findall(r"^([A-Z0-9-]{6,})$", str(mailoutbox[0].body), re.MULTILINE)


def test_too_many_sign_ups_from_one_address_are_refused(
    visitor: Client, settings: Settings
) -> None:
    answers = [
        visitor.post("/signup/", {**GOOD, "email": "nonsense@", "slug": ""})
        for _ in range(settings.SIGN_UPS_PER_HOUR)
    ]
    assert all("Too many" not in answer.content.decode() for answer in answers)

    for _ in range(settings.SIGN_UPS_PER_HOUR):
        visitor.post("/signup/", {**GOOD, "email": "ann@acme.example", "slug": "taken-later"})
    last = visitor.post("/signup/", {**GOOD, "email": "ann@acme.example", "slug": "taken-later"})

    assert "Too many requests" in last.content.decode()
