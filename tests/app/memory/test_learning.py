"""Learning from what people said: facts kept once, contradictions settled, sources followed."""

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connections, transaction

from apps.core import scope
from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef
from apps.memory import services
from apps.memory.contracts import Learnt, MemoryStatus, RecallFilters, Said
from apps.memory.models import (
    Changeset,
    ChangesetEntry,
    Evidence,
    Memory,
    MemoryPolicy,
    MemoryVersion,
    Mention,
    Posting,
    Subject,
    Utterance,
)
from apps.memory.recall import recall
from tests.fixtures.database import World
from tests.fixtures.people import People

ActorIn = Callable[[UUID, TenantRef], Actor]
BEGAN = datetime(2024, 11, 5, 9, tzinfo=UTC)  # a Tuesday
CASES: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("contradictions.json").read_text("utf-8")
)
ONLY_MEMORIES = RecallFilters(with_said=False)


@pytest.fixture
def in_acme(committed: World, people: People, actor_in: ActorIn) -> Iterator[UUID]:
    ann = actor_in(people.ann, committed.acme)
    with scope.tenant_scope(committed.acme), scope.actor_scope(ann), scope.correlation_scope():
        yield people.ann


def said(*texts: str, began: datetime = BEGAN, by_assistant: bool = False) -> list[Said]:
    """One message a day."""
    conversation = new_id()
    return [
        Said(
            message_id=new_id(),
            conversation_id=conversation,
            speaker="",
            by_assistant=by_assistant,
            text=text,
            said_at=began + timedelta(days=day),
        )
        for day, text in enumerate(texts)
    ]


def hear(subject: UUID, messages: Sequence[Said]) -> Learnt:
    """Take messages in and learn from them, as the product does after turns."""
    services.take_in(subject_id=subject, said=messages)
    return services.learn(subject_id=subject, message_ids=[each.message_id for each in messages])


def live(subject: UUID) -> list[str]:
    rows = Memory.objects.filter(subject_id=subject, status=MemoryStatus.ACTIVE)
    return list(rows.order_by("id").values_list("text", flat=True))


def one(subject: UUID, text: str) -> Memory:
    return Memory.objects.get(subject_id=subject, text=text)


def test_the_current_value_is_recalled_first_and_the_old_one_is_superseded(in_acme: UUID) -> None:
    """Sixty changes of job, city, name, preference and plan, each in a memory of its own."""
    wrong: list[str] = []
    for case in CASES:
        subject = new_id()
        hear(subject, said(*case["said"]))
        found = recall(
            query=case["question"], subject_id=subject, k=5, within_s=30, filters=ONLY_MEMORIES
        )
        first = found[0].text if found else ""
        if not re.search(case["current"], first, re.IGNORECASE):
            wrong.append(f"{case['question']} → {[each.text for each in found]}")
            continue
        old = [
            row
            for row in Memory.objects.filter(subject_id=subject, superseded_by__isnull=False)
            if re.search(case["old"], row.text, re.IGNORECASE)
        ]
        if not old or any(row.valid_to is None or row.retired_at is None for row in old):
            wrong.append(f"{case['question']}: {case['old']} is not superseded with its dates")

    share = 100 * (1 - len(wrong) / len(CASES))
    sys.stdout.write(f"contradictions settled: {share:.1f} % of {len(CASES)}\n")
    sys.stdout.writelines(f"  {line}\n" for line in wrong)
    assert len(CASES) == 60
    assert share >= 90


def test_learning_twice_changes_nothing(in_acme: UUID) -> None:
    messages = said("I live in Rome.", "I moved to Berlin.", "I love tea.", "I live in Berlin.")
    first = hear(in_acme, messages)
    kept = list(Memory.objects.order_by("id").values("pk", "text", "status", "proof_count"))

    again = services.learn(subject_id=in_acme, message_ids=[each.message_id for each in messages])

    assert first == Learnt(created=3, proven=1, superseded=1)
    assert again == Learnt()
    assert list(Memory.objects.order_by("id").values("pk", "text", "status", "proof_count")) == kept


def test_the_same_again_is_proof_not_a_second_memory(in_acme: UUID) -> None:
    first, second = said("I'm allergic to peanuts.", "Remember, I'm allergic to peanuts!")
    hear(in_acme, [first])
    sure = one(in_acme, "Is allergic to peanuts.").confidence

    hear(in_acme, [second])

    memory = one(in_acme, "Is allergic to peanuts.")
    assert (memory.proof_count, live(in_acme)) == (2, ["Is allergic to peanuts."])
    assert memory.confidence > sure
    assert [each.quote for each in memory.evidence.all()] == [first.text, second.text]
    assert memory.source_message_ids == [first.message_id, second.message_id]


