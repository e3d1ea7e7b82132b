"""Background work fails closed, is never lost, and comes back when its worker dies."""

import subprocess
import sys
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.db.models.functions import Now

from apps.conversations.tasks import run_turn
from apps.core import scope
from apps.core.clock import now
from apps.core.ids import new_id
from apps.jobs import leases, selectors, services
from apps.jobs.errors import AlreadyReplayed
from apps.jobs.models import DeadLetter, Lease, OutboxEntry
from apps.jobs.reaper import reap_leases
from apps.jobs.registry import registered_tasks
from apps.jobs.tasks import beat_heartbeat
from apps.tenants import services as tenants
from celery_app import app as celery
from celery_app.queues import QUEUES
from tests.fixtures.database import World


def _run(headers: dict[str, str]) -> None:
    run_turn.apply(kwargs={"turn_id": str(new_id())}, headers=headers)


@pytest.mark.parametrize(
    "headers", [{}, {"karen_tenant": "nonsense"}, {"karen_tenant": str(new_id())}]
)
def test_a_task_without_a_valid_tenant_becomes_a_dead_letter(
    committed: World, headers: dict[str, str]
) -> None:
    _run(headers)

    letter = DeadLetter.objects.get()
    assert (letter.task, letter.reason) == ("conversations.run_turn", "no_valid_tenant")


def test_a_task_of_a_suspended_tenant_becomes_a_dead_letter(committed: World) -> None:
    tenants.suspend_tenant(tenant_id=committed.acme.id)

    _run({"karen_tenant": str(committed.acme.id)})

    assert DeadLetter.objects.get().tenant_id == committed.acme.id


def test_a_task_of_an_active_tenant_runs_inside_it(committed: World) -> None:
    _run({"karen_tenant": str(committed.acme.id)})

    assert not DeadLetter.objects.exists()


def test_a_failing_task_keeps_its_payload_as_a_dead_letter(committed: World) -> None:
    beat_heartbeat.apply(kwargs={"unknown": "argument"})

    letter = DeadLetter.objects.get()
    assert (letter.reason, letter.kwargs) == ("TypeError", {"unknown": "argument"})


def test_a_dead_letter_is_replayed_once(committed: World) -> None:
    _run({})
    letter = DeadLetter.objects.get()

    services.replay_dead_letter(dead_letter_id=letter.pk)

    with pytest.raises(AlreadyReplayed):
        services.replay_dead_letter(dead_letter_id=letter.pk)


def test_nothing_is_enqueued_when_the_transaction_fails(committed: World) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        services.enqueue_on_commit("tenants.fill_spares")
        raise ZeroDivisionError

    assert not OutboxEntry.objects.exists()


def test_what_a_dead_process_did_not_publish_the_relay_does(committed: World) -> None:
    OutboxEntry.objects.create(
        task="tenants.fill_spares", queue="default", created_at=now() - timedelta(seconds=5)
    )

    assert services.relay_outbox() == 1
    assert not OutboxEntry.objects.exists()


def test_a_fresh_entry_is_left_to_its_own_process(committed: World) -> None:
    OutboxEntry.objects.create(task="tenants.fill_spares", queue="default")

    assert services.relay_outbox() == 0


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is handed to the broker: name, tenant and arguments of each message."""
    messages: list[dict[str, Any]] = []

    def send_task(name: str, *, kwargs: dict[str, Any], headers: dict[str, Any], **_: Any) -> None:
        messages.append({"task": name, "tenant": headers.get("karen_tenant"), **kwargs})

    monkeypatch.setattr(celery, "send_task", send_task)
    return messages


GATHERING = "conversations.index_conversations"


def test_what_a_task_gathers_goes_out_in_one_message_for_each_tenant(
    committed: World, published: list[dict[str, Any]]
) -> None:
    first, second, foreign = new_id(), new_id(), new_id()
    for ref, several in ((committed.acme, [first, second, first]), (committed.globex, [foreign])):
        with scope.tenant_scope(ref), transaction.atomic():
            for each in several:
                services.enqueue_on_commit(GATHERING, conversation_ids=[each])
    assert published == []

    assert services.relay_outbox() == 4

    assert published == [
        {
            "task": GATHERING,
            "tenant": str(committed.acme.id),
            "conversation_ids": [str(first), str(second)],
        },
        {
            "task": GATHERING,
            "tenant": str(committed.globex.id),
            "conversation_ids": [str(foreign)],
        },
    ]
    assert not OutboxEntry.objects.exists()


def test_gathered_messages_stay_short(
    committed: World, published: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "_GATHERED_MAX", 2)
    ids = [new_id() for _ in range(5)]
    with scope.tenant_scope(committed.acme), transaction.atomic():
        for each in ids:
            services.enqueue_on_commit(GATHERING, conversation_ids=[each])

    services.relay_outbox()

    sent = [message["conversation_ids"] for message in published]
    assert [len(each) for each in sent] == [2, 2, 1]
    assert [one for each in sent for one in each] == [str(each) for each in ids]


def test_a_gathered_dead_letter_is_replayed_like_any_other(
    committed: World, published: list[dict[str, Any]]
) -> None:
    ids = [str(new_id()), str(new_id())]
    letter = DeadLetter.objects.create(
        tenant_id=committed.acme.id,
        task=GATHERING,
        queue="default",
        kwargs={"conversation_ids": ids},
        reason="KeyError",
    )

    services.replay_dead_letter(dead_letter_id=letter.pk)

    assert [message["conversation_ids"] for message in published] == [ids]


def test_equal_work_of_two_tenants_has_two_leases(committed: World) -> None:
    key = new_id()
    for ref in (committed.acme, committed.globex):
        with scope.tenant_scope(ref):
            services.hold_lease(kind="turn", key=key, owner=f"of {ref.slug}", ttl_s=60)
    with scope.tenant_scope(committed.acme):
        services.release_lease(kind="turn", key=key)

    assert Lease.objects.get().owner == "of globex"


def test_a_lease_taken_over_is_noticed_by_its_former_owner(committed: World) -> None:
    key = new_id()
    with scope.tenant_scope(committed.acme):
        services.hold_lease(kind="turn", key=key, owner="first", ttl_s=60)
        services.hold_lease(kind="turn", key=key, owner="second", ttl_s=60)

    assert services.renew_leases(owners=["first", "second"], ttl_s=60) == {"second"}


def test_a_lease_without_a_handler_or_tenant_is_dropped(committed: World) -> None:
    Lease.objects.create(
        kind="unknown", key=new_id(), owner="x", until=now() - timedelta(seconds=1)
    )

    assert reap_leases() == 0
    assert not Lease.objects.exists()


@pytest.fixture
def owner_that_died() -> str:
    """The name of a process of this machine that is gone."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    host, space, _pid, run = leases.new_owner().split(":")
    return f"{host}:{space}:{process.pid}:{run}"


