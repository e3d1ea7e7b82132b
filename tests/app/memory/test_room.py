"""A full memory does not grow by learning, and loses nothing that is worth more."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.test import Client

from apps.accounts.permissions import MEMORY_WRITE
from apps.audit.models import AuditEntry
from apps.core import scope
from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef
from apps.jobs.models import OutboxEntry
from apps.memory import services
from apps.memory.contracts import ChangesetKind, Learnt, MemoryChange, PolicyView, Said
from apps.memory.models import Changeset, Memory, Subject, Utterance
from tests.app.memory.life import acting, aged, keep, live_texts, statuses
from tests.app.memory.test_laws_found import BEGAN, subject_of
from tests.fixtures.database import World
from tests.fixtures.people import People

ActorIn = Callable[[UUID, TenantRef], Actor]
BrowserOf = Callable[[UUID, TenantRef | None], Client]


@pytest.fixture
def ann(committed: World, people: People, actor_in: ActorIn, settings: Any) -> Iterator[Actor]:
    settings.DEFAULT_MODEL = "echo/plain"
    actor = actor_in(people.ann, committed.acme)
    with acting(committed.acme, actor):
        yield actor


def said(text: str) -> Said:
    return Said(
        message_id=new_id(),
        conversation_id=new_id(),
        speaker="",
        by_assistant=False,
        text=text,
        said_at=BEGAN,
    )


def learn(subject_id: UUID, text: str) -> Learnt:
    message = said(text)
    readings = services.read_said(subject_id=subject_id, said=[message])
    return services.absorb(subject_id=subject_id, said=[message], readings=readings)


def limit(actor: Actor, **quotas: Any) -> None:
    services.change_memory_policy(actor=actor, permission=MEMORY_WRITE, wanted=PolicyView(**quotas))


def pin(actor: Actor, memory_id: UUID) -> None:
    services.update_memory(
        actor=actor,
        permission=MEMORY_WRITE,
        memory_id=memory_id,
        change=MemoryChange(pinned=True),
    )


def test_what_is_learnt_takes_the_place_of_the_weakest(ann: Actor) -> None:
    limit(ann, per_subject_max=2)
    keep(ann, "a boat", **aged(900))
    keep(ann, "a shoe", **aged(90))

    assert learn(subject_of(ann), "I live in Rome.") == Learnt(created=1)

    assert live_texts() == ["Lives in Rome.", "a shoe"]
    assert statuses()["a boat"] == "archived"
    assert Subject.objects.get().memory_count == 2
    made = Changeset.objects.get(kind=ChangesetKind.LIFE)
    assert made.note == "quota"


def test_the_room_that_was_made_is_given_back_by_undoing(ann: Actor) -> None:
    limit(ann, per_subject_max=1)
    keep(ann, "a boat", **aged(900))
    learn(subject_of(ann), "I live in Rome.")
    made = Changeset.objects.get(kind=ChangesetKind.LIFE)

    services.undo_changeset(actor=ann, permission=MEMORY_WRITE, changeset_id=made.pk)

    assert live_texts() == ["Lives in Rome.", "a boat"]


def test_nothing_that_is_pinned_or_stronger_gives_way(ann: Actor) -> None:
    limit(ann, per_subject_max=2)
    pin(ann, keep(ann, "a boat", **aged(900)))
    strong = keep(ann, "a shoe")
    Memory.objects.filter(pk=strong).update(importance=10)

    assert learn(subject_of(ann), "I love tea.") == Learnt(refused=1)

    assert live_texts() == ["a boat", "a shoe"]
    assert Utterance.objects.get().text == "I love tea."  # the words are not lost
    told = AuditEntry.objects.get(action="memory.full")
    assert told.data == {"refused": 1}


def test_what_was_refused_can_be_learnt_when_there_is_room(ann: Actor) -> None:
    limit(ann, per_subject_max=1)
    pin(ann, keep(ann, "a boat"))
    learn(subject_of(ann), "I love tea.")
    limit(ann, per_subject_max=2)

    again = services.learn(subject_id=subject_of(ann), message_ids=[Utterance.objects.get().pk])

    assert again == Learnt(created=1)
    assert live_texts() == ["Loves tea.", "a boat"]


def test_a_newer_value_needs_no_room_and_neither_does_proof(ann: Actor) -> None:
    learn(subject_of(ann), "I live in Rome.")
    pin(ann, Memory.objects.get().pk)
    limit(ann, per_subject_max=1)

    assert learn(subject_of(ann), "I live in Rome!") == Learnt(proven=1)
    assert learn(subject_of(ann), "I moved to Berlin.") == Learnt(created=1, superseded=1)

    assert live_texts() == ["Lives in Berlin."]


def test_a_message_does_not_push_out_what_it_has_taught_itself(ann: Actor) -> None:
    limit(ann, per_subject_max=2)

    learnt = learn(subject_of(ann), "I love tea. I live in Rome. I work at Acme.")

    assert (learnt.created, learnt.refused) == (2, 1)
    assert Subject.objects.get().memory_count == 2


def test_a_limit_that_was_lowered_is_kept(ann: Actor) -> None:
    for number in range(6):
        keep(ann, f"a boat of {number} masts", **aged(300))
    limit(ann, per_subject_max=3)

    assert learn(subject_of(ann), "I live in Rome.") == Learnt(created=1)

    assert Subject.objects.get().memory_count == 3


def test_far_too_many_are_left_to_the_sweep(ann: Actor) -> None:
    for number in range(25):
        keep(ann, f"a boat of {number} masts", **aged(300))
    limit(ann, per_subject_max=3)

    assert learn(subject_of(ann), "I live in Rome.") == Learnt(refused=1)
    services.sweep_memories()
    assert learn(subject_of(ann), "I live in Rome.") == Learnt(created=1)


def test_a_full_workspace_makes_room_from_the_learners_own(
    ann: Actor, committed: World, people: People, actor_in: ActorIn
) -> None:
    bea = actor_in(people.bea, committed.acme)
    with acting(committed.acme, bea):
        keep(bea, "a fig", **aged(900))
    keep(ann, "a boat", **aged(90))
    limit(ann, per_workspace_max=2)

    assert learn(subject_of(ann), "I live in Rome.") == Learnt(created=1)

    assert live_texts() == ["Lives in Rome.", "a fig"]
    with acting(committed.globex, actor_in(people.bea, committed.globex)) as there:
        assert learn(there, "I live in Rome.") == Learnt(created=1)


def test_consolidation_begins_ahead_of_the_night_by_learning_too(ann: Actor) -> None:
    limit(ann, per_subject_max=10)
    for number in range(8):
        keep(ann, f"a boat of {number} masts")
    message = said("I live in Rome.")
    readings = services.read_said(subject_id=subject_of(ann), said=[message])

    with transaction.atomic():  # what is sent at the commit is seen before it
        services.absorb(subject_id=subject_of(ann), said=[message], readings=readings)
        sent = OutboxEntry.objects.filter(task="memory.consolidate")
        assert [each.kwargs for each in sent] == [{"subject_id": str(subject_of(ann))}]


def test_the_page_says_that_memory_is_full(
    ann: Actor, committed: World, people: People, browser_of: BrowserOf
) -> None:
    client = browser_of(people.ann, committed.acme)
    keep(ann, "a boat")
    before = client.get("/settings/memory/").content.decode()
    limit(ann, per_subject_max=1)
    with scope.tenant_scope(committed.acme):
        after = client.get("/settings/memory/").content.decode()

    assert "Your memory is full" not in before
    assert "Your memory is full" in after
