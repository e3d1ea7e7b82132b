"""Budgets as settings: over REST and on the page of usage."""

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.core.mail import EmailMessage
from django.test import Client
from pytest_django.fixtures import Settings

from apps.accounts import selectors as accounts
from apps.audit.models import AuditEntry
from apps.core import scope
from apps.core.clock import now
from apps.core.ids import new_id
from apps.core.scope import TenantRef
from apps.providers import tasks
from apps.providers.contracts import Origin
from apps.providers.models import Budget, BudgetUse
from apps.providers.services.budgets import settle_budget
from apps.providers.warnings_by_mail import warn_of_budget
from tests.app.providers.money import (
    UNPRICED,
    call,
    make_budget,
    reserve,
    rules_of,
    turn_origin,
    write,
)
from tests.fixtures.database import World
from tests.fixtures.live import NewKey
from tests.fixtures.people import People

BrowserOf = Callable[[UUID, TenantRef | None], Client]
BUDGETS = "/api/v1/budgets"
MONTHLY = {"level": "tenant", "unit": "money", "period": "month", "amount": "25.5"}


@pytest.fixture
def ann(committed: World, people: People, browser_of: BrowserOf) -> Client:
    return browser_of(people.ann, committed.acme)


@pytest.fixture
def bea(committed: World, people: People, browser_of: BrowserOf) -> Client:
    return browser_of(people.bea, committed.acme)


def send(client: Client, method: str, path: str, **body: object) -> Any:
    return client.generic(method, path, json.dumps(body), content_type="application/json")


def spend(tenant: TenantRef, cost: str, **values: Any) -> None:
    held = reserve(tenant, cost=cost, **values)
    assert held is not None
    settle_budget(held, tokens=100, cost=Decimal(cost))


# -- REST


def test_a_budget_is_made_changed_and_removed_and_each_is_on_record(
    committed: World, ann: Client
) -> None:
    made = send(ann, "POST", BUDGETS, **MONTHLY)
    assert made.status_code == 201, made.content
    body = made.json()
    assert (body["label"], body["alert_percent"], body["is_hard"]) == (
        "The whole workspace", 80, True,
    )  # fmt: skip
    assert [rule.amount for rule in rules_of(committed.acme)] == [Decimal("25.5")]
    path = f"{BUDGETS}/{body['id']}"
    changed = send(ann, "PATCH", path, amount="30", is_hard=False).json()
    assert Decimal(changed["amount"]) == 30
    assert changed["is_hard"] is False
    assert [rule.is_hard for rule in rules_of(committed.acme)] == [False]
    send(ann, "PATCH", path, is_enabled=False)
    assert rules_of(committed.acme) == ()
    assert send(ann, "DELETE", path).status_code == 204
    assert send(ann, "DELETE", path).status_code == 404
    assert not Budget.objects.exists()
    entries = AuditEntry.objects.filter(target_type="budget").order_by("id")
    assert [entry.action for entry in entries] == [
        "budget.created",
        "budget.changed",
        "budget.changed",
        "budget.deleted",
    ]
    old, new = entries[1].old or {}, entries[1].new or {}
    assert (old["amount"], new["amount"]) == ("25.500000", "30.000000")
    assert {entry.actor_label for entry in entries} == {"Ann"}


def test_the_list_tells_how_budgets_stand(committed: World, people: People, ann: Client) -> None:
    send(ann, "POST", BUDGETS, **MONTHLY)
    send(ann, "POST", BUDGETS, **{**MONTHLY, "level": "member", "amount": "2"})
    spend(committed.acme, "1.8", origin=Origin(user_id=people.bea))
    reserve(committed.acme, cost="0.1", origin=Origin(user_id=people.ann))
    whole, each = ann.get(BUDGETS).json()["results"]
    (use,) = whole["uses"]
    assert (Decimal(use["used"]), Decimal(use["reserved"])) == (Decimal("1.8"), Decimal("0.1"))
    assert not whole["is_alerted"]
    assert [(use["label"], use["is_alerted"]) for use in each["uses"]] == [
        ("Bea", True),
        ("Ann", False),
    ]
    assert each["uses"][0]["share"] == pytest.approx(0.9)
    assert each["resets_on"] > now().date().isoformat()


def test_what_was_used_in_an_earlier_period_is_not_shown(committed: World, ann: Client) -> None:
    make_budget(committed.acme, period="day")
    spend(committed.acme, "1")
    BudgetUse.objects.update(period_start=now().date() - timedelta(days=1))
    (only,) = ann.get(BUDGETS).json()["results"]
    assert [Decimal(use["used"]) for use in only["uses"]] == [0]


