"""Facts told by hand and facts learnt: one value at a time, whichever way each came."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from apps.accounts.permissions import MEMORY_WRITE
from apps.core.scope import Actor, TenantRef
from apps.memory import services
from apps.memory.contracts import MemoryChange, PolicyView, Remembered
from apps.memory.errors import MemoryFull
from apps.memory.models import Evidence, Memory, Subject
from tests.app.memory.life import acting, live_texts
from tests.app.memory.test_laws_found import hear, subject_of
from tests.fixtures.database import World
from tests.fixtures.people import People

ActorIn = Callable[[UUID, TenantRef], Actor]
BrowserOf = Callable[[UUID, TenantRef | None], Client]
GREEN, BLUE = "my favourite colour is green", "my favourite colour is blue"


@pytest.fixture
def ann(committed: World, people: People, actor_in: ActorIn, settings: Any) -> Iterator[Actor]:
    settings.DEFAULT_MODEL = "echo/plain"
    actor = actor_in(people.ann, committed.acme)
    with acting(committed.acme, actor):
        yield actor


def tell(actor: Actor, text: str, *, pinned: bool = False) -> Remembered:
    return services.remember(actor=actor, permission=MEMORY_WRITE, text=text, pinned=pinned)


def edit(actor: Actor, memory_id: UUID, text: str) -> None:
    services.update_memory(
        actor=actor, permission=MEMORY_WRITE, memory_id=memory_id, change=MemoryChange(text=text)
    )


def one(text: str) -> Memory:
    return Memory.objects.get(text=text)


def test_what_is_told_takes_the_place_of_what_was_learnt(ann: Actor) -> None:
    hear(subject_of(ann), "My favourite colour is green.")

    told = tell(ann, BLUE)

    old = one("Has green as their favourite colour.")
    assert told.created
    assert live_texts() == [BLUE]
    assert (old.status, old.superseded_by_id) == ("archived", told.memory.id)
    assert old.valid_to is not None
    assert old.retired_at is not None


def test_what_is_learnt_takes_the_place_of_what_was_told(ann: Actor) -> None:
    tell(ann, BLUE)
    Memory.objects.update(created_at="2026-01-01T00:00Z")  # told before the message was written

    hear(subject_of(ann), "My favourite colour is green.")

    assert live_texts() == ["Has green as their favourite colour."]
    assert one(BLUE).superseded_by == one("Has green as their favourite colour.")


def test_what_was_said_before_it_was_told_is_history(ann: Actor) -> None:
    """A message of March, learnt from after "remember" was used in November."""
    tell(ann, BLUE)

    hear(subject_of(ann), "My favourite colour is green.")

    assert live_texts() == [BLUE]
    assert one("Has green as their favourite colour.").superseded_by == one(BLUE)


def test_what_is_told_takes_the_place_of_what_was_told(ann: Actor) -> None:
    tell(ann, GREEN)
    tell(ann, "My favorite color is blue!")

    assert live_texts() == ["My favorite color is blue!"]


def test_the_same_learnt_after_it_was_told_proves_it(ann: Actor) -> None:
    tell(ann, GREEN)

    hear(subject_of(ann), "My favourite colour is green.")

    assert live_texts() == [GREEN]
    assert Memory.objects.get().proof_count == 2
    assert Evidence.objects.get().quote == "My favourite colour is green."


def test_the_same_told_after_it_was_learnt_proves_it_and_stays_without_its_message(
    ann: Actor,
) -> None:
    (message_id,) = hear(subject_of(ann), "My favourite colour is green.")

    told = tell(ann, GREEN, pinned=True)
    again = tell(ann, GREEN)

    assert (told.created, again.created) == (False, False)
    assert told.memory.pinned
    memory = Memory.objects.get()
    assert (memory.proof_count, memory.origin) == (2, "person")
    services.forget_messages(message_ids=[message_id])
    assert live_texts() == ["Has green as their favourite colour."]
    assert [each.quote for each in Evidence.objects.all()] == [GREEN]


def test_more_words_about_the_same_take_its_place_and_lose_nothing(ann: Actor) -> None:
    hear(subject_of(ann), "I live in Rome.")
    since = Memory.objects.get().valid_from

    told = tell(ann, "I live in Rome, behind the harbour")

    assert live_texts() == ["I live in Rome, behind the harbour"]
    assert Memory.objects.get(pk=told.memory.id).valid_from == since


def test_the_end_of_what_is_known_supersedes_it_and_any_other_is_a_note(ann: Actor) -> None:
    hear(subject_of(ann), "I work at Acme.")
    tell(ann, "I no longer work at Globex")
    assert live_texts() == ["I no longer work at Globex", "Works at Acme."]

    tell(ann, "I no longer work at Acme")

    assert live_texts() == ["I no longer work at Acme", "I no longer work at Globex"]


def test_what_was_takes_nothings_place(ann: Actor) -> None:
    tell(ann, "I live in Rome")
    tell(ann, "I used to live in Oslo")

    assert live_texts() == ["I live in Rome", "I used to live in Oslo"]


def test_several_facts_in_one_text_and_plain_notes_stand_beside_others(ann: Actor) -> None:
    tell(ann, "I live in Rome and work at Acme")
    tell(ann, "I live in Oslo")
    tell(ann, "The ferry sails at nine")

    assert len(live_texts()) == 3


def test_a_newer_value_needs_no_room(ann: Actor) -> None:
    tell(ann, GREEN)
    services.change_memory_policy(
        actor=ann, permission=MEMORY_WRITE, wanted=PolicyView(per_subject_max=1)
    )

    tell(ann, BLUE)

    assert live_texts() == [BLUE]
    assert Subject.objects.get().memory_count == 1
    with pytest.raises(MemoryFull):
        tell(ann, "I live in Rome")


def test_an_edited_text_has_the_slot_and_value_of_its_words(ann: Actor) -> None:
    hear(subject_of(ann), "I live in Rome.", "I work at Acme.")

    edit(ann, one("Lives in Rome.").pk, "Lives in Oslo.")
    assert (one("Lives in Oslo.").slot, one("Lives in Oslo.").value) == ("self.home", "oslo")
    edit(ann, one("Lives in Oslo.").pk, "Somewhere up in the north")
    tell(ann, "I live in Bergen")
    assert live_texts() == ["I live in Bergen", "Works at Acme."]

    edit(ann, one("Works at Acme.").pk, "My home is Tromsø")
    assert live_texts() == ["My home is Tromsø"]


def test_nobody_elses_value_gives_way(
    ann: Actor, committed: World, people: People, actor_in: ActorIn
) -> None:
    bea = actor_in(people.bea, committed.acme)
    with acting(committed.acme, bea):
        tell(bea, GREEN)
    tell(ann, BLUE)

    assert sorted(live_texts()) == [BLUE, GREEN]
    with acting(committed.globex, actor_in(people.bea, committed.globex)):
        assert live_texts() == []


def test_the_api_and_the_page_tell_facts(
    ann: Actor, committed: World, people: People, browser_of: BrowserOf
) -> None:
    client = browser_of(people.ann, committed.acme)

    made = client.post("/api/v1/memories", {"text": GREEN}, content_type="application/json")
    client.post("/settings/memory/add/", {"text": BLUE, "kind": "semantic", "importance": "5"})

    assert made.json()["slot"] == "self.favourite:colour"
    assert live_texts() == [BLUE]
