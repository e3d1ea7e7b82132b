"""Changesets: several changes of memories that happen, and are undone, as one."""

from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from apps.accounts.permissions import MEMORY_READ, MEMORY_WRITE
from apps.audit.models import AuditEntry
from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef
from apps.memory import selectors, services
from apps.memory.contracts import (
    ChangesetKind,
    ChangesetState,
    ChangesetView,
    MemoryChange,
    MemoryKind,
    MemoryStatus,
    Merge,
    NewMemory,
    Retirement,
)
from apps.memory.errors import ChangesetNotFound, ChangesetOutdated, MemoryExists
from apps.memory.models import Changeset, Evidence, Memory
from apps.memory.services.changesets import ChangesetBroken
from tests.app.memory.life import acting, keep, live_texts, mention, picture, prove
from tests.fixtures.database import World
from tests.fixtures.people import People

ActorIn = Callable[[UUID, TenantRef], Actor]
ABOUT = NewMemory(text="In March: a and b", kind=MemoryKind.SEMANTIC, importance=4, confidence=0.5)


@pytest.fixture
def ann(committed: World, people: People, actor_in: ActorIn) -> Iterator[Actor]:
    actor = actor_in(people.ann, committed.acme)
    with acting(committed.acme, actor):
        yield actor


def merge(
    actor: Actor, into: UUID | NewMemory, *sources: UUID, dry_run: bool = False
) -> ChangesetView:
    assert actor.id is not None
    return services.apply_changeset(
        subject_id=actor.id,
        kind=ChangesetKind.MERGE,
        merges=[Merge(source_ids=sources, into=into)],
        dry_run=dry_run,
    )


def retire(actor: Actor, *ids: UUID) -> ChangesetView:
    assert actor.id is not None
    return services.apply_changeset(
        subject_id=actor.id,
        kind=ChangesetKind.LIFE,
        retirements=[
            Retirement(memory_id=pk, status=MemoryStatus.ARCHIVED, reason="decay") for pk in ids
        ],
    )


def undo(actor: Actor, changeset: ChangesetView) -> ChangesetView:
    return services.undo_changeset(actor=actor, permission=MEMORY_WRITE, changeset_id=changeset.id)


def test_what_takes_the_place_carries_everything_the_others_rest_on(ann: Actor) -> None:
    a, b = keep(ann, "a"), keep(ann, "b", proof_count=3, use_count=2, importance=9)
    said = {prove(a, "it is a"), prove(b, "it is b")}
    ada = mention(b, "Ada")

    merge(ann, a, b)

    stays, gone = Memory.objects.get(pk=a), Memory.objects.get(pk=b)
    assert set(stays.evidence.values_list("message_id", flat=True)) == said
    assert set(stays.mentions.values_list("entity_id", flat=True)) == {ada}
    assert (stays.proof_count, stays.use_count, stays.importance) == (4, 2, 9)
    assert (gone.status, gone.superseded_by_id) == ("archived", a)
    assert None not in (gone.valid_to, gone.retired_at)
    assert (gone.place, gone.embedding) == (None, None)


def test_what_is_made_is_made_with_its_sources_superseded(ann: Actor) -> None:
    a, b = keep(ann, "a"), keep(ann, "b")
    said = prove(a, "it is a")

    merge(ann, ABOUT, a, b)

    made = Memory.objects.get(text=ABOUT.text)
    assert set(made.supersedes.values_list("pk", flat=True)) == {a, b}
    assert [each.message_id for each in made.evidence.all()] == [said]
    assert live_texts() == [ABOUT.text]


def test_a_dry_run_says_what_would_change_and_changes_nothing(ann: Actor) -> None:
    a, b = keep(ann, "a"), keep(ann, "b")
    before = picture()

    planned = merge(ann, ABOUT, a, b, dry_run=True)

    assert planned.state is ChangesetState.PLANNED
    by_id = {entry.memory_id: entry for entry in planned.entries}
    assert by_id[a].before["status"] == "active"
    assert by_id[a].after["status"] == "archived"
    (made,) = [entry for entry in planned.entries if not entry.before]
    assert made.after["text"] == ABOUT.text
    assert picture() == before
    assert not Changeset.objects.exists()


@pytest.mark.parametrize("into_new", [True, False])
def test_undoing_brings_everything_back(ann: Actor, into_new: bool) -> None:
    a, b, c = keep(ann, "a"), keep(ann, "b", importance=9), keep(ann, "c")
    for each in (a, b, c):
        prove(each, "said")
        mention(each, str(each))
    before = picture()
    done = merge(ann, ABOUT if into_new else c, a, b)
    assert picture() != before

    undone = undo(ann, done)

    assert undone.state is ChangesetState.UNDONE
    assert picture() == before
    assert ABOUT.text not in str(list(Changeset.objects.values("entries__after")))


