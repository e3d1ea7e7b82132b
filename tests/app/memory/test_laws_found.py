"""What random work broke (`test_laws`), each in a few steps by hand."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from apps.accounts.permissions import MEMORY_WRITE
from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef
from apps.memory import services
from apps.memory.contracts import (
    ChangesetKind,
    MemoryChange,
    MemoryKind,
    MemoryStatus,
    Merge,
    NewMemory,
    PolicyView,
    Retirement,
    Said,
)
from apps.memory.errors import ChangesetOutdated
from apps.memory.models import Changeset, Entity, Evidence, Memory, Utterance
from tests.app.memory.life import acting, keep, live_texts, mention, prove
from tests.app.memory.test_forgetting import everything, told_in_short
from tests.fixtures.database import World
from tests.fixtures.people import People

ActorIn = Callable[[UUID, TenantRef], Actor]
BEGAN = datetime(2026, 3, 5, 9, tzinfo=UTC)


@pytest.fixture
def ann(committed: World, people: People, actor_in: ActorIn, settings: Any) -> Iterator[Actor]:
    settings.DEFAULT_MODEL = "echo/plain"  # carries out scripts: writes no accounts
    actor = actor_in(people.ann, committed.acme)
    with acting(committed.acme, actor):
        yield actor


def hear(subject_id: UUID, *texts: str) -> list[UUID]:
    """Say these, a day apart, and have them learnt from; return the messages' ids."""
    said = [
        Said(
            message_id=new_id(), conversation_id=new_id(), speaker="", by_assistant=False,
            text=text, said_at=BEGAN + timedelta(days=day),
        )
        for day, text in enumerate(texts)
    ]  # fmt: skip
    readings = services.read_said(subject_id=subject_id, said=said)
    services.absorb(subject_id=subject_id, said=said, readings=readings)
    return [each.message_id for each in said]


def subject_of(actor: Actor) -> UUID:
    assert actor.id is not None
    return actor.id


def merge(actor: Actor, text: str, *source_ids: UUID) -> UUID:
    """Have several memories be one that is made of them; return it."""
    new = NewMemory(text=text, kind=MemoryKind.SEMANTIC, importance=5, confidence=1)
    view = services.apply_changeset(
        subject_id=subject_of(actor),
        kind=ChangesetKind.MERGE,
        merges=[Merge(source_ids=source_ids, into=new)],
    )
    return next(each.memory_id for each in view.entries if not each.before)


def forget(actor: Actor, memory_id: UUID) -> None:
    services.forget(actor=actor, permission=MEMORY_WRITE, memory_id=memory_id)


def restore(actor: Actor, memory_id: UUID) -> None:
    services.restore(actor=actor, permission=MEMORY_WRITE, memory_id=memory_id)


def test_an_account_goes_when_all_it_tells_was_restored_and_one_is_forgotten(ann: Actor) -> None:
    """There was nothing left to tell: an IndexError."""
    ids = told_in_short(ann, "I met the heron", "I lost a shoe", "I ate figs")
    for each in ids:
        restore(ann, each)

    forget(ann, ids[0])

    assert live_texts() == ["I ate figs", "I lost a shoe"]
    assert "heron" not in everything()


def test_words_and_names_that_were_merged_twice_are_forgotten_with_their_source(
    ann: Actor,
) -> None:
    """Only the first copy was taken away."""
    first, second, third = (keep(ann, f"a {what}") for what in ("bird", "boat", "shoe"))
    prove(first, "Herodias, my heron")
    mention(first, "Herodias")
    prove(second, "the Argo")
    once = merge(ann, "a bird and a boat", first, second)
    twice = merge(ann, "a bird, a boat and a shoe", once, third)
    assert Evidence.objects.filter(memory=twice).count() == 2

    forget(ann, first)

    assert "herodias" not in everything()
    assert [each.quote for each in Evidence.objects.filter(memory=twice)] == ["the Argo"]
    assert "bird" not in Memory.objects.get(pk=twice).text


def test_what_two_sources_rest_on_stays_when_one_is_forgotten(ann: Actor) -> None:
    """The copy belonged to the first of them alone."""
    first, second, third = (keep(ann, f"a {what}") for what in ("bird", "boat", "shoe"))
    message_id = prove(first, "a bird in a boat")
    Evidence.objects.create(memory_id=second, message_id=message_id, quote="a bird in a boat")
    made = merge(ann, "a bird and a boat", first, second, third)

    forget(ann, first)
    assert Evidence.objects.filter(memory=made, message_id=message_id).exists()
    forget(ann, second)
    assert not Evidence.objects.filter(message_id=message_id).exists()


def test_nobody_undoes_what_lost_a_part(ann: Actor) -> None:
    ids = [keep(ann, f"a {what}") for what in ("bird", "boat", "shoe")]
    merge(ann, "several", *ids)
    forget(ann, ids[0])

    with pytest.raises(ChangesetOutdated):
        services.undo_changeset(
            actor=ann, permission=MEMORY_WRITE, changeset_id=Changeset.objects.get().pk
        )