def test_a_near_duplicate_is_proof_and_another_day_is_not(in_acme: UUID) -> None:
    hear(
        in_acme,
        said(
            "Remember that the spare key is under the blue pot.",
            "Remember that the spare key is underneath the blue pot.",
            "On 3 March 2024 I ran a half marathon.",
            "On 9 April 2024 I ran a half marathon.",
        ),
    )

    assert live(in_acme) == [
        "The spare key is under the blue pot.",
        "Ran a half marathon on 3 March 2024.",
        "Ran a half marathon on 9 April 2024.",
    ]
    assert one(in_acme, "The spare key is under the blue pot.").proof_count == 2


def test_what_is_superseded_stays_with_its_dates_and_can_be_taken_back(in_acme: UUID) -> None:
    first, second = said("I live in Rome.", "I moved to Berlin.")
    hear(in_acme, [first, second])

    old, new = one(in_acme, "Lives in Rome."), one(in_acme, "Lives in Berlin.")
    assert (old.status, old.superseded_by_id) == ("archived", new.pk)
    assert (old.valid_from, old.valid_to) == (first.said_at, second.said_at)
    assert new.valid_from == second.said_at
    assert new.valid_to is None
    assert old.retired_at is not None
    assert (old.place, old.embedding) == (None, None)
    assert not Posting.objects.filter(subject_id=in_acme, lexeme="rome", place__lt=0).exists()
    assert MemoryVersion.objects.get(memory=old).before["status"] == "active"
    changeset = Changeset.objects.get(pk=second.message_id)
    before = ChangesetEntry.objects.get(changeset=changeset, memory_id=old.pk).before
    assert before == {
        "status": "active", "valid_to": None, "superseded_by_id": None, "retired_at": None,
    }  # fmt: skip
    assert ChangesetEntry.objects.get(changeset=changeset, memory_id=new.pk).before == {}


def test_an_event_date_is_when_the_old_value_ends(in_acme: UUID) -> None:
    messages = said("I work at Siemens.", "Since 2 December 2024 I work at Bosch.")
    messages[1] = said(messages[1].text, began=datetime(2025, 1, 7, tzinfo=UTC))[0]
    hear(in_acme, messages)

    assert one(in_acme, "Works at Siemens.").valid_to == datetime(2024, 12, 2, tzinfo=UTC)


def test_the_end_of_something_ends_that_alone(in_acme: UUID) -> None:
    hear(in_acme, said("I work at Acme.", "I don't work at Beta any more."))
    assert live(in_acme) == ["Works at Acme."]

    hear(in_acme, said("I no longer work at Acme.", began=BEGAN + timedelta(days=9)))
    assert live(in_acme) == ["No longer works at Acme."]


def test_what_was_supersedes_nothing(in_acme: UUID) -> None:
    hear(
        in_acme, said("I live in Rome.", "I used to live in Paris.", "I lived in Oslo until 2019.")
    )

    past = one(in_acme, "Used to live in Oslo (until 2019).")
    assert len(live(in_acme)) == 3
    assert past.valid_to == datetime(2019, 12, 31, tzinfo=UTC)
    assert one(in_acme, "Lives in Rome.").valid_to is None


def test_what_was_said_earlier_but_read_later_is_history(in_acme: UUID) -> None:
    first, second = said("I live in Rome.", "I moved to Berlin.")
    hear(in_acme, [second])
    hear(in_acme, [first])

    old = one(in_acme, "Lives in Rome.")
    assert live(in_acme) == ["Lives in Berlin."]
    assert old.superseded_by == one(in_acme, "Lives in Berlin.")
    assert (old.valid_from, old.valid_to) == (first.said_at, second.said_at)


def test_a_relative_is_known_by_name_and_by_relation(in_acme: UUID) -> None:
    hear(in_acme, said("My brother Tom lives in Leeds.", "Tom moved to Glasgow."))
    hear(in_acme, said("My brother works at Ikea.", began=BEGAN + timedelta(days=5)))

    assert live(in_acme) == [
        "Has a brother called Tom.",
        "Brother Tom lives in Glasgow.",
        "Brother Tom works at Ikea.",
    ]


def test_names_are_entities_that_memories_mention(in_acme: UUID) -> None:
    hear(in_acme, said("I moved to Berlin.", "My brother Tom lives in Berlin."))

    mentions = Mention.objects.filter(entity__key="berlin", entity__kind="place")
    assert sorted(mentions.values_list("memory__text", flat=True)) == [
        "Brother Tom lives in Berlin.",
        "Lives in Berlin.",
    ]


def test_the_assistant_teaches_nothing(in_acme: UUID) -> None:
    assert hear(in_acme, said("I live in Rome.", by_assistant=True)) == Learnt()


