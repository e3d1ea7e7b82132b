"""The sweep: what is over goes, the weakest first where there is too much, and what lasts stays."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from apps.accounts.permissions import MEMORY_WRITE
from apps.core.clock import now
from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef
from apps.memory import services
from apps.memory.contracts import MemoryKind, PolicyView, Said
from apps.memory.domain.decay import Trace, strength
from apps.memory.errors import MemoryExists, MemoryNotFound
from apps.memory.models import Memory, Posting, Subject, Utterance
from apps.memory.recall import recall
from apps.memory.services.strength import strength_now
from tests.app.memory.life import acting, aged, keep, live_texts, prove, statuses
from tests.fixtures.database import World
from tests.fixtures.people import People

ActorIn = Callable[[UUID, TenantRef], Actor]


@pytest.fixture
def ann(committed: World, people: People, actor_in: ActorIn) -> Iterator[Actor]:
    actor = actor_in(people.ann, committed.acme)
    with acting(committed.acme, actor):
        yield actor


def decide(actor: Actor, **values: object) -> None:
    services.change_memory_policy(
        actor=actor,
        permission="tenant.admin",
        wanted=replace(PolicyView(), **values),  # type: ignore[arg-type]  # as given
    )


def say(actor: Actor, text: str, days_ago: float) -> UUID:
    assert actor.id is not None
    said = Said(
        message_id=new_id(),
        conversation_id=new_id(),
        speaker="Ann",
        by_assistant=False,
        text=text,
        said_at=now() - timedelta(days=days_ago),
    )
    services.take_in(subject_id=actor.id, said=[said])
    return said.message_id


def test_the_database_counts_strength_as_the_law_says(ann: Actor) -> None:
    policy = PolicyView(semantic_half_life_days=100)
    keep(ann, "a", **aged(50), importance=7, confidence=0.5, proof_count=3, use_count=4)
    keep(ann, "b", **aged(900), kind="episodic", last_used_at=now() - timedelta(days=10))
    keep(ann, "c", **aged(90_000), kind="procedural")
    keep(ann, "d", **aged(90_000), pinned_at=now(), proof_count=0)
    keep(ann, "e", **aged(-5), namespace="persistent", confidence=0)

    for row in Memory.objects.annotate(strength=strength_now(policy)):
        born = row.last_used_at or row.created_at
        expected = strength(
            Trace(
                age_days=(now() - born).total_seconds() / 86_400,
                half_life_days=policy.half_life_days(MemoryKind(row.kind)),
                importance=row.importance,
                confidence=row.confidence,
                proof_count=row.proof_count,
                use_count=row.use_count,
                lasting=row.pinned_at is not None or row.namespace == "persistent",
            )
        )
        assert row.strength == pytest.approx(expected, rel=1e-3, abs=1e-8), row.text


def test_what_is_over_expires_and_is_recalled_no_more(ann: Actor) -> None:
    keep(ann, "the fair is on until Sunday", expires_at=now() - timedelta(seconds=1))
    keep(ann, "the ship sails at nine", expires_at=now() + timedelta(days=1))

    assert services.sweep_memories()["expired"] == 1

    assert statuses() == {
        "the fair is on until Sunday": "expired",
        "the ship sails at nine": "active",
    }
    assert ann.id is not None
    found = recall(query="the fair or the ship", subject_id=ann.id, k=5, within_s=30)
    assert [each.text for each in found] == ["the ship sails at nine"]
    assert Memory.objects.get(status="expired").retired_at is not None


def test_what_was_meant_for_days_is_archived_after_days_unless_it_was_used(ann: Actor) -> None:
    short = {"namespace": "short_term"}
    keep(ann, "old", **short, **aged(4))
    keep(ann, "used", **short, **aged(4), use_count=1)
    keep(ann, "young", **short, **aged(1))
    keep(ann, "pinned", **short, **aged(4), pinned_at=now())
    keep(ann, "long", **aged(4))

    services.sweep_memories()

    assert live_texts() == ["long", "pinned", "used", "young"]


def test_what_faded_is_archived_and_what_lasts_or_is_used_is_not(ann: Actor) -> None:
    keep(ann, "faded", **aged(3_000))
    keep(ann, "used", **aged(3_000), last_used_at=now())
    keep(ann, "pinned", **aged(3_000), pinned_at=now())
    keep(ann, "persistent", **aged(3_000), namespace="persistent")
    keep(ann, "critical", **aged(3_000), priority=5)

    assert services.sweep_memories()["decay"] == 1
    assert services.sweep_memories()["decay"] == 0
    assert live_texts() == ["critical", "persistent", "pinned", "used"]


def test_the_weakest_of_a_crowded_subject_go_first(ann: Actor) -> None:
    for number in range(10):
        keep(ann, f"thing {number}", importance=10 - number)
    Memory.objects.filter(text="thing 9").update(pinned_at=now())
    decide(ann, per_subject_max=10)

    assert services.sweep_memories()["quota"] == 1

    assert statuses()["thing 8"] == "archived"
    assert Subject.objects.get().memory_count == 9
    decide(ann, per_subject_max=5)
    services.sweep_memories()
    assert live_texts() == ["thing 0", "thing 1", "thing 2", "thing 9"]


def test_a_crowded_workspace_lets_go_of_its_weakest_whosever_they_are(
    ann: Actor, committed: World, people: People, actor_in: ActorIn
) -> None:
    bea = actor_in(people.bea, committed.acme)
    keep(ann, "strong", importance=9)
    keep(ann, "weak", importance=2)
    keep(bea, "weaker", importance=1)
    keep(bea, "stronger", importance=10)
    with acting(committed.globex, bea):
        keep(bea, "elsewhere", importance=1)
    decide(ann, per_workspace_max=3)

    assert services.sweep_memories()["quota"] == 2

    assert live_texts() == ["strong", "stronger"]
    with acting(committed.globex, bea):
        assert live_texts() == ["elsewhere"]


def test_what_may_not_be_kept_longer_is_erased_everywhere(ann: Actor) -> None:
    said, fresh = say(ann, "I sailed to Porto", 40), say(ann, "I ate figs", 1)
    for values in ({}, {"pinned_at": now()}, {"namespace": "persistent"}, {"status": "archived"}):
        kept = keep(ann, f"old {values}", **aged(40))
        Memory.objects.filter(pk=kept).update(**values)
    quoted = keep(ann, "young", **aged(20))
    prove(quoted, "I sailed")
    Memory.objects.get(pk=quoted).evidence.update(message_id=said)
    decide(ann, retention_days=30, said_retention_days=30)

    done = services.sweep_memories()

    assert (done["retention"], done["said_retention"]) == (2, 1)
    assert Memory.objects.count() == 3
    assert list(Utterance.objects.values_list("pk", flat=True)) == [fresh]
    assert not Memory.objects.get(pk=quoted).evidence.exists()
    words = set(Posting.objects.filter(place__gt=0).values_list("lexeme", flat=True))
    assert "porto" not in words
    assert "fig" in words


def test_where_nothing_is_decided_nothing_is_erased(ann: Actor) -> None:
    say(ann, "I sailed to Porto", 4_000)
    keep(ann, "old", **aged(4_000), namespace="persistent")

    services.sweep_memories()

    assert Utterance.objects.count() == 1
    assert live_texts() == ["old"]


# -- believing again


def test_what_was_archived_comes_back_as_it_was_and_stays(ann: Actor) -> None:
    kept = keep(ann, "the ship sails at nine", **aged(3_000))
    services.sweep_memories()

    back = services.restore(actor=ann, permission=MEMORY_WRITE, memory_id=kept)
    services.sweep_memories()

    assert (back.status, back.superseded_by, back.valid_to) == ("active", None, None)
    assert live_texts() == ["the ship sails at nine"]
    assert ann.id is not None
    assert recall(query="ship", subject_id=ann.id, k=1, within_s=30)[0].id == kept
    assert Memory.objects.get().versions.last().reason == "restored"  # type: ignore[union-attr]  # it is there


def test_what_expired_comes_back_without_its_end(ann: Actor) -> None:
    kept = keep(ann, "the fair is on", expires_at=now() - timedelta(seconds=1))
    services.sweep_memories()

    services.restore(actor=ann, permission=MEMORY_WRITE, memory_id=kept)

    assert services.sweep_memories()["expired"] == 0
    assert live_texts() == ["the fair is on"]


def test_restoring_what_is_live_changes_nothing(ann: Actor) -> None:
    kept = keep(ann, "tea")
    before = Memory.objects.values().get()

    services.restore(actor=ann, permission=MEMORY_WRITE, memory_id=kept)

    assert Memory.objects.values().get() == before


def test_nothing_is_restored_over_what_says_the_same_nor_for_others(
    ann: Actor, committed: World, people: People, actor_in: ActorIn
) -> None:
    kept = keep(ann, "tea", status="archived", place=None)
    bea = actor_in(people.bea, committed.acme)

    with pytest.raises(MemoryNotFound):
        services.restore(actor=bea, permission=MEMORY_WRITE, memory_id=kept)
    keep(ann, "tea")
    with pytest.raises(MemoryExists):
        services.restore(actor=ann, permission=MEMORY_WRITE, memory_id=kept)
