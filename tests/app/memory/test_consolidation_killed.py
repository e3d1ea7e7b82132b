"""A worker that is killed while it consolidates loses, doubles and holds nothing."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings as django_settings

from apps.core.scope import Actor, TenantRef
from apps.jobs.leases import expire_leases_of_the_dead
from apps.jobs.reaper import reap_leases
from apps.memory import services
from apps.memory.contracts import MemoryStatus
from apps.memory.models import Changeset, Evidence, Memory, Subject
from apps.memory.models.memories import LIVE
from tests.app.memory.life import acting, aged, keep, prove
from tests.fixtures.database import World
from tests.fixtures.people import People

ActorIn = Callable[[UUID, TenantRef], Actor]
ROUNDS = 3
EPISODES = 72  # six groups of twelve, each a changeset of its own
MARCH = datetime(2026, 3, 5, tzinfo=UTC)
# What a worker does, without the worker; says so when it begins.
_CHILD = """
import os, sys
import django
django.setup()
from uuid import UUID
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
settings.DEFAULT_MODEL = "echo/plain"
from apps.core import scope
from apps.core.scope import TenantRef
from apps.memory import services
ref = TenantRef(id=UUID(sys.argv[2]), slug=sys.argv[3], schema=sys.argv[4])
with scope.tenant_scope(ref), scope.actor_scope(scope.SYSTEM), scope.correlation_scope():
    print("begun", flush=True)
    services.consolidate(subject_id=UUID(sys.argv[5]))
    print("done", flush=True)
"""


def consolidate_and_die(tenant: TenantRef, subject_id: UUID, after_s: float) -> bool:
    """Consolidate in a process of its own and kill it; return whether it was done before."""
    name = django_settings.DATABASES["default"]["NAME"]
    arguments = [name, str(tenant.id), tenant.slug, tenant.schema, str(subject_id)]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "karen_site.settings.test"}
    with subprocess.Popen(
        [sys.executable, "-c", _CHILD, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"begun\n"
        try:
            child.wait(after_s)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
        said = child.stdout.read()
    return bool(said == b"done\n")


def test_whenever_it_is_killed_nothing_is_lost_or_doubled_and_nothing_stays_held(
    committed: World, people: People, actor_in: ActorIn, settings: Any
) -> None:
    settings.DEFAULT_MODEL = "echo/plain"
    ann = actor_in(people.ann, committed.acme)
    chance = random.Random(20260305)  # the same moments each time, as far as a machine can
    with acting(committed.acme, ann) as subject_id:
        ids = [
            keep(
                ann,
                f"episode {number}",
                kind="episodic",
                **aged(240),
                valid_from=MARCH + timedelta(hours=number),
            )
            for number in range(EPISODES)
        ]
        messages = {prove(each, "said") for each in ids}
        held, done = 0, False
        for _round in range(ROUNDS):
            done = consolidate_and_die(committed.acme, subject_id, chance.uniform(0.0, 0.5)) or done
            held += Memory.objects.filter(status=MemoryStatus.CONSOLIDATING).count()
            # As the relay does each second.
            expire_leases_of_the_dead()
            reap_leases()
            services.sweep_memories()
            _demand_whole(ids, messages, subject_id)
        assert held or done, "it was never killed at work: give it more to do"

        services.consolidate(subject_id=subject_id)
        _demand_whole(ids, messages, subject_id)
        assert not Memory.objects.filter(LIVE, pk__in=ids).exists()


def _demand_whole(ids: list[UUID], messages: set[UUID], subject_id: UUID) -> None:
    """Every episode is live, or told by one live memory that rests on the same message."""
    assert not Memory.objects.filter(status=MemoryStatus.CONSOLIDATING).exists()
    assert Memory.objects.filter(pk__in=ids).count() == len(ids)
    live = Memory.objects.filter(LIVE)
    told = Memory.objects.filter(pk__in=ids, superseded_by__in=live)
    assert live.filter(pk__in=ids).count() + told.count() == len(ids)
    accounts = live.exclude(pk__in=ids)
    assert accounts.count() == Changeset.objects.filter(subject=subject_id).count()
    assert sum(accounts.values_list("proof_count", flat=True)) == told.count()
    rest_on = Evidence.objects.filter(memory__in=live).values_list("message_id", flat=True)
    assert sorted(map(str, rest_on)) == sorted(map(str, messages))
    assert Subject.objects.get(pk=subject_id).memory_count == live.count()