def test_secrets_are_left_out_or_the_message_is_refused(in_acme: UUID) -> None:
    (told,) = said("I live in Rome. My password is hunter2-hunter2 and I love tea.")
    hear(in_acme, [told])
    assert "Lives in Rome." in live(in_acme)
    kept = " ".join(live(in_acme)) + str(list(Evidence.objects.values_list("quote", flat=True)))
    assert "hunter2" not in kept

    MemoryPolicy.objects.create(secrets="refuse")
    (refused,) = said("I live in Oslo. My password is hunter2-hunter2.")
    assert services.read_said(subject_id=in_acme, said=[refused]) == ()


def test_nothing_is_learnt_where_the_policy_says_so(in_acme: UUID) -> None:
    MemoryPolicy.objects.create(learns=False)

    assert hear(in_acme, said("I live in Rome.")) == Learnt()
    assert Utterance.objects.filter(subject_id=in_acme).count() == 1


def test_a_forgotten_message_takes_what_only_it_proved(in_acme: UUID) -> None:
    first, second, third = said("I love tea.", "I love tea!", "I live in Rome.")
    hear(in_acme, [first, second, third])

    services.forget_messages(message_ids=[first.message_id, third.message_id])

    tea = one(in_acme, "Loves tea.")
    assert live(in_acme) == ["Loves tea."]
    assert (tea.proof_count, tea.source_message_ids) == (1, [second.message_id])
    assert Utterance.objects.filter(subject_id=in_acme).count() == 1
    subject = Subject.objects.get(pk=in_acme)
    assert (subject.memory_count, subject.said_count) == (1, 1)
    assert not Posting.objects.filter(subject_id=in_acme, lexeme="rome").exists()


def test_what_is_rolled_back_is_learnt_as_if_for_the_first_time(in_acme: UUID) -> None:
    """A worker that dies before its commit leaves nothing, and the next one loses nothing."""
    messages = said("I live in Rome.", "I moved to Berlin.")
    readings = services.read_said(subject_id=in_acme, said=messages)

    def absorb() -> Learnt:
        return services.absorb(subject_id=in_acme, said=messages, readings=readings)

    with pytest.raises(InterruptedError), transaction.atomic():
        absorb()
        raise InterruptedError
    assert not Memory.objects.exists()
    assert not Utterance.objects.exists()
    assert not Changeset.objects.exists()

    assert absorb() == Learnt(created=2, superseded=1)
    assert absorb() == Learnt()
    assert live(in_acme) == ["Lives in Berlin."]


def test_eight_at_once_learn_a_message_once(committed: World, in_acme: UUID) -> None:
    messages = said("I live in Rome.", "I moved to Berlin.", "I love tea.")
    services.take_in(subject_id=in_acme, said=messages)
    ids = [each.message_id for each in messages]

    def learn() -> Learnt:
        try:
            with scope.tenant_scope(committed.acme):
                return services.learn(subject_id=in_acme, message_ids=ids)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(copy_context().run, learn) for _ in range(8)]
        total = sum((job.result() for job in jobs), Learnt())

    assert total == Learnt(created=3, superseded=1)
    assert live(in_acme) == ["Lives in Berlin.", "Loves tea."]


def test_another_workspace_learns_nothing(committed: World, in_acme: UUID) -> None:
    hear(in_acme, said("I live in Rome."))

    with scope.tenant_scope(committed.globex):
        assert not Memory.objects.exists()
        assert recall(query="Where do I live?", subject_id=in_acme, k=5, within_s=30) == ()


def test_little_junk_and_no_duplicates_are_learnt_from_a_chat(in_acme: UUID) -> None:
    """Lines of a chat, a seventh of which state something; said again, nothing is doubled."""
    lines = json.loads(Path(__file__).with_name("chat_lines.json").read_text("utf-8"))
    messages = said(*[text for _key, text in lines])
    total = hear(in_acme, messages)
    keys = {message.message_id: key for message, (key, _text) in zip(messages, lines, strict=True)}

    memories = list(Memory.objects.filter(subject_id=in_acme))
    junk = [row.text for row in memories if not any(keys[pk] for pk in row.source_message_ids)]
    missed = {key for key in keys.values() if key} - {
        keys[pk] for row in memories for pk in row.source_message_ids
    }
    again = hear(in_acme, said(*[text for _k, text in lines], began=BEGAN + timedelta(hours=1)))

    sys.stdout.write(
        f"{len(lines)} lines → {total}; junk {len(junk)} of {len(memories)}, missed {missed}; "
        f"said again: {again}\n"
    )
    assert len(junk) <= len(memories) / 20, junk
    assert missed == set()
    assert (again.created, again.superseded) == (0, 0)
