"""Forgetting: what is erased is nowhere, and what was made of it goes or is told anew."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from apps.accounts.permissions import MEMORY_WRITE
from apps.core import scope
from apps.core.errors import InvalidInput
from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef
from apps.memory import services
from apps.memory.contracts import (
    ChangesetKind,
    Forgotten,
    MemoryChange,
    Merge,
    Said,
    SubjectKind,
)
from apps.memory.models import Entity, Memory, MemoryVersion, Posting, Subject, Utterance
from tests.app.memory.life import acting, aged, keep, live_texts, mention, picture, prove
from tests.fixtures.database import World
from tests.fixtures.people import People

ActorIn = Callable[[UUID, TenantRef], Actor]
MARCH = datetime(2026, 3, 5, tzinfo=UTC)
_TABLES = (
    "memory", "evidence", "entity", "mention", "memoryversion", "changeset", "changesetentry",
    "posting", "utterance",
)  # fmt: skip


@pytest.fixture
def ann(committed: World, people: People, actor_in: ActorIn, settings: Any) -> Iterator[Actor]:
    settings.DEFAULT_MODEL = "echo/plain"  # carries out scripts: writes no accounts
    actor = actor_in(people.ann, committed.acme)
    with acting(committed.acme, actor):
        yield actor


def everything() -> str:
    """Everything that the tables of memory in scope and the audit hold, as one text."""
    found = []
    with connection.cursor() as cursor:
        for table in (*(f"memory_{name}" for name in _TABLES), "public.audit_auditentry"):
            cursor.execute(f"SELECT row_to_json(row)::text FROM {table} AS row")
            found += [row[0] for row in cursor.fetchall()]
    return "\n".join(found).casefold()


def say(actor: Actor, *texts: str) -> list[UUID]:
    assert actor.id is not None
    said = [
        Said(
            message_id=new_id(),
            conversation_id=new_id(),
            speaker="Ann",
            by_assistant=False,
            text=text,
            said_at=MARCH,
        )
        for text in texts
    ]
    services.take_in(subject_id=actor.id, said=said, kind=SubjectKind.PERSON)
    return [each.message_id for each in said]


def told_in_short(actor: Actor, *texts: str) -> list[UUID]:
    """Old episodes that were consolidated into one memory."""
    ids = [
        keep(actor, text, kind="episodic", **aged(300), valid_from=MARCH + timedelta(hours=number))
        for number, text in enumerate(texts)
    ]
    for each, text in zip(ids, texts, strict=True):
        prove(each, text)
    assert actor.id is not None
    services.consolidate(subject_id=actor.id)
    return ids


def test_nothing_of_a_forgotten_memory_is_left_anywhere(ann: Actor) -> None:
    kept = keep(ann, "my heron is called Herodias")
    prove(kept, "Herodias, my heron")
    mention(kept, "Herodias")
    services.update_memory(
        actor=ann,
        permission=MEMORY_WRITE,
        memory_id=kept,
        change=MemoryChange(text="my heron was called Herodias"),
    )
    assert "herodias" in everything()

    services.forget(actor=ann, permission=MEMORY_WRITE, memory_id=kept)

    assert "hero" not in everything()
    assert Subject.objects.get().memory_count == 0


def test_what_says_the_same_is_forgotten_with_it(ann: Actor) -> None:
    stays, merged = keep(ann, "my heron is Herodias"), keep(ann, "Herodias is my heron")
    assert ann.id is not None
    services.apply_changeset(
        subject_id=ann.id,
        kind=ChangesetKind.MERGE,
        merges=[Merge(source_ids=(merged,), into=stays)],
    )

    services.forget(actor=ann, permission=MEMORY_WRITE, memory_id=stays)

    assert "herodias" not in everything()


def test_what_held_before_is_kept_when_what_holds_now_is_forgotten(ann: Actor) -> None:
    """Superseded by a new value is not merged: both were said."""
    old, new = keep(ann, "I live in Porto"), keep(ann, "I live in Lisbon")
    Memory.objects.filter(pk=old).update(superseded_by=new)

    services.forget(actor=ann, permission=MEMORY_WRITE, memory_id=new)

    assert Memory.objects.get().text == "I live in Porto"


def test_an_account_is_told_anew_without_what_was_forgotten(ann: Actor) -> None:
    ids = told_in_short(ann, "I met the heron", "I lost a shoe", "I ate figs")
    assert "heron" in live_texts()[0]

    services.forget(actor=ann, permission=MEMORY_WRITE, memory_id=ids[0])

    assert live_texts() == ["March 2026: I lost a shoe; I ate figs."]
    assert "heron" not in everything()
    made = Memory.objects.get(origin="consolidated")
    assert made.evidence.count() == 2


def test_an_account_goes_with_the_last_of_its_sources(ann: Actor) -> None:
    for each in told_in_short(ann, "I met the heron", "I lost a shoe", "I ate figs"):
        services.forget(actor=ann, permission=MEMORY_WRITE, memory_id=each)

    assert not Memory.objects.exists()
    assert "shoe" not in everything()


def test_an_account_takes_its_sources_with_it(ann: Actor) -> None:
    told_in_short(ann, "I met the heron", "I lost a shoe", "I ate figs")

    made = Memory.objects.get(origin="consolidated")
    services.forget(actor=ann, permission=MEMORY_WRITE, memory_id=made.pk)

    assert not Memory.objects.exists()
    assert "heron" not in everything()


def test_what_was_restored_from_an_account_survives_it(ann: Actor) -> None:
    ids = told_in_short(ann, "I met the heron", "I lost a shoe", "I ate figs")
    services.restore(actor=ann, permission=MEMORY_WRITE, memory_id=ids[0])

    made = Memory.objects.get(origin="consolidated")
    services.forget(actor=ann, permission=MEMORY_WRITE, memory_id=made.pk)

    assert live_texts() == ["I met the heron"]


def test_quotes_of_what_is_unsaid_go(ann: Actor) -> None:
    (message_id,) = say(ann, "my heron is called Herodias")
    kept = keep(ann, "a bird")
    Memory.objects.get(pk=kept).evidence.create(message_id=message_id, quote="Herodias")

    services.forget_messages(message_ids=[message_id])

    assert "herodias" not in everything()
    assert live_texts() == ["a bird"]


def test_forgetting_all_leaves_nothing_and_counts(ann: Actor) -> None:
    told_in_short(ann, "I met the heron", "I lost a shoe", "I ate figs")
    mention(keep(ann, "my heron is Herodias"), "Herodias")
    say(ann, "Herodias sleeps", "so do I")

    done = services.forget_all(actor=ann, permission=MEMORY_WRITE)

    assert done == Forgotten(memories=5, said=2, entities=1)
    assert "hero" not in everything()
    assert not Posting.objects.exists()
    assert not MemoryVersion.objects.exists()
    row = Subject.objects.get()
    assert (row.memory_count, row.memory_words, row.said_count, row.said_words) == (0, 0, 0, 0)
    keep(ann, "tea")
    say(ann, "good morning")
    assert Posting.objects.count() == 3


def test_what_was_said_can_be_kept_when_memories_are_forgotten(ann: Actor) -> None:
    keep(ann, "tea")
    say(ann, "good morning")

    done = services.forget_all(actor=ann, permission=MEMORY_WRITE, with_said=False)

    assert (done.memories, done.said) == (1, 0)
    assert Utterance.objects.count() == 1
    assert Posting.objects.count() == 2


def test_a_topic_is_forgotten_by_its_words_and_names(ann: Actor) -> None:
    named = keep(ann, "she sails")
    ada = mention(named, "Ada Byron")
    keep(ann, "Ada Byron is my sister")
    archived = keep(ann, "Ada  Byron's boat")
    services.update_memory(
        actor=ann,
        permission=MEMORY_WRITE,
        memory_id=archived,
        change=MemoryChange(importance=3),
    )
    keep(ann, "Ada is a language")
    say(ann, "Ada Byron sails", "Ada sails")
    before = picture()

    planned = services.forget_about(
        actor=ann, permission=MEMORY_WRITE, topic="ada byron", dry_run=True
    )
    assert picture() == before
    done = services.forget_about(actor=ann, permission=MEMORY_WRITE, entity_id=ada)

    assert planned == done == Forgotten(memories=3, said=1, entities=1)
    assert live_texts() == ["Ada is a language"]
    assert "byron" not in everything()
    assert not Entity.objects.exists()


@pytest.mark.parametrize("topic", ["", "  ", "x" * 201])
def test_a_topic_that_says_nothing_is_refused(ann: Actor, topic: str) -> None:
    with pytest.raises(InvalidInput):
        services.forget_about(actor=ann, permission=MEMORY_WRITE, topic=topic)
    with pytest.raises(InvalidInput):
        services.forget_about(actor=ann, permission=MEMORY_WRITE, entity_id=new_id())


@pytest.mark.parametrize("topic", ["the", "'; DROP", "a & | ! :* ("])
def test_a_topic_without_words_finds_nothing(ann: Actor, topic: str) -> None:
    keep(ann, "the heron")

    assert services.forget_about(actor=ann, permission=MEMORY_WRITE, topic=topic) == Forgotten()
    assert live_texts() == ["the heron"]


def test_nobody_forgets_for_somebody_else(
    ann: Actor, committed: World, people: People, actor_in: ActorIn
) -> None:
    bea = actor_in(people.bea, committed.acme)
    keep(bea, "the heron of Bea")
    say(bea, "the heron sleeps")
    with acting(committed.globex, bea):
        keep(bea, "the heron of Bea")

    services.forget_about(actor=ann, permission=MEMORY_WRITE, topic="heron")
    services.forget_all(actor=ann, permission=MEMORY_WRITE)
    assert live_texts() == ["the heron of Bea"]
    services.forget_all(actor=bea, permission=MEMORY_WRITE)
    with scope.tenant_scope(committed.globex):
        assert live_texts() == ["the heron of Bea"]
