"""Forgotten means gone: rows, words, names, versions, changesets, and what was said."""

from typing import Any

import pytest
from django.test import Client

from apps.audit.models import AuditEntry
from apps.core.scope import Actor
from apps.memory.contracts import EntityKind, MemoryStatus
from apps.memory.models import (
    Changeset,
    ChangesetEntry,
    Entity,
    Evidence,
    Memory,
    MemoryVersion,
    Posting,
    Utterance,
)
from apps.memory.recall import recall
from tests.app.memory.remembering import as_person, counts_of, edit, name_in, rest_on, say, told
from tests.fixtures.database import World
from tests.fixtures.people import ActorIn, People

MEMORIES = "/api/v1/memories"


def forget(client: Client, **body: object) -> Any:
    return client.post(f"{MEMORIES}/forget", body, content_type="application/json")


def texts_left() -> set[str]:
    return set(Memory.objects.values_list("text", flat=True))


def in_a_changeset(memory: Memory) -> None:
    changeset = Changeset.objects.create(subject_id=memory.subject_id, kind="merge")
    ChangesetEntry.objects.create(
        changeset=changeset, memory_id=memory.pk, before={"text": memory.text}, after={"text": "x"}
    )


def test_everything_is_forgotten_after_the_words_were_said(browser: Client, in_acme: Actor) -> None:
    [said] = say(in_acme, "The heron sleeps")
    memory = told(in_acme, "Herons sleep standing")
    rest_on(memory, said)
    name_in(memory, "Heron", kind=EntityKind.THING)
    edit(in_acme, memory, importance=9)
    in_a_changeset(memory)
    put_aside = told(in_acme, "Old heron")
    edit(in_acme, put_aside, status=MemoryStatus.ARCHIVED)

    refused = browser.delete(MEMORIES)
    assert refused.status_code == 400
    assert "confirm" in refused.json()["error"]["details"]["fields"]
    assert len(texts_left()) == 2

    gone = browser.delete(f"{MEMORIES}?confirm=forget+everything")

    assert gone.json() == {"memories": 2, "said": 1, "entities": 1}
    for model in (Memory, Utterance, Posting, Entity, Evidence, MemoryVersion, Changeset):
        assert not model.objects.exists(), model
    assert in_acme.id is not None
    assert list(counts_of(in_acme.id)) == [0, 0, 0, 0]
    assert recall(query="heron", subject_id=in_acme.id, k=5, within_s=30) == ()


def test_after_everything_was_forgotten_one_can_begin_anew(browser: Client, in_acme: Actor) -> None:
    told(in_acme, "The heron sleeps")
    say(in_acme, "A heron")
    browser.delete(MEMORIES, {"confirm": "forget everything"}, content_type="application/json")

    told(in_acme, "The otter swims")
    say(in_acme, "An otter")

    assert in_acme.id is not None
    found = recall(query="otter", subject_id=in_acme.id, k=5, within_s=30)
    assert {each.text for each in found} == {"The otter swims", "An otter"}


def test_a_topic_is_forgotten_in_every_state_and_in_what_was_said(
    browser: Client, in_acme: Actor
) -> None:
    moving = told(in_acme, "I am moving to Berlin in May")
    in_a_changeset(moving)
    old = told(in_acme, "The move to Berlin was planned for March")
    edit(in_acme, old, status=MemoryStatus.ARCHIVED)
    told(in_acme, "Berlin has good bread")
    say(in_acme, "Help me with the move to Berlin", "And with bread")

    tried = forget(browser, topic="moves Berlin", dry_run=True).json()
    assert tried == {"memories": 2, "said": 1, "entities": 0}
    assert len(texts_left()) == 3

    assert forget(browser, topic="moves Berlin").json() == tried
    assert texts_left() == {"Berlin has good bread"}
    assert set(Utterance.objects.values_list("text", flat=True)) == {"And with bread"}
    entry = ChangesetEntry.objects.get()
    assert (entry.before, entry.after) == ({}, {})
    assert forget(browser, topic="moves Berlin").json() == {"memories": 0, "said": 0, "entities": 0}
    assert in_acme.id is not None
    found = recall(query="move Berlin", subject_id=in_acme.id, k=5, within_s=30)
    assert "move" not in str([each.text for each in found])


