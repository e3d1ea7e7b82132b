"""Rules of routing and the gateway's settings, through the API."""

import threading
from collections.abc import Callable
from uuid import UUID

import pytest
from django.db import connections
from django.test import Client

from apps.audit.models import AuditEntry
from apps.core import scope
from apps.core.scope import Actor, TenantRef
from apps.providers import configuration
from apps.providers.models import GatewaySettings, RoutingPolicy
from apps.providers.services import GatewayFields, PolicyFields, gateway_settings, routing_policies
from tests.app.providers.administration import Administrator, on_the_platform
from tests.fixtures.database import World
from tests.fixtures.people import People

BrowserOf = Callable[[UUID, TenantRef | None], Client]
ActorIn = Callable[[UUID, TenantRef], Actor]
RULES = "routing-policies"
SETTINGS = "gateway/settings"


@pytest.fixture
def ann(committed: World, people: People, browser_of: BrowserOf) -> Administrator:
    return Administrator(browser_of(people.ann, committed.acme))


@pytest.fixture
def gus(committed: World, people: People, browser_of: BrowserOf) -> Administrator:
    return Administrator(browser_of(people.gus, committed.globex))


def _names_in(tenant: TenantRef) -> list[str]:
    configuration.forget()
    with scope.tenant_scope(tenant):
        return [policy.name for policy in configuration.current().policies]


def test_rules_are_asked_in_their_order_and_the_platforms_last(
    ann: Administrator, gus: Administrator, committed: World
) -> None:
    with on_the_platform() as operator:
        routing_policies.create_routing_policy(
            actor=operator, fields=PolicyFields(name="house", position=0)
        )
    ann.done("POST", RULES, {"name": "second", "position": 20})
    ann.done("POST", RULES, {"name": "first", "position": 10})
    ann.done("POST", RULES, {"name": "off", "is_enabled": False})

    listed = [rule["name"] for rule in ann.done("GET", RULES)["results"]]

    assert listed == ["first", "second", "off", "house"]
    assert _names_in(committed.acme)[-1] == "house"
    assert "off" not in _names_in(committed.acme)
    assert _names_in(committed.globex) == ["house"]
    assert [rule["is_editable"] for rule in gus.done("GET", RULES)["results"]] == [False]


def test_a_rule_of_another_workspace_or_of_the_platform_is_not_changed(
    ann: Administrator, gus: Administrator
) -> None:
    with on_the_platform() as operator:
        house = routing_policies.create_routing_policy(
            actor=operator, fields=PolicyFields(name="house")
        )
    mine = ann.done("POST", RULES, {"name": "mine"})

    for method in ("GET", "PATCH", "DELETE"):
        body = {"name": "theirs"} if method == "PATCH" else None
        error = gus.refused(404, method, f"{RULES}/{mine['id']}", body)
        assert error["type"] == "routing_policy_not_found"
    for method in ("PATCH", "DELETE"):
        error = gus.refused(403, method, f"{RULES}/{house.id}", {"name": "x"})
        assert error["type"] == "offered_by_platform"
    assert gus.done("GET", f"{RULES}/{house.id}")["name"] == "house"


def test_a_rule_is_kept_as_it_was_written(ann: Administrator) -> None:
    parts = {
        "conditions": {
            "flows": ["chat.*"],
            "sensitive": True,
            "hours": [18, 8],
            "needs": ["tools"],
        },
        "routes": {"targets": [{"model": "groq/*", "weight": 2.0}], "max_cost": "0.05"},
        "fallbacks": {"failure": ["local/*"]},
    }

    made = ann.done("POST", RULES, {"name": " My  rule ", **parts})

    assert made["name"] == "My rule"
    kept = RoutingPolicy.objects.get()
    assert (kept.conditions, kept.routes, kept.fallbacks) == tuple(parts.values())
    changed = ann.done("PATCH", f"{RULES}/{made['id']}", {"conditions": {}})
    assert changed["conditions"] == {}
    assert RoutingPolicy.objects.get().routes == parts["routes"]
    ann.done("DELETE", f"{RULES}/{made['id']}")
    ann.refused(404, "DELETE", f"{RULES}/{made['id']}")