def test_a_member_sees_his_own_allowance_and_changes_nothing(
    committed: World, people: People, bea: Client
) -> None:
    whole = make_budget(committed.acme)
    each = make_budget(committed.acme, level="member", amount=5)
    make_budget(committed.acme, level="member", subject_id=people.ann, amount=50)
    spend(committed.acme, "1", origin=Origin(user_id=people.ann))
    spend(committed.acme, "2", origin=Origin(user_id=people.bea))
    (shown,) = bea.get(BUDGETS).json()["results"]
    assert shown["id"] == str(each.id)
    assert [Decimal(use["used"]) for use in shown["uses"]] == [2]
    assert send(bea, "POST", BUDGETS, **MONTHLY).status_code == 403
    for method in ("PATCH", "DELETE"):
        assert send(bea, method, f"{BUDGETS}/{whole.id}", amount="1").status_code == 403


def test_budgets_of_another_workspace_do_not_exist_here(
    committed: World, people: People, ann: Client
) -> None:
    foreign = make_budget(committed.globex)
    assert ann.get(BUDGETS).json()["results"] == []
    for method in ("PATCH", "DELETE"):
        answer = send(ann, method, f"{BUDGETS}/{foreign.id}", amount="1")
        assert answer.status_code == 404
        assert answer.json()["error"]["type"] == "budget_not_found"
    foreign.refresh_from_db()
    assert foreign.amount == 10


@pytest.mark.parametrize(
    "field,values",
    [
        ("amount", {"amount": None}),
        ("amount", {"amount": "-1"}),
        ("amount", {"amount": "NaN"}),
        ("amount", {"amount": "1e30"}),
        ("amount", {"amount": "0.0000001"}),
        ("amount", {"unit": "tokens", "amount": "1.5"}),
        ("amount", {"unit": "tokens", "amount": "2000000000"}),
        ("level", {"level": "planet"}),
        ("unit", {"unit": "euro"}),
        ("period", {"period": "year"}),
        ("alert_percent", {"alert_percent": 0}),
        ("alert_percent", {"alert_percent": 101}),
        ("subject_id", {"subject_id": str(new_id())}),
        ("subject_id", {"level": "member", "subject_id": str(new_id())}),
        ("subject_id", {"level": "group"}),
        ("subject_id", {"level": "group", "subject_id": str(new_id())}),
        ("subject_id", {"level": "key", "subject_id": "no id"}),
    ],
)
def test_what_does_not_fit_is_refused_and_says_which_field(
    committed: World, ann: Client, field: str, values: dict[str, object]
) -> None:
    answer = send(ann, "POST", BUDGETS, **{**MONTHLY, **values})
    assert answer.status_code == 400
    assert list(answer.json()["error"]["details"]["fields"]) == [field]
    assert not Budget.objects.exists()


def test_subjects_are_members_roles_and_keys_of_this_workspace(
    committed: World, people: People, new_key: NewKey, ann: Client
) -> None:
    new_key(people.ann, committed.acme)
    new_key(people.gus, committed.globex)
    with scope.tenant_scope(committed.acme):
        roles = accounts.list_roles(committed.acme)
        (key_id,) = accounts.list_key_names(committed.acme)
        (foreign_key,) = accounts.list_key_names(committed.globex)

    def status(level: str, subject_id: UUID) -> int:
        body = {**MONTHLY, "level": level, "subject_id": str(subject_id)}
        return int(send(ann, "POST", BUDGETS, **body).status_code)

    assert status("member", people.bea) == 201
    assert status("member", people.gus) == 400
    assert status("group", next(iter(roles))) == 201
    assert status("key", key_id) == 201
    assert status("key", foreign_key) == 400


def test_there_is_one_budget_for_each_subject_unit_and_period(ann: Client) -> None:
    assert send(ann, "POST", BUDGETS, **MONTHLY).status_code == 201
    again = send(ann, "POST", BUDGETS, **MONTHLY)
    assert (again.status_code, again.json()["error"]["type"]) == (409, "budget_exists")
    assert send(ann, "POST", BUDGETS, **{**MONTHLY, "period": "week"}).status_code == 201


# -- the page


