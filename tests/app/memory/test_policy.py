"""The policy of a workspace's memory: who may set it, and that it holds."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from apps.accounts.permissions import MEMORY_WRITE
from apps.audit.models import AuditEntry
from apps.core import scope
from apps.core.clock import now
from apps.core.scope import Actor, TenantRef
from apps.memory import selectors, services
from apps.memory.contracts import PolicyView, Signal
from apps.memory.models import Memory, MemoryPolicy
from apps.memory.recall import recall
from tests.app.memory.life import acting, keep
from tests.fixtures.database import World
from tests.fixtures.people import People

BrowserOf = Callable[[UUID, TenantRef | None], Client]
ActorIn = Callable[[UUID, TenantRef], Actor]
POLICY, MEMORIES = "/api/v1/memory-policy", "/api/v1/memories"


def put(client: Client, **body: Any) -> Any:
    return client.put(POLICY, body, content_type="application/json")


@pytest.fixture
def ann(committed: World, people: People, browser_of: BrowserOf) -> Client:
    return browser_of(people.ann, committed.acme)


def test_where_nobody_decided_the_defaults_hold(ann: Client) -> None:
    policy = ann.get(POLICY).json()

    assert policy["semantic_half_life_days"] == PolicyView().semantic_half_life_days
    assert policy["retention_days"] is None
    with scope.tenant_scope(None):
        assert MemoryPolicy._meta.get_field("per_subject_max").default == policy["per_subject_max"]


def test_what_is_decided_stays_and_the_rest_too(ann: Client) -> None:
    assert put(ann, retention_days=90, learns=False).status_code == 200
    policy = put(ann, learns=True, secrets="refuse").json()

    assert (policy["retention_days"], policy["learns"], policy["secrets"]) == (90, True, "refuse")
    assert ann.get(POLICY).json() == policy
    assert put(ann, retention_days=None).json()["retention_days"] is None


def test_a_change_is_audited_and_none_is_none(ann: Client, committed: World) -> None:
    for _again in range(2):
        put(ann, retention_days=90)

    entry = AuditEntry.objects.get(action="memory.policy_changed")
    assert (entry.old, entry.new) == ({"retention_days": None}, {"retention_days": 90})


@pytest.mark.parametrize(
    "wrong",
    [
        {"semantic_half_life_days": 0},
        {"retention_days": 36_501},
        {"per_subject_max": 0},
        {"secrets": "keep"},
        {"learns": "perhaps"},
    ],
)
def test_what_cannot_be_is_refused_by_name(
    ann: Client, committed: World, wrong: dict[str, Any]
) -> None:
    answer = put(ann, **wrong)

    assert answer.status_code == 400
    assert set(answer.json()["error"]["details"]["fields"]) == set(wrong)
    with scope.tenant_scope(committed.acme):
        assert not MemoryPolicy.objects.exists()


def test_a_policy_is_one_workspaces(
    ann: Client, committed: World, people: People, browser_of: BrowserOf
) -> None:
    put(ann, per_subject_max=1)

    theirs = browser_of(people.gus, committed.globex).get(POLICY).json()
    assert theirs["per_subject_max"] == PolicyView().per_subject_max


def test_the_half_lives_of_the_workspace_weigh_in_recall(
    committed: World, people: People, actor_in: ActorIn
) -> None:
    ann = actor_in(people.ann, committed.acme)
    with acting(committed.acme, ann) as subject_id:
        kept = keep(ann, "The ship sails at nine")
        Memory.objects.filter(pk=kept).update(created_at=now() - timedelta(days=365))

        def recency() -> str:
            (found,) = recall(query="ship", subject_id=subject_id, k=1, within_s=30)
            return {each.signal: f"{each.share:.3f}" for each in found.signals}[Signal.RECENCY]

        before = recency()
        wanted = PolicyView(semantic_half_life_days=36_500)
        services.change_memory_policy(actor=ann, permission="tenant.admin", wanted=wanted)

        assert (before, recency()) == ("0.025", "0.050")


def test_a_full_memory_says_how_to_mend_it(ann: Client) -> None:
    put(ann, per_subject_max=2)
    ids = []
    for text in ("one", "two"):
        made = ann.post(MEMORIES, {"text": text}, content_type="application/json")
        ids.append(made.json()["id"])

    full = ann.post(MEMORIES, {"text": "three"}, content_type="application/json")
    again = ann.post(MEMORIES, {"text": "two"}, content_type="application/json")

    assert (full.status_code, full.json()["error"]["type"]) == (409, "memory_full")
    assert full.json()["error"]["details"] == {"limit": 2, "whose": "subject"}
    assert "Forget or archive" in full.json()["error"]["message"]
    assert again.status_code == 200  # it is there already
    ann.delete(f"{MEMORIES}/{ids[0]}")
    made = ann.post(MEMORIES, {"text": "three"}, content_type="application/json")
    assert made.status_code == 201


def test_an_archived_memory_comes_back_only_into_room(ann: Client) -> None:
    put(ann, per_subject_max=1)
    one = ann.post(MEMORIES, {"text": "one"}, content_type="application/json").json()["id"]
    address = f"{MEMORIES}/{one}"
    ann.patch(address, {"status": "archived"}, content_type="application/json")
    ann.post(MEMORIES, {"text": "two"}, content_type="application/json")

    back = ann.patch(address, {"status": "active"}, content_type="application/json")

    assert back.json()["error"]["type"] == "memory_full"


def test_the_workspace_has_a_limit_of_its_own(
    committed: World, people: People, actor_in: ActorIn, ann: Client
) -> None:
    put(ann, per_workspace_max=1)
    bea = actor_in(people.bea, committed.acme)
    with acting(committed.acme, bea):
        services.remember(actor=bea, permission=MEMORY_WRITE, text="one")

    full = ann.post(MEMORIES, {"text": "two"}, content_type="application/json")

    assert full.json()["error"]["details"] == {"limit": 1, "whose": "workspace"}
    with acting(committed.globex, actor_in(people.bea, committed.globex)):
        assert selectors.current_policy() == PolicyView()
