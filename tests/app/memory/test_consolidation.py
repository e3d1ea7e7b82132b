"""Consolidation: several memories become one, nothing is lost, and a dead one leaves no trace."""

from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from apps.accounts.permissions import MEMORY_WRITE
from apps.core import scope
from apps.core.concurrency import tenant_db
from apps.core.scope import Actor, TenantRef
from apps.jobs.leases import expire_leases_of_the_dead
from apps.jobs.models import Lease, OutboxEntry
from apps.memory import services
from apps.memory.contracts import MemoryChange, MemoryStatus, PolicyView
from apps.memory.models import Changeset, Memory
from apps.memory.services.consolidation import LEASE
from apps.providers import registry
from apps.providers.contracts import (
    Finished,
    FinishReason,
    ModelInfo,
    ModelRequest,
    ProviderEvent,
    TextDelta,
)
from apps.providers.errors import ProviderRejected
from tests.app.memory.life import (
    acting,
    aged,
    claim,
    keep,
    live_texts,
    mention,
    picture,
    prove,
    statuses,
    words_model,
)
from tests.fixtures.database import World
from tests.fixtures.people import People

ActorIn = Callable[[UUID, TenantRef], Actor]
OLD = datetime(2026, 3, 5, tzinfo=UTC)
LONG = "my small boat lies in the northern harbour of the old town"


@dataclass(slots=True)
class Writer:
    """A model that can be held to a schema, and writes what a test wants.

    Attributes:
        meanwhile: What happens while it writes.
    """

    answer: str = ""
    refuses: bool = False
    meanwhile: Callable[[], None] = lambda: None
    asked: list[ModelRequest] = field(default_factory=list)

    def models(self) -> tuple[ModelInfo, ...]:
        return (
            ModelInfo(
                id="writer/small",
                label="Writer",
                provider="writer",
                context_tokens=4_000,
                in_process=False,
                supports_tools=True,
                supports_formats=True,
                is_trusted=True,
            ),
        )

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
        self.asked.append(request)
        await tenant_db(self.meanwhile)
        if self.refuses:
            raise ProviderRejected
        yield TextDelta(text=self.answer)
        yield Finished(reason=FinishReason.STOP)


@pytest.fixture
def writer(by_words: None, settings: Any) -> Iterator[Writer]:
    made = Writer()
    settings.DEFAULT_MODEL = "writer/small"
    registry.register(
        registry.Provider(is_free=True, kind="writer", models=made.models, adapter=lambda: made)
    )
    yield made
    registry.unregister("writer")


@pytest.fixture(autouse=True)
def by_words(settings: Any) -> Iterator[None]:
    settings.DEFAULT_MODEL = "echo/plain"  # carries out scripts: not able
    with words_model():
        yield


@pytest.fixture
def ann(committed: World, people: People, actor_in: ActorIn) -> Iterator[Actor]:
    actor = actor_in(people.ann, committed.acme)
    with acting(committed.acme, actor):
        yield actor


def consolidate(actor: Actor) -> tuple[int, int, int]:
    assert actor.id is not None
    done = services.consolidate(subject_id=actor.id)
    return done.merged, done.told, done.made


def episodes(actor: Actor, *texts: str, months_ago: int = 8) -> list[UUID]:
    """Faded episodes, an hour apart."""
    return [
        keep(
            actor,
            text,
            kind="episodic",
            **aged(months_ago * 30),
            valid_from=OLD + timedelta(hours=number),
        )
        for number, text in enumerate(texts)
    ]


# -- what says the same


def test_what_says_nearly_the_same_becomes_the_best_of_it(ann: Actor) -> None:
    first = keep(ann, LONG, **aged(3))
    best = keep(ann, f"{LONG} now", importance=8)
    said = prove(first, LONG)
    keep(ann, "the cat sleeps on the warm stove")
    services.embed_waiting()

    assert consolidate(ann) == (1, 0, 0)

    stays = Memory.objects.get(pk=best)
    assert stays.proof_count == 2
    assert stays.evidence.get().message_id == said
    assert Memory.objects.get(pk=first).superseded_by_id == best
    assert live_texts() == [f"{LONG} now", "the cat sleeps on the warm stove"]
    assert consolidate(ann) == (0, 0, 0)


@pytest.mark.parametrize(
    "other", [f"{LONG} not", LONG.replace("northern", "Northern"), LONG.replace("old", "1st")]
)
def test_what_only_looks_the_same_stays_two(ann: Actor, other: str) -> None:
    keep(ann, LONG.replace("northern", "far") if "Northern" in other else LONG)
    keep(ann, other)
    services.embed_waiting()

    assert consolidate(ann) == (0, 0, 0)


