"""Analytics: counts by day in files of their own for each workspace, and nothing anybody said."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import duckdb
import pytest
from django.db import connection
from django.test import Client
from pytest_django.fixtures import Settings

from apps.accounts.permissions import MEMORY_READ, MEMORY_WRITE, TENANT_ADMIN
from apps.core import scope
from apps.core.clock import now
from apps.core.errors import PermissionDenied
from apps.core.ids import new_id
from apps.core.redis import RedisRole, redis_client
from apps.core.scope import SYSTEM, Actor, TenantRef
from apps.memory import analytics, services, tally
from apps.memory.analytics.exporting import file_of, folder_of
from apps.memory.contracts import MemoryAnalytics, MemoryChange, MemoryDay, MemoryStatus
from apps.memory.models import Entity, Memory, Mention, Subject
from apps.memory.recall import recall
from apps.tenants.models import Tenant
from apps.tenants.resolver import forget_hosts
from tests.fixtures.database import World
from tests.fixtures.people import People

ActorIn = Callable[[UUID, TenantRef], Actor]
BrowserOf = Callable[[UUID, TenantRef | None], Client]
ADDRESS = "/api/v1/memory-analytics"


@pytest.fixture(autouse=True)
def files_here(settings: Settings, tmp_path: Path) -> Iterator[None]:
    settings.MEMORY_ANALYTICS_ROOT = tmp_path / "analytics"
    tally.forget()
    yield
    tally.forget()


@pytest.fixture
def in_acme(committed: World, people: People, actor_in: ActorIn) -> Iterator[Actor]:
    ann = actor_in(people.ann, committed.acme)
    with scope.tenant_scope(committed.acme), scope.actor_scope(ann), scope.correlation_scope():
        yield ann


def keep(actor: Actor, *texts: str) -> list[UUID]:
    return [
        services.remember(actor=actor, permission=MEMORY_WRITE, text=text).memory.id
        for text in texts
    ]


def read(**window: Any) -> MemoryAnalytics:
    return analytics.read_analytics(actor=SYSTEM, permission=TENANT_ADMIN, **window)


def today_of(found: MemoryAnalytics) -> MemoryDay:
    assert found.days[-1].day == now().date()
    return found.days[-1]


def mention(memory_id: UUID, name: str) -> None:
    memory = Memory.objects.get(pk=memory_id)
    subject = Subject.objects.get(pk=memory.subject_id)
    entity, _new = Entity.objects.get_or_create(
        subject=subject, key=name.lower(), defaults={"name": name}
    )
    Mention.objects.create(memory=memory, entity=entity)


def test_what_happens_to_memories_is_counted_by_day_and_workspace(
    in_acme: Actor, committed: World, people: People, actor_in: ActorIn
) -> None:
    first, second, third, fourth = keep(in_acme, "One thing.", "Two.", "Three.", "Four.")
    archived = MemoryChange(status=MemoryStatus.ARCHIVED)
    services.update_memory(actor=in_acme, permission=MEMORY_WRITE, memory_id=first, change=archived)
    services.update_memory(
        actor=in_acme, permission=MEMORY_WRITE, memory_id=second, change=archived
    )
    Memory.objects.filter(pk=second).update(superseded_by=third)
    services.forget(actor=in_acme, permission=MEMORY_WRITE, memory_id=fourth)
    services.note_used(memory_ids=[third])
    tally.flush()
    analytics.export()

    day = today_of(read())
    assert (day.created, day.superseded, day.archived, day.forgotten) == (3, 1, 1, 1)
    assert (day.live, day.live_total, day.people, day.used) == ({"semantic": 1}, 1, 1, 1)

    with scope.tenant_scope(committed.globex):
        assert today_of(read()).created == 0
        keep(actor_in(people.gus, committed.globex), "Ours.")
        analytics.export()
        assert today_of(read()).live_total == 1
    assert today_of(read()).live_total == 1


def test_growth_is_known_for_days_before_the_first_export(in_acme: Actor) -> None:
    old, newer, _today = keep(in_acme, "Old.", "Newer.", "Today.")
    moment = now()
    Memory.objects.filter(pk=old).update(
        created_at=moment - timedelta(days=5),
        retired_at=moment - timedelta(days=2),
        status="archived",
        place=None,
    )
    Memory.objects.filter(pk=newer).update(created_at=moment - timedelta(days=3))

    assert analytics.export() == 6
    found = read(first=moment.date() - timedelta(days=6))
    assert [day.live_total for day in found.days] == [0, 1, 1, 2, 1, 1, 2]
    assert [day.created for day in found.days] == [0, 1, 0, 1, 0, 0, 1]
    assert [day.archived for day in found.days] == [0, 0, 0, 0, 1, 0, 0]


def test_a_day_that_is_over_is_written_no_more(in_acme: Actor, committed: World) -> None:
    noon = datetime.combine(now().date(), datetime.min.time(), UTC) + timedelta(hours=12)
    folder = folder_of(committed.acme.id)
    keep(in_acme, "Today.")
    analytics.export(at=noon)
    today = folder / file_of("changes", noon.date())
    first = today.stat().st_ino
    analytics.export(at=noon + timedelta(hours=1))
    second = today.stat().st_ino
    assert second != first, "the day goes on"

    just_after = noon + timedelta(hours=12, minutes=5)
    assert analytics.export(at=just_after) == 2, "what began yesterday may still commit"
    assert analytics.export(at=just_after + timedelta(minutes=10)) == 2
    final = today.stat().st_ino
    keep(in_acme, "Too late for that day.")
    assert analytics.export(at=noon + timedelta(days=1)) == 1
    assert today.stat().st_ino == final
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {".parquet", ""}


def test_exports_at_once_and_again_after_a_damaged_watermark_agree(
    in_acme: Actor, committed: World
) -> None:
    keep(in_acme, "One.", "Two.")

    def export() -> int:
        try:
            return analytics.export()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(copy_context().run, export) for _ in range(8)]
        assert {each.result() for each in done} == {1}
    assert today_of(read()).created == 2
    folder = folder_of(committed.acme.id)
    assert list(folder.rglob("*.part")) == []
    killed = folder / "changes" / "2026-01-01.parquet.x.part"
    killed.write_bytes(b"half")
    os.utime(killed, (0, 0))
    (folder / "watermark").write_text("soon")
    assert analytics.export() == 1
    assert today_of(read()).created == 2
    assert not killed.exists(), "what a killed export left goes with the next one"


def test_files_hold_no_words_of_anybody(in_acme: Actor, committed: World) -> None:
    (memory,) = keep(in_acme, "Ann met Wolfgang Knopfler in Tokyo.")
    mention(memory, "Wolfgang Knopfler")
    recall(query="Who is Wolfgang Knopfler?", subject_id=in_acme.id or new_id(), k=5, within_s=20)
    tally.flush()
    analytics.export()

    told = ""
    for path in folder_of(committed.acme.id).rglob("*.parquet"):
        with duckdb.connect() as session:
            told += str(session.execute(f"SELECT * FROM '{path}'").fetchall())
    assert "semantic" in told
    for secret in ("Wolfgang", "wolfgang", "Knopfler", "Tokyo", "Ann", str(in_acme.id)):
        assert secret not in told
    assert str(committed.acme.id) not in told


def test_a_topic_is_shown_when_three_people_share_it_and_no_longer_when_one_forgets(
    in_acme: Actor,
) -> None:
    everybody = [
        Actor(
            id=uuid5(in_acme.id or new_id(), str(number)),
            label="x",
            permissions=in_acme.permissions,
        )
        for number in range(3)
    ]
    memories = []
    for number, person in enumerate(everybody):
        (first, second) = keep(person, f"Project Aurora, {number}.", f"Aurora again, {number}.")
        mention(first, "Aurora")
        mention(second, "Aurora")
        memories += [(person, first), (person, second)]
        if number < 2:
            mention(first, "The merger")
    for person in everybody[:1]:
        for number in range(5):
            (own,) = keep(person, f"My knee hurts, {number}.")
            mention(own, "Knee")
    analytics.export()

    (topic,) = read().topics
    assert (topic.name, topic.people, topic.mentions) == ("Aurora", 3, 6)
    assert topic.by_day == {now().date(): 6}

    for person, memory in memories[:2]:
        services.forget(actor=person, permission=MEMORY_WRITE, memory_id=memory)
    assert read().topics == (), "even before the next export"


def test_how_long_recall_takes_is_kept_by_day(in_acme: Actor) -> None:
    keep(in_acme, "The kettle is blue.")
    assert in_acme.id is not None
    for _ in range(5):
        recall(query="kettle", subject_id=in_acme.id, k=3, within_s=20)
    tally.flush()
    for milliseconds in [10.0] * 94 + [900.0]:
        tally.note_recall(milliseconds / 1000)
    tally.flush()
    analytics.export()

    day = today_of(read())
    assert day.recalls == 100
    assert day.recall_p50_ms is not None
    assert day.recall_p95_ms is not None
    assert 8 <= day.recall_p50_ms <= 12.5
    assert day.recall_p50_ms <= day.recall_p95_ms < 900


def test_what_redis_loses_after_an_export_stays_known(in_acme: Actor) -> None:
    tally.note(tally.USED, 7)
    tally.flush()
    analytics.export()
    redis_client(RedisRole.CACHE).flushdb()
    tally.note(tally.USED, 2)
    tally.flush()
    analytics.export()
    assert today_of(read()).used == 7


def test_a_damaged_file_is_an_outage_of_analytics_alone(
    in_acme: Actor, committed: World, people: People, browser_of: BrowserOf
) -> None:
    keep(in_acme, "One.")
    analytics.export()
    for table in ("changes", "activity"):
        (folder_of(committed.acme.id) / file_of(table, now().date())).write_bytes(b"PAR1 no more")
    browser = browser_of(people.ann, committed.acme)
    answer = browser.get(ADDRESS)
    assert (answer.status_code, answer.json()["error"]["type"]) == (503, "service_unavailable")
    assert browser.get("/api/v1/memories").status_code == 200
    analytics.export()  # the next one mends it
    assert browser.get(ADDRESS).status_code == 200


def test_administrators_read_the_series_over_rest_and_nobody_else_does(
    in_acme: Actor, committed: World, people: People, browser_of: BrowserOf
) -> None:
    keep(in_acme, "One.", "Two.")
    analytics.export()
    today = now().date().isoformat()
    body = browser_of(people.ann, committed.acme).get(ADDRESS, {"from": today}).json()
    assert (body["first"], body["last"], body["topics"]) == (today, today, [])
    (day,) = body["days"]
    assert (day["created"], day["live"], day["live_total"]) == (2, {"semantic": 2}, 2)
    assert (day["recalls"], day["recall_p95_ms"]) == (0, None)
    assert len(browser_of(people.ann, committed.acme).get(ADDRESS).json()["days"]) == 30

    assert browser_of(people.bea, committed.acme).get(ADDRESS).status_code == 403
    assert browser_of(people.gus, committed.acme).get(ADDRESS).status_code in {401, 403}
    member = Actor(id=people.bea, label="Bea", permissions=frozenset({MEMORY_READ}))
    with pytest.raises(PermissionDenied):
        analytics.read_analytics(actor=member, permission=TENANT_ADMIN)


@pytest.mark.parametrize(
    "window",
    [
        {"from": "2026-02-01", "to": "2026-01-01"},
        {"from": "2001-01-01", "to": "2026-01-01"},
        {"from": "yesterday"},
    ],
)
def test_a_window_that_does_not_fit_is_refused(
    committed: World, people: People, browser_of: BrowserOf, window: dict[str, str]
) -> None:
    answer = browser_of(people.ann, committed.acme).get(ADDRESS, window)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_input")


def test_asking_before_any_export_finds_nothing_and_leaves_nothing(
    committed: World, people: People, browser_of: BrowserOf
) -> None:
    body = browser_of(people.ann, committed.acme).get(ADDRESS).json()
    assert {day["live_total"] for day in body["days"]} == {0}
    assert not folder_of(committed.acme.id).exists()


@pytest.mark.parametrize(
    "state, stays", [("deleting", False), ("suspended", True), ("active", True)]
)
def test_a_workspace_that_is_being_deleted_loses_its_files_and_no_other_does(
    committed: World, state: str, stays: bool
) -> None:
    """No service deletes workspaces yet: the state is all that there is to see of it."""
    for ref in (committed.acme, committed.globex):
        with scope.tenant_scope(ref), scope.correlation_scope():
            analytics.export()
        assert list(folder_of(ref.id).rglob("*.parquet"))
    Tenant.objects.filter(pk=committed.globex.id).update(state=state)
    try:
        with scope.correlation_scope():
            analytics.export_all()
            analytics.export_all()
    finally:
        Tenant.objects.filter(pk=committed.globex.id).update(state="active")
        forget_hosts()

    assert folder_of(committed.globex.id).exists() == stays
    assert list(folder_of(committed.acme.id).rglob("*.parquet"))


def test_every_workspace_is_exported_and_folders_of_those_gone_are_removed(
    committed: World, tmp_path: Path
) -> None:
    gone = new_id()
    for tenant_id in (gone, committed.acme.id):
        (folder_of(tenant_id) / "changes").mkdir(parents=True)
    (tmp_path / "analytics" / "lost+found").mkdir()
    broker = redis_client(RedisRole.BROKER)
    before = broker.llen("default")
    with scope.correlation_scope():
        analytics.export_all()

    assert not folder_of(gone).exists()
    assert folder_of(committed.acme.id).is_dir()
    assert (tmp_path / "analytics" / "lost+found").is_dir()
    told = [str(each) for each in broker.lrange("default", 0, 1)]
    assert broker.llen("default") == before + 2
    for tenant in (committed.acme, committed.globex):
        assert sum(str(tenant.id) in each for each in told) == 1
