"""The operators' console: who gets in, what may be changed, what its pages cost."""

import re
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.audit import services as audit
from apps.audit.models import AuditEntry
from apps.core import scope
from apps.core.scope import TenantRef
from apps.jobs.models import DeadLetter, OutboxEntry
from apps.tenants import services as tenants
from apps.tenants.models import Tenant
from tests.access.routes import routes_of
from tests.app.providers.money import UNPRICED, call, rules_of, write
from tests.fixtures.database import World
from tests.fixtures.people import PASSWORD, People

BrowserOf = Callable[[UUID, TenantRef | None], Client]

LISTS = [
    "/admin/tenants/tenant/",
    "/admin/tenants/domain/",
    "/admin/accounts/user/",
    "/admin/accounts/membership/",
    "/admin/accounts/role/",
    "/admin/jobs/deadletter/",
    "/admin/jobs/outboxentry/",
    "/admin/audit/auditentry/",
    "/admin/providers/guardrailpolicy/",
    "/admin/providers/contentrule/",
    "/admin/providers/guardraildecision/",
    "/admin/providers/prompt/",
    "/admin/providers/promptversion/",
    "/admin/providers/call/",
    "/admin/providers/budget/",
]


@pytest.fixture
def operator(committed: World, people: People, browser_of: BrowserOf) -> Iterator[Client]:
    user = get_user_model().objects.create_superuser("op@karen.example", PASSWORD)
    yield browser_of(UUID(str(user.pk)), None)
    user.delete()


def _addresses() -> list[str]:
    """Return a concrete address for each of the admin's routes."""
    found = set()
    for route in routes_of("platform"):
        if not route.startswith("admin/"):
            continue
        path = re.sub(r"\^\(\?P<app_label>([a-z_]+).*", r"\1/", route)
        path = re.sub(r"\(\?P<url>\.\*\)\$", "no/such/page", path)
        path = re.sub(r"<int:[^>]*>", "1", path)
        path = re.sub(r"<[^>]*>", "01a1fd44-bbf1-7480-93c7-933bc87d889c", path)
        found.add("/" + path)
    return sorted(found)


def test_workspaces_have_no_console(committed: World, operator: Client) -> None:
    for address in ("/admin/", "/admin/login/", "/admin/tenants/tenant/"):
        assert operator.get(address, HTTP_HOST="acme.localhost").status_code == 404


def test_strangers_are_sent_to_the_one_login_page_from_everywhere(committed: World) -> None:
    client = Client(HTTP_HOST="localhost")

    for address in _addresses():
        answer = client.get(address, follow=True)
        # The log-out page alone has nothing to protect: it takes POST only.
        if answer.status_code == 405:
            assert address == "/admin/logout/"
            continue
        assert answer.redirect_chain[-1][0].startswith("/accounts/login/"), address


def test_for_people_who_are_no_operators_it_does_not_exist(
    committed: World, people: People, browser_of: BrowserOf
) -> None:
    client = browser_of(people.ann, None)

    for address in _addresses():
        assert client.get(address, follow=True).status_code in {404, 405}, address


def test_an_operator_who_was_let_go_is_out_at_once(operator: Client) -> None:
    get_user_model().objects.filter(email="op@karen.example").update(is_staff=False)

    assert operator.get("/admin/", follow=True).status_code == 404


def test_the_overview_counts(operator: Client) -> None:
    DeadLetter.objects.create(task="tenants.fill_spares", queue="default", reason="test")

    text = operator.get("/admin/").content.decode()

    assert "<strong>2</strong> active" in text
    assert "<strong>1</strong> Open dead letters" in text
    assert "gpu.inference" in text


def test_the_overview_tells_what_each_workspace_used(committed: World, operator: Client) -> None:
    cache.clear()
    write(call(committed.acme), call(committed.globex, tariff=UNPRICED), call(None))

    text = operator.get("/admin/").content.decode()

    for name in ("Acme", "Globex", "The platform itself", "0.0014"):
        assert name in text, name
    assert "style=" not in text.partition("console-usage")[2].partition("</section>")[0]


def test_the_ledger_is_found_by_workspace_and_outcome_and_cannot_be_changed(
    committed: World, operator: Client
) -> None:
    write(
        call(committed.acme, model="acme/large"),
        call(committed.globex, model="globex/large", status="provider_timeout"),
    )
    address = "/admin/providers/call/"
    of_acme = operator.get(f"{address}?workspace={committed.acme.id}").content.decode()
    failed = operator.get(f"{address}?outcome=failed").content.decode()

    assert "acme/large" in of_acme
    assert "globex/large" not in of_acme
    assert "globex/large" in failed
    assert "acme/large" not in failed
    assert operator.get(f"{address}?workspace=nonsense").status_code == 200
    assert operator.get(f"{address}add/").status_code == 403