def test_the_page_shows_totals_charts_tables_and_budgets_under_the_strict_policy(
    committed: World, people: People, ann: Client
) -> None:
    make_budget(committed.acme, amount="0.002")
    spend(committed.acme, "0.0019")
    write(
        call(committed.acme, origin=turn_origin(people.bea)),
        call(committed.acme, model="odd/unpriced", tariff=UNPRICED),
        call(committed.globex, model="globex/secret"),
    )
    answer = ann.get("/usage/")
    text = answer.content.decode()
    assert answer.status_code == 200
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert " style=" not in text
    assert "<script>" not in text
    for shown in (
        "$0.0014",
        "whose price is not known",
        "not known",
        "odd/unpriced",
        "Bea",
        "<rect",
    ):
        assert shown in text, shown
    assert "95 %" in text  # the banner of the budget
    assert "globex" not in text
    assert ann.get("/usage/?from=soon").status_code == 200
    assert "Give days as" in ann.get("/usage/?from=soon").content.decode()
    assert "Nothing was used" in ann.get("/usage/?from=2020-01-01&to=2020-01-02").content.decode()


def test_a_member_gets_a_page_of_his_own(committed: World, people: People, bea: Client) -> None:
    write(call(committed.acme, model="acme/ann", origin=turn_origin(people.ann)))
    make_budget(committed.acme)
    text = bea.get("/usage/").content.decode()
    assert "Your usage" in text
    assert "acme/ann" not in text
    assert "Add a budget" not in text
    assert "The whole workspace" not in text


def test_budgets_are_made_changed_and_removed_on_the_page(committed: World, ann: Client) -> None:
    wanted = {
        "whose": "member", "unit": "tokens", "period": "week", "amount": "5000",
        "alert_percent": "70", "is_hard": "on", "is_enabled": "on",
    }  # fmt: skip
    assert ann.post("/usage/budgets/", wanted).status_code == 302
    row = Budget.objects.get()
    assert (row.level, row.subject_id, row.unit, row.period) == ("member", None, "tokens", "week")
    again = ann.post("/usage/budgets/", wanted)
    assert again.status_code == 200
    assert "There is a budget for this already" in again.content.decode()
    prefix = row.id.hex
    change = {f"{prefix}-amount": "70.5", f"{prefix}-alert_percent": "50"}
    refused = ann.post(f"/usage/budgets/{row.id}/", change).content.decode()
    assert "whole numbers" in refused
    change[f"{prefix}-amount"] = "6000"
    assert ann.post(f"/usage/budgets/{row.id}/", change).status_code == 302
    row.refresh_from_db()
    assert row.amount == 6000
    assert (row.is_hard, row.is_enabled) == (False, False)
    assert ann.post(f"/usage/budgets/{row.id}/delete/").status_code == 302
    assert ann.post(f"/usage/budgets/{row.id}/delete/").status_code == 404
    assert not Budget.objects.exists()


# -- warning


def test_who_manages_the_workspace_gets_one_mail_each(
    committed: World, people: People, settings: Settings, mailoutbox: list[EmailMessage]
) -> None:
    settings.MAIL_IS_SENT = True
    make_budget(committed.acme, level="member", amount=2)
    make_budget(committed.globex, level="member", amount=2)
    spend(committed.acme, "1.9", origin=Origin(user_id=people.bea))
    use = BudgetUse.objects.get()
    tasks.warn_of_budget(use_id=str(use.id))
    assert [mail.to for mail in mailoutbox] == [["ann@acme.example"]]
    (mail,) = mailoutbox
    assert mail.subject == "Acme: 95 % of a budget is used"
    for told in ("Bea", "2 US dollars", "1.9", "/usage/"):
        assert told in mail.body
    assert "globex" not in mail.body


def test_without_a_mail_server_and_without_its_budget_nothing_is_sent(
    committed: World, settings: Settings, mailoutbox: list[EmailMessage]
) -> None:
    budget = make_budget(committed.acme, amount=1)
    spend(committed.acme, "1")
    use_id = BudgetUse.objects.get().id
    warn_of_budget(use_id)
    settings.MAIL_IS_SENT = True
    warn_of_budget(new_id())
    with scope.tenant_scope(committed.acme):
        budget.delete()
    warn_of_budget(use_id)
    assert mailoutbox == []


def test_a_raised_budget_warns_anew_and_a_lowered_one_does_not_repeat_itself(
    committed: World, ann: Client
) -> None:
    budget = make_budget(committed.acme, amount=10)
    spend(committed.acme, "8")
    assert BudgetUse.objects.get().alerted_at is not None
    send(ann, "PATCH", f"{BUDGETS}/{budget.id}", amount="9")
    assert BudgetUse.objects.get().alerted_at is not None
    send(ann, "PATCH", f"{BUDGETS}/{budget.id}", amount="100")
    assert BudgetUse.objects.get().alerted_at is None
    spend(committed.acme, "72")
    assert BudgetUse.objects.get().alerted_at is not None