def test_a_retirement_is_undone_too(ann: Actor) -> None:
    a = keep(ann, "a")
    before = picture()

    done = retire(ann, a)
    assert live_texts() == []
    undo(ann, done)

    assert picture() == before


def test_use_in_between_is_no_change_and_is_not_lost(ann: Actor) -> None:
    a, b = keep(ann, "a", use_count=1), keep(ann, "b", use_count=2)
    done = merge(ann, a, b)
    services.note_used(memory_ids=[a])

    undo(ann, done)

    assert dict(Memory.objects.values_list("text", "use_count")) == {"a": 2, "b": 2}


def test_undoing_is_refused_where_a_memory_was_changed_since(ann: Actor) -> None:
    a, b = keep(ann, "a"), keep(ann, "b")
    done = merge(ann, a, b)
    services.update_memory(
        actor=ann, permission=MEMORY_WRITE, memory_id=a, change=MemoryChange(text="a again")
    )
    before = picture()

    with pytest.raises(ChangesetOutdated) as caught:
        undo(ann, done)

    assert caught.value.memory_ids == [str(a)]
    assert picture() == before


def test_undoing_is_refused_where_the_same_was_said_again(ann: Actor) -> None:
    a, b = keep(ann, "a"), keep(ann, "b")
    done = merge(ann, a, b)
    keep(ann, "b")

    with pytest.raises(ChangesetOutdated):
        undo(ann, done)


def test_undoing_is_refused_where_a_memory_was_forgotten(ann: Actor) -> None:
    a, b = keep(ann, "a"), keep(ann, "b")
    done = merge(ann, a, b)
    services.forget(actor=ann, permission=MEMORY_WRITE, memory_id=b)

    with pytest.raises(ChangesetOutdated):
        undo(ann, done)


def test_nothing_is_undone_twice(ann: Actor) -> None:
    done = retire(ann, keep(ann, "a"))
    first, before = undo(ann, done), picture()

    assert undo(ann, done) == first
    assert picture() == before
    assert AuditEntry.objects.filter(action="memory.changeset_undone").count() == 1


def test_what_is_not_live_is_not_merged_and_then_nothing_is(ann: Actor) -> None:
    a, b, c = keep(ann, "a"), keep(ann, "b"), keep(ann, "c")
    retire(ann, c)
    before = picture()

    with pytest.raises(ChangesetOutdated) as caught:
        merge(ann, a, b, c)

    assert caught.value.memory_ids == [str(c)]
    assert picture() == before


def test_what_is_made_may_not_say_what_another_memory_says(ann: Actor) -> None:
    a = keep(ann, "a")
    keep(ann, ABOUT.text)
    before = picture()

    with pytest.raises(MemoryExists):
        merge(ann, ABOUT, a)

    assert picture() == before


def test_a_memory_stands_in_one_change_only(ann: Actor) -> None:
    a = keep(ann, "a")

    with pytest.raises(ChangesetBroken):
        merge(ann, a, a)
    with pytest.raises(ChangesetBroken):
        merge(ann, a)


def test_memories_of_others_are_out_of_reach(
    ann: Actor, committed: World, people: People, actor_in: ActorIn
) -> None:
    bea = actor_in(people.bea, committed.acme)
    mine, theirs = keep(ann, "mine"), keep(bea, "theirs")
    done = retire(bea, keep(bea, "faded"))

    with pytest.raises(ChangesetOutdated):
        merge(ann, mine, theirs)
    for wrong in (done.id, new_id()):
        with pytest.raises(ChangesetNotFound):
            services.undo_changeset(actor=ann, permission=MEMORY_WRITE, changeset_id=wrong)
    assert [row.pk for row in selectors.list_changesets(actor=bea, permission=MEMORY_READ)] == [
        done.id
    ]
    assert not selectors.list_changesets(actor=ann, permission=MEMORY_READ).exists()


def test_evidence_from_the_same_message_is_carried_once(ann: Actor) -> None:
    a, b = keep(ann, "a"), keep(ann, "b")
    message_id = prove(a, "it is a")
    Evidence.objects.create(memory_id=b, message_id=message_id, quote="it is a")
    Evidence.objects.create(memory_id=b, quote="told")

    merge(ann, a, b)

    assert sorted(Memory.objects.get(pk=a).evidence.values_list("quote", flat=True)) == [
        "it is a",
        "told",
    ]