def test_the_counts_of_the_index_stay_right(browser: Client, in_acme: Actor) -> None:
    told(in_acme, "green tea")
    say(in_acme, "two words")
    assert in_acme.id is not None
    before = counts_of(in_acme.id)
    told(in_acme, "the heron sleeps standing")
    say(in_acme, "heron heron heron")

    forget(browser, topic="heron")

    assert counts_of(in_acme.id) == before
    assert not Posting.objects.filter(lexeme="heron").exists()


def test_a_person_is_forgotten_by_name(browser: Client, in_acme: Actor) -> None:
    name_in(told(in_acme, "My sister studies in Porto"), "Ada")
    told(in_acme, "Ada Lovelace wrote programs")
    told(in_acme, "Bob likes chess")
    say(in_acme, "I called Ada", "I called Bob")

    assert forget(browser, entity="ada").json() == {"memories": 2, "said": 1, "entities": 1}
    assert texts_left() == {"Bob likes chess"}
    assert not Entity.objects.exists()


@pytest.mark.parametrize("body", [{}, {"topic": "  "}, {"topic": "x", "entity": "y"}])
def test_what_means_nothing_forgets_nothing(
    browser: Client, in_acme: Actor, body: dict[str, str]
) -> None:
    told(in_acme, "The heron sleeps")

    assert forget(browser, **body).status_code == 400
    assert len(texts_left()) == 1


def test_a_topic_of_words_that_say_nothing_fits_nothing(browser: Client, in_acme: Actor) -> None:
    told(in_acme, "The heron sleeps")

    assert forget(browser, topic="the").json()["memories"] == 0
    assert len(texts_left()) == 1


def test_what_is_forgotten_is_audited_by_number_only(browser: Client, in_acme: Actor) -> None:
    told(in_acme, "The heron sleeps")
    forget(browser, topic="heron")
    browser.delete(f"{MEMORIES}?confirm=forget+everything")

    entries = AuditEntry.objects.filter(target_type="memory_subject").order_by("id")
    assert [(entry.action, entry.data) for entry in entries] == [
        ("memory.forgotten", {"what": "topic", "memories": 1, "said": 0}),
        ("memory.forgotten", {"what": "all", "memories": 0, "said": 0}),
    ]
    assert "heron" not in str([vars(entry) for entry in entries])


def test_forgetting_one_leaves_no_text_behind(browser: Client, in_acme: Actor) -> None:
    memory = told(in_acme, "The heron sleeps")
    in_a_changeset(memory)
    name_in(memory, "Heron")

    assert browser.delete(f"{MEMORIES}/{memory.pk}").status_code == 204
    assert not Entity.objects.exists()
    assert "heron" not in str(list(ChangesetEntry.objects.values())).lower()


def test_others_keep_what_they_know(
    committed: World, people: People, in_acme: Actor, browser: Client, actor_in: ActorIn
) -> None:
    told(in_acme, "The heron sleeps")
    others = [
        (actor_in(people.bea, committed.acme), committed.acme),
        (actor_in(people.gus, committed.globex), committed.globex),
    ]
    for actor, tenant in others:
        with as_person(actor, tenant):
            told(actor, "The heron sleeps")
            say(actor, "A heron")

    forget(browser, topic="heron")
    browser.delete(f"{MEMORIES}?confirm=forget+everything")

    for actor, tenant in others:
        with as_person(actor, tenant) as subject_id:
            assert Memory.objects.filter(subject_id=subject_id).count() == 1
            found = recall(query="heron", subject_id=subject_id, k=5, within_s=30)
            assert len(found) == 2