def test_a_budget_of_the_console_counts_at_once_and_is_on_record(
    committed: World, operator: Client
) -> None:
    assert rules_of(committed.acme) == ()
    form = {
        "tenant": str(committed.acme.id), "level": "tenant", "unit": "money", "period": "month",
        "amount": "5", "alert_percent": "80", "is_hard": "on", "is_enabled": "on",
    }  # fmt: skip
    address = "/admin/providers/budget/"

    made = operator.post(f"{address}add/", form)

    assert made.status_code == 302, made.content
    (rule,) = rules_of(committed.acme)
    assert rule.amount == 5
    assert operator.post(f"{address}add/", form).status_code == 200  # there is one already
    change = {"amount": "7", "alert_percent": "50", "is_enabled": "on"}
    operator.post(f"{address}{rule.id}/change/", change)
    assert [rule.amount for rule in rules_of(committed.acme)] == [7]
    operator.post(f"{address}{rule.id}/delete/", {"post": "yes"})
    assert rules_of(committed.acme) == ()
    entries = AuditEntry.objects.filter(target_type="budget")
    assert {entry.action for entry in entries} == {
        "budget.created", "budget.changed", "budget.deleted",
    }  # fmt: skip
    assert {entry.tenant_id for entry in entries} == {committed.acme.id}


def test_the_policy_is_loosened_for_the_theme_and_not_further(operator: Client) -> None:
    answer = operator.get("/admin/")
    policy = dict(
        part.strip().split(" ", 1)
        for part in answer.headers["Content-Security-Policy"].split(";")
        if " " in part.strip()
    )
    text = answer.content.decode()

    assert policy["script-src"] == "'self' 'unsafe-eval'"
    assert policy["style-src"] == "'self'"
    assert policy["default-src"] == "'none'"
    assert re.findall(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", text) == []
    assert "<style" not in text


@pytest.mark.parametrize("address", LISTS)
def test_lists_answer_and_cost_the_same_with_more_rows(operator: Client, address: str) -> None:
    assert operator.get(address).status_code == 200
    before = _queries(operator, address)
    _add_rows()

    assert _queries(operator, address) <= before


def _queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return len(queries)


def _add_rows() -> None:
    for number in range(5):
        DeadLetter.objects.create(task=f"t{number}", queue="default", reason="test")
        OutboxEntry.objects.create(task=f"t{number}", queue="default")
        with scope.correlation_scope():
            tenants.provision_tenant(name=f"More {number}", slug=f"more-{number}")


def test_suspending_goes_through_the_service_and_is_recorded(
    committed: World, operator: Client
) -> None:
    form = {"action": "suspend", "_selected_action": [str(committed.acme.id)]}

    operator.post("/admin/tenants/tenant/", form)

    assert Tenant.objects.get(pk=committed.acme.id).state == "suspended"
    entry = AuditEntry.objects.get(action="tenant.suspended")
    assert entry.actor_kind == "operator"
    assert entry.actor_label == "op@karen.example"

    operator.post("/admin/tenants/tenant/", {**form, "action": "resume"})

    assert Tenant.objects.get(pk=committed.acme.id).state == "active"


def test_what_cannot_be_done_is_said_not_raised(committed: World, operator: Client) -> None:
    form = {"action": "resume", "_selected_action": [str(committed.acme.id)]}

    page = operator.post("/admin/tenants/tenant/", form, follow=True)

    assert "not in a state that permits this" in page.content.decode()


def test_a_dead_letter_is_shown_without_secrets_and_can_be_replayed(operator: Client) -> None:
    letter = DeadLetter.objects.create(
        task="tenants.fill_spares",
        queue="default",
        kwargs={"api_key": "sk-hunter2hunter2", "number": 7},
        reason="test",
        error="refused: Bearer hunter2hunter2",
    )

    text = operator.get(f"/admin/jobs/deadletter/{letter.pk}/change/").content.decode()
    form = {"action": "replay", "_selected_action": [str(letter.pk)]}
    operator.post("/admin/jobs/deadletter/", form)
    letter.refresh_from_db()

    assert "hunter2" not in text
    assert "[redacted]" in text
    assert "&quot;number&quot;: 7" in text
    assert letter.replayed_at is not None


@pytest.mark.parametrize("model", ["audit/auditentry", "jobs/deadletter", "tenants/tenant"])
def test_records_cannot_be_added_changed_or_deleted(
    committed: World, operator: Client, model: str
) -> None:
    with scope.correlation_scope():
        audit.record(
            action="tenant.suspended", target_type="tenant", target_id="x", target_label="x"
        )
    DeadLetter.objects.create(task="tenants.fill_spares", queue="default", reason="test")
    rows = {
        "audit/auditentry": AuditEntry.objects,
        "jobs/deadletter": DeadLetter.objects,
        "tenants/tenant": Tenant.objects,
    }[model]
    row = rows.first()
    assert row is not None
    count = rows.count()

    assert operator.post(f"/admin/{model}/add/", {}).status_code == 403
    assert operator.post(f"/admin/{model}/{row.pk}/change/", {}).status_code == 403
    assert operator.post(f"/admin/{model}/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    form = {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"}
    operator.post(f"/admin/{model}/", form)
    assert rows.count() == count