@pytest.mark.parametrize(
    "body, place",
    [
        ({"name": ""}, "name"),
        ({"name": "   "}, "name"),
        ({"conditions": {"when": 1}}, "conditions.when"),
        ({"conditions": {"needs": ["magic"]}}, "conditions.needs.0"),
        ({"conditions": {"hours": [1]}}, "conditions.hours.1"),
        ({"conditions": {"hours": [0, 25]}}, "conditions.hours"),
        ({"conditions": {"weekdays": [7]}}, "conditions.weekdays"),
        ({"conditions": {"users": ["me"]}}, "conditions.users.0"),
        ({"conditions": {"min_tokens": 9, "max_tokens": 1}}, "conditions.max_tokens"),
        ({"conditions": []}, "conditions"),
        ({"routes": {"targets": [{"model": ""}]}}, "routes.targets.0.model"),
        ({"routes": {"targets": [{"model": "a", "weight": -1}]}}, "routes.targets.0.weight"),
        ({"routes": {"targets": [{"model": "a", "weight": 0}]}}, "routes.targets"),
        ({"routes": {"targets": [{"model": "a\x00"}]}}, "routes"),
        ({"routes": {"max_cost": "much"}}, "routes.max_cost"),
        ({"routes": {"order": "random"}}, "routes.order"),
        ({"fallbacks": {"boredom": ["a"]}}, "fallbacks.boredom"),
        ({"fallbacks": {"failure": ["x" * 30_000]}}, "fallbacks"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_with_its_place(
    ann: Administrator, body: dict[str, object], place: str
) -> None:
    error = ann.refused(400, "POST", RULES, {"name": "rule", **body})

    assert place in error["details"]["fields"]
    assert RoutingPolicy.objects.count() == 0


def test_two_rules_do_not_share_a_name_in_one_workspace(
    ann: Administrator, gus: Administrator
) -> None:
    ann.done("POST", RULES, {"name": "rule"})
    gus.done("POST", RULES, {"name": "rule"})

    assert ann.refused(409, "POST", RULES, {"name": "rule"})["type"] == "conflict"


# -- settings


def test_settings_hold_in_their_workspace_and_begin_from_the_platforms(
    ann: Administrator, gus: Administrator, committed: World
) -> None:
    with on_the_platform() as operator:
        fields = GatewayFields(cache_ttl_s=60, requests_per_minute=100)
        gateway_settings.change_gateway_settings(actor=operator, fields=fields)

    before = ann.done("GET", SETTINGS)
    after = ann.done("PATCH", SETTINGS, {"cache_ttl_s": 5, "default_model": "echo/plain"})

    assert (before["is_own"], before["cache_ttl_s"]) == (False, 60)
    assert (after["is_own"], after["cache_ttl_s"], after["requests_per_minute"]) == (True, 5, 100)
    assert gus.done("GET", SETTINGS) == before
    configuration.forget()
    with scope.tenant_scope(committed.acme):
        assert configuration.current().default_model == "echo/plain"
    entry = AuditEntry.objects.get(action="gateway.settings_changed", tenant_id=committed.acme.id)
    assert entry.new == {"cache_ttl_s": 5, "default_model": "echo/plain"}


@pytest.mark.parametrize(
    "body",
    [
        {"default_model": "no/such"},
        {"cache_ttl_s": 3601},
        {"cache_ttl_s": None},
        {"cache_ttl_s": "long"},
        {"requests_per_minute": 0},
        {"concurrent_calls": 10**6},
        {"default_model": "a\x00b"},
    ],
)
def test_settings_that_make_no_sense_are_refused(
    ann: Administrator, body: dict[str, object]
) -> None:
    ann.refused(400, "PATCH", SETTINGS, body)

    assert GatewaySettings.objects.count() == 0


def test_two_first_changes_at_once_make_one_row_with_both(
    committed: World, people: People, actor_in: ActorIn
) -> None:
    ann = actor_in(people.ann, committed.acme)
    together = threading.Barrier(2)

    def change(fields: GatewayFields) -> None:
        with scope.tenant_scope(committed.acme), scope.actor_scope(ann), scope.correlation_scope():
            together.wait(timeout=10)
            gateway_settings.change_gateway_settings(actor=ann, fields=fields)
        connections.close_all()

    wanted = (GatewayFields(cache_ttl_s=7), GatewayFields(concurrent_calls=3))
    threads = [threading.Thread(target=change, args=(fields,)) for fields in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    row = GatewaySettings.objects.get()
    assert (row.cache_ttl_s, row.concurrent_calls) == (7, 3)
