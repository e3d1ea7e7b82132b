"""What a prompt holds without a search: read in one statement, bounded, and nobody else's."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core import scope
from apps.core.clock import now
from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef
from apps.memory import selectors, services
from apps.memory.contracts import MemoryKind, PersonProfile
from apps.memory.models import Memory, Subject
from tests.app.memory.remembering import as_person, say, told
from tests.fixtures.database import World
from tests.fixtures.people import People

ActorIn = Callable[[UUID, TenantRef], Actor]


@pytest.fixture
def ann(committed: World, people: People, actor_in: ActorIn) -> Iterator[Actor]:
    actor = actor_in(people.ann, committed.acme)
    with as_person(actor, committed.acme):
        yield actor


def read(actor: Actor, *, tokens: int = 1_500, outside: UUID | None = None) -> PersonProfile:
    assert actor.id is not None
    with CaptureQueriesContext(connection) as queries:
        profile = selectors.read_profile(
            subject_id=actor.id, everything_tokens=tokens, except_conversation_id=outside
        )
    asked = [each for each in queries.captured_queries if "SET search_path" not in each["sql"]]
    assert len(asked) == 1
    return profile


def fact(actor: Actor, text: str, slot: str = "self.home", **values: object) -> Memory:
    """Have a fact as it is learnt: what fills its slot comes from reading, never from a form."""
    memory = told(actor, text)
    Memory.objects.filter(pk=memory.pk).update(slot=slot, **values)
    return memory


def texts(profile: PersonProfile, part: str) -> list[str]:
    return [each.text for each in getattr(profile, part) or ()]


def test_who_never_told_anything_has_an_empty_profile(ann: Actor) -> None:
    assert read(ann) == PersonProfile()


def test_it_tells_pins_instructions_and_facts_apart(ann: Actor) -> None:
    told(ann, "Call me Captain", pinned=True)
    told(ann, "Always answer in metric units", kind=MemoryKind.PROCEDURAL)
    told(ann, "Restart it by the red button", kind=MemoryKind.PROCEDURAL)
    fact(ann, "Lives in Rome.")
    told(ann, "The ship sails at nine", kind=MemoryKind.EPISODIC)

    profile = read(ann)

    assert texts(profile, "pinned") == ["Call me Captain"]
    assert texts(profile, "standing") == ["Always answer in metric units"]
    assert texts(profile, "facts") == ["Lives in Rome."]
    assert texts(profile, "everything") == [
        "Call me Captain",
        "Always answer in metric units",
        "Restart it by the red button",
        "Lives in Rome.",
        "The ship sails at nine",
    ]
    assert (profile.memory_count, profile.has_said) == (5, False)


def test_beyond_the_threshold_only_what_always_stands_there_is_read(ann: Actor) -> None:
    fact(ann, "Lives in Rome.")
    told(ann, "The ship sails at nine")

    assert read(ann, tokens=0).everything is None
    assert texts(read(ann, tokens=0), "facts") == ["Lives in Rome."]
    tokens = sum(len(each) // 3 + 2 for each in ("Lives in Rome.", "The ship sails at nine"))
    assert read(ann, tokens=tokens - 1).everything is None
    assert len(read(ann, tokens=tokens).everything or ()) == 2


def test_many_memories_are_searched_however_short_they_are(ann: Actor) -> None:
    for number in range(101):
        told(ann, str(number))

    assert read(ann, tokens=100_000).everything is None
    assert read(ann, tokens=100_000).memory_count == 101


def test_one_huge_memory_is_not_everything(ann: Actor) -> None:
    told(ann, "long " * 390)

    assert read(ann, tokens=600).everything is None


def test_what_is_over_is_no_part_of_who_somebody_is(ann: Actor) -> None:
    past = now() - timedelta(days=1)
    fact(ann, "Lived in Rome.", valid_to=past)
    fact(ann, "Lives in Oslo.", valid_to=now() + timedelta(days=1))
    fact(ann, "Is on holiday.", slot="self.status", expires_at=past)

    profile = read(ann)

    assert texts(profile, "facts") == ["Lives in Oslo."]
    assert texts(profile, "everything") == ["Lived in Rome.", "Lives in Oslo."]
    assert texts(read(ann, tokens=0), "facts") == ["Lives in Oslo."]


def test_what_was_superseded_is_not_read(ann: Actor) -> None:
    for said in (say(ann, "I live in Rome."), say(ann, "I moved to Oslo.")):
        assert ann.id is not None
        services.learn(subject_id=ann.id, message_ids=[each.message_id for each in said])

    [home] = read(ann).facts

    assert "Oslo" in home.text
    assert "Rome" not in "".join(texts(read(ann), "everything"))
    assert home.source_message_ids == (said[0].message_id,)


def test_a_huge_profile_is_read_up_to_its_best(ann: Actor) -> None:
    assert ann.id is not None
    told(ann, "one")  # makes the subject
    Memory.objects.bulk_create(
        Memory(
            subject_id=ann.id, text=f"Likes thing {number}.", slot=f"self.preference:{number}",
            content_hash=f"{number:064x}", importance=1 + number % 10,
        )
        for number in range(400)
    )  # fmt: skip
    Subject.objects.filter(pk=ann.id).update(memory_count=401)

    profile = read(ann)

    assert profile.everything is None
    assert len(profile.facts) == 60
    weights = dict(Memory.objects.values_list("pk", "importance"))
    assert {weights[each.id] for each in profile.facts} == {10, 9}
    assert read(ann).facts == profile.facts


def test_what_was_said_counts_where_it_was_said_elsewhere(ann: Actor) -> None:
    here = new_id()
    say(ann, "The walrus sleeps in Tromso", conversation_id=here)

    assert read(ann).has_said
    assert not read(ann, outside=here).has_said
    say(ann, "The heron sleeps in Bergen")
    assert read(ann, outside=here).has_said


def test_nobody_reads_anothers_profile_in_no_workspace(
    ann: Actor, committed: World, people: People, actor_in: ActorIn
) -> None:
    fact(ann, "Lives in Rome.")
    told(ann, "Call me Captain", pinned=True)
    bea = actor_in(people.bea, committed.acme)

    assert read(bea) == PersonProfile()
    with scope.tenant_scope(committed.globex):  # the same id in another workspace
        assert read(ann) == PersonProfile()
    assert texts(read(ann), "facts") == ["Lives in Rome."]


def test_what_every_prompt_holds_counts_as_used_once_a_day(ann: Actor) -> None:
    always, found = told(ann, "Lives in Rome."), told(ann, "The ship sails at nine")

    for _answer in range(3):
        services.note_used(memory_ids=[found.pk], always_ids=[always.pk])
    uses = dict(Memory.objects.values_list("pk", "use_count"))
    assert uses == {always.pk: 1, found.pk: 3}

    Memory.objects.filter(pk=always.pk).update(last_used_at=now() - timedelta(days=1, seconds=1))
    services.note_used(memory_ids=[], always_ids=[always.pk])
    assert Memory.objects.get(pk=always.pk).use_count == 2