def test_undoing_what_was_learnt_takes_its_names_along(ann: Actor) -> None:
    """They stayed, mentioned by nobody."""
    (message_id,) = hear(subject_of(ann), "My brother Tom lives in Leeds.")
    assert Entity.objects.exists()

    services.undo_changeset(actor=ann, permission=MEMORY_WRITE, changeset_id=message_id)

    assert not Memory.objects.exists()
    assert not Entity.objects.exists()
    assert "leeds" not in everything().replace("my brother tom lives in leeds", "")


def test_a_superseded_memory_that_is_made_active_is_superseded_no_more(ann: Actor) -> None:
    """By `PATCH`, it kept its successor and the end of its validity."""
    hear(subject_of(ann), "I live in Rome.", "I moved to Berlin.")
    old = Memory.objects.get(text="Lives in Rome.")

    services.update_memory(
        actor=ann,
        permission=MEMORY_WRITE,
        memory_id=old.pk,
        change=MemoryChange(status=MemoryStatus.ACTIVE),
    )

    old.refresh_from_db()
    assert (old.status, old.superseded_by, old.valid_to, old.retired_at) == (
        "active", None, None, None,
    )  # fmt: skip


@pytest.mark.parametrize("way", ["restore", "update"])
def test_what_is_believed_again_takes_the_place_of_what_its_slot_holds(
    ann: Actor, way: str
) -> None:
    """Both were true at once."""
    hear(subject_of(ann), "I live in Rome.", "I moved to Berlin.")
    rome, berlin = Memory.objects.order_by("pk")

    if way == "restore":
        restore(ann, rome.pk)
    else:
        change = MemoryChange(status=MemoryStatus.ACTIVE)
        services.update_memory(actor=ann, permission=MEMORY_WRITE, memory_id=rome.pk, change=change)

    assert live_texts() == ["Lives in Rome."]
    berlin.refresh_from_db()
    assert (berlin.status, berlin.superseded_by_id) == ("archived", rome.pk)
    assert berlin.valid_to is not None
    assert berlin.valid_from is not None
    assert berlin.valid_to > berlin.valid_from
    restore(ann, berlin.pk)
    assert live_texts() == ["Lives in Berlin."]


def test_undoing_does_not_bring_a_second_value_back(ann: Actor) -> None:
    hear(subject_of(ann), "I live in Rome.")
    (rome,) = Memory.objects.all()
    swept = services.apply_changeset(
        subject_id=subject_of(ann),
        kind=ChangesetKind.LIFE,
        retirements=[Retirement(memory_id=rome.pk, status=MemoryStatus.ARCHIVED, reason="decay")],
    )
    hear(subject_of(ann), "I moved to Berlin.")

    with pytest.raises(ChangesetOutdated):
        services.undo_changeset(actor=ann, permission=MEMORY_WRITE, changeset_id=swept.id)

    assert live_texts() == ["Lives in Berlin."]


def test_what_a_deleted_message_taught_goes_though_its_words_were_erased_before(
    ann: Actor,
) -> None:
    """The policy, or a topic, had erased the evidence by which it was found."""
    first, second = hear(subject_of(ann), "I live in Rome.", "I love tea.")
    services.change_memory_policy(
        actor=ann, permission=MEMORY_WRITE, wanted=PolicyView(said_retention_days=1)
    )
    services.sweep_memories()
    assert not Evidence.objects.exists()
    assert live_texts() == ["Lives in Rome.", "Loves tea."]

    services.forget_messages(message_ids=[first])

    assert live_texts() == ["Loves tea."]
    assert Memory.objects.get().source_message_ids == [second]


def test_what_was_made_of_it_no_longer_names_a_deleted_message(ann: Actor) -> None:
    """Where the words were erased before, only what was learnt from it was found."""
    first, second = hear(subject_of(ann), "I love tea.", "I love tea!")
    made = merge(ann, "drinks", Memory.objects.get().pk, keep(ann, "a cup"))
    twice = merge(ann, "drinks and food", made, keep(ann, "a plate"))
    services.change_memory_policy(
        actor=ann, permission=MEMORY_WRITE, wanted=PolicyView(said_retention_days=1)
    )
    services.sweep_memories()

    services.forget_messages(message_ids=[first])

    named = dict(Memory.objects.values_list("pk", "source_message_ids"))
    assert named[made] == named[twice] == [second]
    assert first not in {each for several in named.values() for each in several}


def test_a_message_that_is_handed_over_twice_at_once_is_kept_once(ann: Actor) -> None:
    said = Said(
        message_id=new_id(), conversation_id=new_id(), speaker="", by_assistant=False,
        text="the heron", said_at=BEGAN,
    )  # fmt: skip

    assert services.take_in(subject_id=subject_of(ann), said=[said, said]) == 1
    assert Utterance.objects.count() == 1