def _hold(world: World, owner: str, *, ttl_s: float = 60) -> UUID:
    key = new_id()
    with scope.tenant_scope(world.acme):
        services.hold_lease(kind="turn", key=key, owner=owner, ttl_s=ttl_s)
    return key


def test_the_leases_of_a_killed_process_run_out_at_once(
    committed: World, owner_that_died: str
) -> None:
    orphan, _kept = _hold(committed, owner_that_died), _hold(committed, leases.new_owner())

    assert leases.expire_leases_of_the_dead() == 1

    assert Lease.objects.get(until__lt=Now()).key == orphan
    assert services.renew_leases(owners=[owner_that_died], ttl_s=60) == frozenset()


def test_processes_of_other_machines_are_judged_by_their_silence(
    committed: World, owner_that_died: str
) -> None:
    host, _space, pid, run = owner_that_died.split(":")
    for elsewhere in (f"{host}:{'0' * 16}:{pid}:{run}", "queue", "reaper:1"):
        _hold(committed, elsewhere)

    assert leases.expire_leases_of_the_dead() == 0


def test_after_an_outage_what_waits_is_looked_after_and_what_runs_is_spared(
    committed: World, owner_that_died: str
) -> None:
    for owner in ("queue", leases.new_owner(), owner_that_died):
        _hold(committed, owner, ttl_s=-1)
    leases.expire_leases_of_the_dead()

    assert reap_leases(spare_running=True) == 2
    assert reap_leases() == 1


def test_a_lease_in_force_is_left_alone(committed: World) -> None:
    Lease.objects.create(kind="turn", key=new_id(), owner="x", until=now() + timedelta(seconds=9))

    assert reap_leases() == 0
    assert Lease.objects.exists()


def test_owners_are_unique() -> None:
    assert len({leases.new_owner() for _ in range(100)}) == 100


def test_canaries_show_which_queues_are_served(worker: World) -> None:
    assert selectors.queue_heartbeats()["chat"] is None

    services.beat_heartbeat(queue="chat")

    age = selectors.queue_heartbeats()["chat"]
    assert age is not None
    assert age < 5


@pytest.mark.parametrize("name", sorted(registered_tasks()))
def test_every_task_declares_what_it_must(name: str) -> None:
    spec = registered_tasks()[name]

    assert spec.queue in QUEUES
    assert 0 < spec.deadline_s <= 900
    assert spec.expires_s > 0
    assert spec.idempotency


def test_celery_knows_exactly_the_declared_tasks() -> None:
    celery.loader.import_default_modules()
    ours: dict[str, Any] = {n: t for n, t in celery.tasks.items() if not n.startswith("celery.")}

    assert set(ours) == set(registered_tasks())
    assert all(task.acks_late and task.reject_on_worker_lost for task in ours.values())


def test_ids_of_outbox_entries_sort_by_time(committed: World) -> None:
    first = OutboxEntry.objects.create(task="tenants.fill_spares", queue="default")
    second = OutboxEntry.objects.create(task="tenants.fill_spares", queue="default")

    assert UUID(str(first.pk)) < UUID(str(second.pk))


def test_a_task_this_release_does_not_know_holds_up_nobody(committed: World) -> None:
    old = now() - timedelta(seconds=5)
    OutboxEntry.objects.create(task="future.task", queue="default", created_at=old)
    OutboxEntry.objects.create(task="tenants.fill_spares", queue="default", created_at=old)

    assert services.relay_outbox() == 1

    assert not OutboxEntry.objects.exists()
    assert DeadLetter.objects.get().reason == "unknown_task"