def test_other_people_other_slots_and_other_days_are_other_things(ann: Actor) -> None:
    ada, eve = keep(ann, LONG), keep(ann, f"{LONG} too")
    mention(ada, "Ada")
    mention(eve, "Eve")
    services.embed_waiting()
    assert consolidate(ann) == (0, 0, 0)

    Memory.objects.filter(pk=ada).update(slot="self.boat", value="a")
    Memory.objects.filter(pk=eve).update(slot="self.boat", value="b")
    assert consolidate(ann) == (0, 0, 0)

    Memory.objects.update(slot="", value="", kind="episodic")
    Memory.objects.filter(pk=ada).update(valid_from=OLD)
    Memory.objects.filter(pk=eve).update(valid_from=OLD + timedelta(days=1))
    mention(eve, "Ada")
    mention(ada, "Eve")
    assert consolidate(ann) == (0, 0, 0)

    Memory.objects.filter(pk=eve).update(valid_from=OLD)
    assert consolidate(ann) == (1, 0, 0)


def test_what_is_pinned_persistent_or_critical_takes_nobodys_place_lightly(ann: Actor) -> None:
    """It may stay for others; it is never superseded."""
    pinned = keep(ann, LONG, pinned_at=OLD)
    keep(ann, f"{LONG} now", namespace="persistent", importance=10)
    keep(ann, f"{LONG} too", priority=5)
    loose = keep(ann, f"now {LONG} too", importance=10)
    services.embed_waiting()

    assert consolidate(ann) == (1, 0, 0)
    assert not Memory.objects.get(pk=loose).is_live
    assert Memory.objects.get(pk=pinned).is_live


def test_without_vectors_nothing_is_merged(ann: Actor) -> None:
    keep(ann, LONG)
    keep(ann, f"{LONG} now")

    assert consolidate(ann) == (0, 0, 0)


# -- old episodes


def test_old_faded_episodes_of_a_month_are_told_in_short(ann: Actor) -> None:
    ids = episodes(ann, "I sailed", "I lost a shoe", "I ate figs")
    said = {prove(each, "said") for each in ids}

    assert consolidate(ann) == (0, 3, 1)

    made = Memory.objects.get(text="March 2026: I sailed; I lost a shoe; I ate figs.")
    assert (made.kind, made.origin, made.valid_from) == ("semantic", "consolidated", OLD)
    assert set(made.evidence.values_list("message_id", flat=True)) == said
    assert made.proof_count == 3
    sources = Memory.objects.filter(pk__in=ids)
    assert {(each.status, each.superseded_by_id) for each in sources} == {("archived", made.pk)}
    assert consolidate(ann) == (0, 0, 0)


def test_episodes_about_one_person_are_told_together(ann: Actor) -> None:
    for each in episodes(ann, "we sailed", "we lost a shoe", "we ate figs"):
        mention(each, "Ada")
    episodes(ann, "the roof leaked")

    assert consolidate(ann) == (0, 3, 1)
    assert live_texts() == [
        "Ada, March 2026: we sailed; we lost a shoe; we ate figs.",
        "the roof leaked",
    ]


@pytest.mark.parametrize(
    "values",
    [
        {"pinned_at": OLD},
        {"namespace": "persistent"},
        {"priority": 5},
        aged(2),
        {"kind": "semantic"},
    ],
    ids=["pinned", "persistent", "critical", "young", "a fact"],
)
def test_what_must_stay_is_not_told_in_short(ann: Actor, values: dict[str, object]) -> None:
    ids = episodes(ann, "I sailed", "I lost a shoe", "I ate figs")
    Memory.objects.filter(pk=ids[0]).update(**values)

    assert consolidate(ann) == (0, 0, 0)


def test_an_able_model_writes_the_account(ann: Actor, writer: Writer) -> None:
    writer.answer = '{"summary": "In March you sailed, lost a shoe and ate figs."}'
    episodes(ann, "I sailed", "I lost a shoe", "I ate figs")

    assert consolidate(ann) == (0, 3, 1)

    assert live_texts() == ["In March you sailed, lost a shoe and ate figs."]
    (asked,) = writer.asked
    assert "I lost a shoe" in str(asked.messages)
    assert "summary" in asked.response_format


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "",
        "In March you sailed.",
        '{"summary": 3}',
        '{"summary": ""}',
        '["summary"]',
        '{"summary": "The memories are of March 2026."}',
        '{"summary": "In March you sailed and lost a shoe."}',
        '{"summary": "my password is swordfish99"}',
        '{"summary": "' + "x" * 2_001 + '"}',
    ],
)
def test_whatever_a_model_gets_wrong_the_list_takes_its_place(
    ann: Actor, writer: Writer, answer: str | None
) -> None:
    writer.answer = answer or ""
    writer.refuses = answer is None
    ids = episodes(ann, "I sailed", "I lost a shoe", "I ate figs")

    assert consolidate(ann) == (0, 3, 1)

    assert live_texts() == ["March 2026: I sailed; I lost a shoe; I ate figs."]
    assert Memory.objects.filter(pk__in=ids, superseded_by__isnull=False).count() == 3


