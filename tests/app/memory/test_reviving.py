"""What comes back when the message of what superseded it is deleted."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from apps.accounts.permissions import MEMORY_WRITE
from apps.audit.models import AuditEntry
from apps.core import scope
from apps.core.clock import now
from apps.core.scope import Actor, TenantRef
from apps.memory import services
from apps.memory.contracts import MemoryChange, MemoryStatus, PolicyView
from apps.memory.models import Memory, MemoryVersion, Posting, Subject
from apps.memory.recall import recall
from tests.app.memory.life import acting, keep, live_texts
from tests.app.memory.test_laws_found import hear, restore, subject_of
from tests.fixtures.database import World
from tests.fixtures.people import People

ActorIn = Callable[[UUID, TenantRef], Actor]


@pytest.fixture
def ann(committed: World, people: People, actor_in: ActorIn, settings: Any) -> Iterator[Actor]:
    settings.DEFAULT_MODEL = "echo/plain"
    actor = actor_in(people.ann, committed.acme)
    with acting(committed.acme, actor):
        yield actor


def one(text: str) -> Memory:
    return Memory.objects.get(text=text)


def forget_messages(*message_ids: UUID) -> int:
    return services.forget_messages(message_ids=message_ids)


def test_the_older_fact_holds_again_as_it_was_told(ann: Actor) -> None:
    _rome, berlin = hear(subject_of(ann), "I live in Rome.", "I moved to Berlin.")
    before = one("Lives in Rome.")
    assert before.superseded_by == one("Lives in Berlin.")

    assert forget_messages(berlin) == 1

    rome = one("Lives in Rome.")
    assert live_texts() == ["Lives in Rome."]
    assert (rome.superseded_by, rome.valid_to, rome.retired_at) == (None, None, None)
    assert rome.valid_from == before.valid_from
    assert Posting.objects.filter(place=rome.place or 0, lexeme="rome").exists()
    found = recall(query="Where do I live?", subject_id=subject_of(ann), k=1, within_s=30)
    assert "Rome" in found[0].text
    last = MemoryVersion.objects.filter(memory=rome).order_by("-number")[0]
    assert (last.reason, last.before["status"]) == ("restored", "archived")
    assert AuditEntry.objects.filter(action="memory.restored", target_id=rome.pk).count() == 1


def test_forgetting_the_message_again_changes_nothing(ann: Actor) -> None:
    _rome, berlin = hear(subject_of(ann), "I live in Rome.", "I moved to Berlin.")
    forget_messages(berlin)
    versions = MemoryVersion.objects.count()

    assert forget_messages(berlin) == 0

    assert MemoryVersion.objects.count() == versions
    assert live_texts() == ["Lives in Rome."]


def test_what_another_message_proves_stays_and_so_does_what_it_superseded(ann: Actor) -> None:
    _rome, berlin, _again = hear(
        subject_of(ann), "I live in Rome.", "I moved to Berlin.", "I live in Berlin."
    )

    assert forget_messages(berlin) == 0

    assert live_texts() == ["Lives in Berlin."]
    assert one("Lives in Rome.").superseded_by == one("Lives in Berlin.")


def test_of_three_the_first_points_at_the_last_when_the_second_goes(ann: Actor) -> None:
    _rome, berlin, _oslo = hear(
        subject_of(ann), "I live in Rome.", "I moved to Berlin.", "I moved to Oslo."
    )

    forget_messages(berlin)

    rome, oslo = one("Lives in Rome."), one("Lives in Oslo.")
    assert live_texts() == ["Lives in Oslo."]
    assert (rome.status, rome.superseded_by) == ("archived", oslo)
    assert rome.valid_to == oslo.valid_from


def test_of_three_the_first_comes_back_when_both_others_go_at_once(ann: Actor) -> None:
    _rome, berlin, oslo = hear(
        subject_of(ann), "I live in Rome.", "I moved to Berlin.", "I moved to Oslo."
    )

    assert forget_messages(oslo, berlin) == 2

    assert live_texts() == ["Lives in Rome."]


def test_one_after_the_other_goes_back_step_by_step(ann: Actor) -> None:
    _rome, berlin, oslo = hear(
        subject_of(ann), "I live in Rome.", "I moved to Berlin.", "I moved to Oslo."
    )

    forget_messages(oslo)
    assert live_texts() == ["Lives in Berlin."]
    forget_messages(berlin)
    assert live_texts() == ["Lives in Rome."]
    assert one("Lives in Rome.").valid_to is None


def test_of_several_that_were_superseded_the_one_said_last_comes_back(ann: Actor) -> None:
    """Said earlier and learnt later, a value was history from the start."""
    hear(subject_of(ann), "Good morning.", "I live in Oslo.")  # a day after the next one
    hear(subject_of(ann), "I live in Rome.")
    (_bye, _bye, berlin) = hear(subject_of(ann), "Bye.", "Bye.", "I moved to Berlin.")
    assert live_texts() == ["Lives in Berlin."]

    forget_messages(berlin)

    assert live_texts() == ["Lives in Oslo."]
    assert one("Lives in Rome.").superseded_by == one("Lives in Oslo.")


def test_the_end_of_something_is_taken_back_with_its_message(ann: Actor) -> None:
    _acme, ended = hear(subject_of(ann), "I work at Acme.", "I quit my job at Acme.")
    assert live_texts() == ["No longer works at Acme."]

    forget_messages(ended)

    assert live_texts() == ["Works at Acme."]


def test_a_plan_that_another_one_replaced_comes_back(ann: Actor) -> None:
    _lisbon, porto = hear(
        subject_of(ann),
        "I'm going to Lisbon next week.",
        "Change of plans: I'm going to Porto next week instead.",
    )
    (first,) = Memory.objects.filter(superseded_by__isnull=False)

    forget_messages(porto)

    assert live_texts() == [first.text]


def test_what_is_said_meanwhile_by_hand_stays_and_is_pointed_at(ann: Actor) -> None:
    """What a person restored holds, though the message of its rival goes."""
    _rome, berlin, oslo = hear(
        subject_of(ann), "I live in Rome.", "I moved to Berlin.", "I moved to Oslo."
    )
    restore(ann, one("Lives in Rome.").pk)

    forget_messages(oslo)
    forget_messages(berlin)

    assert live_texts() == ["Lives in Rome."]


def test_a_twin_that_was_told_meanwhile_is_not_doubled(ann: Actor) -> None:
    _tea, _end = hear(subject_of(ann), "I live in Rome.", "I moved to Berlin.")
    Memory.objects.filter(text="Lives in Rome.").update(slot="")  # as before there were slots
    keep(ann, "Lives in Rome.")

    forget_messages(_end)

    assert live_texts() == ["Lives in Rome."]


def test_what_would_have_expired_meanwhile_stays_archived(ann: Actor) -> None:
    _rome, berlin = hear(subject_of(ann), "I live in Rome.", "I moved to Berlin.")
    Memory.objects.filter(text="Lives in Rome.").update(expires_at=now() - timedelta(days=1))

    forget_messages(berlin)

    assert live_texts() == []
    assert one("Lives in Rome.").status == "archived"


def test_a_full_memory_is_not_made_fuller(ann: Actor) -> None:
    """The newer fact was archived, so its going makes no room."""
    _rome, berlin = hear(subject_of(ann), "I live in Rome.", "I moved to Berlin.")
    services.update_memory(
        actor=ann,
        permission=MEMORY_WRITE,
        memory_id=one("Lives in Berlin.").pk,
        change=MemoryChange(status=MemoryStatus.ARCHIVED),
    )
    keep(ann, "a heron")
    services.change_memory_policy(
        actor=ann, permission=MEMORY_WRITE, wanted=PolicyView(per_subject_max=1)
    )

    forget_messages(berlin)

    assert live_texts() == ["a heron"]
    assert one("Lives in Rome.").superseded_by is None
    assert Subject.objects.get().memory_count == 1


def test_nothing_comes_back_in_another_workspace_or_of_another_person(
    ann: Actor, committed: World, people: People, actor_in: ActorIn
) -> None:
    _rome, berlin = hear(subject_of(ann), "I live in Rome.", "I moved to Berlin.")
    with acting(committed.globex, actor_in(people.bea, committed.globex)) as bea:
        hear(bea, "I live in Leeds.", "I moved to York.")

    forget_messages(berlin)

    with scope.tenant_scope(committed.globex):
        assert live_texts() == ["Lives in York."]
    assert live_texts() == ["Lives in Rome."]