# -- undoing, trying out, running twice


def test_what_was_undone_is_not_done_again(ann: Actor) -> None:
    episodes(ann, "I sailed", "I lost a shoe", "I ate figs")
    before = picture()
    consolidate(ann)
    changeset = Changeset.objects.get()

    services.undo_changeset(actor=ann, permission=MEMORY_WRITE, changeset_id=changeset.pk)

    assert picture() == before
    assert consolidate(ann) == (0, 0, 0)


def test_a_preview_changes_nothing(ann: Actor) -> None:
    episodes(ann, "I sailed", "I lost a shoe", "I ate figs")
    before = picture()

    assert ann.id is not None
    (view,) = services.preview_consolidation(subject_id=ann.id)

    assert len(view.entries) == 4
    assert picture() == before


def test_two_at_once_do_it_once(ann: Actor) -> None:
    ids = episodes(ann, "I sailed", "I lost a shoe", "I ate figs")
    claim(ids[0])  # the other one holds it
    episodes(ann, "we danced", "we sang", "we swam", months_ago=9)

    assert consolidate(ann) == (0, 0, 0)
    assert Memory.objects.filter(status=MemoryStatus.CONSOLIDATING).count() == 1


def test_a_memory_that_changes_under_its_hands_is_left_as_it_is(ann: Actor, writer: Writer) -> None:
    ids = episodes(ann, "I sailed", "I lost a shoe", "I ate figs")

    def meanwhile() -> None:
        services.update_memory(
            actor=ann,
            permission=MEMORY_WRITE,
            memory_id=ids[0],
            change=MemoryChange(text="I sailed far"),
        )

    writer.answer = '{"summary": "You sailed, lost a shoe and ate figs."}'
    writer.meanwhile = meanwhile

    assert consolidate(ann) == (0, 0, 0)
    assert statuses() == {
        "I sailed far": "active",
        "I lost a shoe": "active",
        "I ate figs": "active",
    }


# -- death, pressure, schedule


def test_the_sweep_gives_back_what_a_dead_consolidation_held(ann: Actor) -> None:
    ids = episodes(ann, "I sailed", "I lost a shoe", "I ate figs")
    for each in ids:
        claim(each)

    assert services.sweep_memories()["abandoned"] == 1
    assert set(statuses().values()) == {"active"}
    assert consolidate(ann) == (0, 3, 1)


def test_what_a_running_consolidation_holds_is_left_to_it(ann: Actor) -> None:
    (kept,) = episodes(ann, "I sailed")
    claim(kept)
    assert ann.id is not None
    Lease.objects.create(
        kind=LEASE,
        key=ann.id,
        tenant_id=scope.require().id,
        owner="alive",
        until=datetime.now(tz=UTC) + timedelta(minutes=1),
    )

    services.sweep_memories()

    assert statuses() == {"I sailed": "consolidating"}
    assert expire_leases_of_the_dead() == 0


def test_a_subject_near_its_quota_is_consolidated_before_the_night(ann: Actor) -> None:
    services.change_memory_policy(
        actor=ann, permission="tenant.admin", wanted=PolicyView(per_subject_max=10)
    )
    for number in range(9):
        with transaction.atomic():  # what is sent at the commit is seen before it
            keep(ann, f"thing {number}")
            sent = OutboxEntry.objects.filter(task="memory.consolidate").exists()
        assert sent == (number == 8)


def test_the_night_consolidates_everybody_and_no_other_workspace(
    ann: Actor, committed: World, people: People, actor_in: ActorIn
) -> None:
    bea = actor_in(people.bea, committed.acme)
    with acting(committed.globex, actor_in(people.bea, committed.globex)):
        episodes(bea, "I sailed", "I lost a shoe", "I ate figs")
    for each in (ann, bea):
        episodes(each, "I sailed", "I lost a shoe", "I ate figs")

    services.consolidate_workspace()

    assert len(live_texts()) == 2
    with acting(committed.globex, bea):
        assert len(live_texts()) == 3
