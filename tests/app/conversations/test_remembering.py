"""Turns are handed to memory after the answer, and what is deleted is forgotten."""

from typing import Any
from uuid import UUID

import pytest

from apps.conversations import orchestrator
from apps.conversations.models.conversations import Conversation, Participant
from apps.conversations.models.messages import Message
from apps.conversations.models.turns import Turn
from apps.conversations.remembering import REMEMBER_TASK, remember_turns
from apps.core import scope
from apps.core.ids import new_id
from apps.jobs.models import OutboxEntry
from apps.memory.models import Changeset, Evidence, Memory, Posting, Utterance
from tests.app.conversations.features import Person
from tests.factories import send


def handed_over(person: Person) -> list[UUID]:
    """The turns that wait to be handed over."""
    entries = OutboxEntry.objects.filter(task=REMEMBER_TASK, tenant_id=person.world.acme.id)
    return [UUID(each) for entry in entries.order_by("id") for each in entry.kwargs["turn_ids"]]


def remember(person: Person, *turn_ids: UUID) -> int:
    with scope.tenant_scope(person.world.acme), scope.correlation_scope():
        return remember_turns(turn_ids=turn_ids)


def texts(person: Person) -> list[str]:
    with scope.tenant_scope(person.world.acme):
        rows = Memory.objects.filter(subject_id=person.id).order_by("id")
        return list(rows.values_list("text", flat=True))


def said(person: Person) -> list[str]:
    with scope.tenant_scope(person.world.acme):
        rows = Utterance.objects.filter(subject_id=person.id).order_by("place")
        return list(rows.values_list("text", flat=True))


def test_a_turn_is_handed_over_word_for_word_and_learnt_from(owner: Person) -> None:
    turn = owner.answered("I live in Rome.")

    assert handed_over(owner) == [turn.turn_id]
    assert remember(owner, turn.turn_id) == 1
    assert texts(owner) == ["Lives in Rome."]
    assert said(owner)[0] == "I live in Rome."
    assert len(said(owner)) == 2
    assert owner.ask("GET", "memories")["results"][0]["text"] == "Lives in Rome."


def test_handing_over_twice_changes_nothing(owner: Person) -> None:
    turn = owner.answered("I live in Rome.")
    remember(owner, turn.turn_id)
    remember(owner, turn.turn_id, turn.turn_id)

    assert texts(owner) == ["Lives in Rome."]
    assert len(said(owner)) == 2


def test_what_the_assistant_said_is_kept_but_teaches_nothing(owner: Person) -> None:
    turn = owner.answered("Where do you live?")
    with scope.tenant_scope(owner.world.acme):
        answer_id = Turn.objects.values_list("answer", flat=True).get(pk=turn.turn_id)
        Message.objects.filter(pk=answer_id).update(
            parts=[{"type": "text", "text": "I live in Rome."}]
        )

    remember(owner, turn.turn_id)

    assert texts(owner) == []
    assert "I live in Rome." in said(owner)


def test_a_sensitive_conversation_teaches_nothing_that_other_prompts_would_hold(
    owner: Person,
) -> None:
    turn = owner.answered("I live in Rome.")
    owner.ask("PATCH", f"conversations/{turn.conversation_id}", {"sensitive": True})

    assert remember(owner, turn.turn_id) == 0
    assert texts(owner) == []
    assert said(owner) == []


def test_marking_a_conversation_forgets_what_only_it_has_taught(owner: Person) -> None:
    open_one = owner.answered("I love tea.")
    marked = owner.answered("I live in Rome.")
    again = owner.answered("I love tea!", marked.conversation_id)
    remember(owner, open_one.turn_id, marked.turn_id, again.turn_id)
    assert sorted(texts(owner)) == ["Lives in Rome.", "Loves tea."]

    for _again in range(2):  # marking twice changes nothing more
        owner.ask("PATCH", f"conversations/{marked.conversation_id}", {"sensitive": True})

        assert texts(owner) == ["Loves tea."]
        assert "I love tea." in said(owner)
        assert "Rome" not in str(said(owner))
        with scope.tenant_scope(owner.world.acme):
            assert Memory.objects.get().proof_count == 1
            assert Changeset.objects.count() == 1
            assert not Posting.objects.filter(lexeme="rome").exists()
        found = owner.ask("POST", "memories/search", {"query": "Where do I live? In Rome?"})
        assert "Rome" not in str(found["results"])


def test_other_options_and_taking_the_mark_away_forget_nothing(owner: Person) -> None:
    turn = owner.answered("I live in Rome.")
    remember(owner, turn.turn_id)

    owner.ask("PATCH", f"conversations/{turn.conversation_id}", {"title": "Rome"})
    owner.ask("PATCH", f"conversations/{turn.conversation_id}", {"sensitive": False})

    assert texts(owner) == ["Lives in Rome."]
    assert len(said(owner)) == 2


def test_a_mark_set_by_another_person_or_in_another_workspace_forgets_nothing_here(
    owner: Person, outsider: Person
) -> None:
    turn = owner.answered("I live in Rome.")
    remember(owner, turn.turn_id)
    theirs = outsider.ask("POST", "conversations", {}, status=201)["id"]

    outsider.ask("PATCH", f"conversations/{theirs}", {"sensitive": True})
    outsider.ask("PATCH", f"conversations/{turn.conversation_id}", {"sensitive": True}, status=404)

    assert texts(owner) == ["Lives in Rome."]


def test_what_is_told_by_command_and_what_is_said_are_one_value_at_a_time(owner: Person) -> None:
    told = owner.say("/memory remember my favourite colour is green")
    turn = owner.answered("My favourite colour is blue.", UUID(told["conversation_id"]))
    remember(owner, turn.turn_id)
    blue = "Has blue as their favourite colour."
    with scope.tenant_scope(owner.world.acme):
        old, new = Memory.objects.order_by("id")
        assert (new.text, new.status, old.superseded_by) == (blue, "active", new)

    owner.say("/memory remember my favourite colour is green, really", told["conversation_id"])

    shown = owner.ask("GET", "memories")["results"]
    assert [row["text"] for row in shown] == ["my favourite colour is green, really"]


@pytest.mark.parametrize("options", [{"memory_enabled": False}, {"temporary": True}])
def test_nothing_is_handed_over_where_memory_is_off(owner: Person, options: dict[str, Any]) -> None:
    conversation = owner.ask("POST", "conversations", options, status=201)["id"]

    owner.answered("I live in Rome.", UUID(conversation))

    assert handed_over(owner) == []


def test_nothing_is_handed_over_of_a_shared_conversation(owner: Person, member: Person) -> None:
    conversation = UUID(owner.ask("POST", "conversations", {}, status=201)["id"])
    with scope.tenant_scope(owner.world.acme):
        Participant.objects.create(
            conversation_id=conversation, user_id=member.id, added_by=owner.id
        )

    owner.answered("I live in Rome.", conversation)

    assert handed_over(owner) == []


def test_what_changed_before_the_task_ran_is_looked_at_again(owner: Person, member: Person) -> None:
    off, shared = owner.answered("I live in Rome."), owner.answered("I love tea.")
    with scope.tenant_scope(owner.world.acme):
        Conversation.objects.filter(pk=off.conversation_id).update(memory_enabled=False)
        Participant.objects.create(
            conversation_id=shared.conversation_id, user_id=member.id, added_by=owner.id
        )

    assert remember(owner, off.turn_id, shared.turn_id) == 0
    assert (texts(owner), said(owner)) == ([], [])


def test_without_the_permission_nothing_is_handed_over(owner: Person) -> None:
    sent = send(actor=owner.actor, tenant=owner.world.acme, text="I live in Rome.")
    with scope.tenant_scope(owner.world.acme):
        turn = Turn.objects.get(pk=sent.turn_id)
        permitted = [code for code in turn.settings["permissions"] if code != "memory.write"]
        Turn.objects.filter(pk=turn.pk).update(settings=turn.settings | {"permissions": permitted})
        orchestrator.run_turn(turn_id=sent.turn_id)

    assert handed_over(owner) == []


def test_deleting_a_conversation_forgets_what_was_said_and_learnt_in_it(owner: Person) -> None:
    kept = owner.answered("I love tea.")
    gone = owner.answered("I live in Rome.")
    again = owner.answered("I love tea!", gone.conversation_id)
    remember(owner, kept.turn_id, gone.turn_id, again.turn_id)
    assert sorted(texts(owner)) == ["Lives in Rome.", "Loves tea."]

    owner.ask("DELETE", f"conversations/{gone.conversation_id}", status=204)

    assert texts(owner) == ["Loves tea."]
    assert not [text for text in said(owner) if "Rome" in text]
    with scope.tenant_scope(owner.world.acme):
        assert Memory.objects.get().proof_count == 1
        assert Evidence.objects.count() == 1
        assert Changeset.objects.count() == 1
        assert not Posting.objects.filter(lexeme="rome").exists()


def test_a_turn_of_a_deleted_conversation_is_passed_over(owner: Person) -> None:
    turn = owner.answered("I live in Rome.")
    owner.ask("DELETE", f"conversations/{turn.conversation_id}", status=204)

    assert remember(owner, turn.turn_id, new_id()) == 0
    assert (texts(owner), said(owner)) == ([], [])


def test_another_person_and_another_workspace_see_nothing(
    owner: Person, member: Person, outsider: Person
) -> None:
    turn = owner.answered("I live in Rome.")
    remember(owner, turn.turn_id)

    assert member.ask("GET", "memories")["results"] == []
    assert outsider.ask("GET", "memories")["results"] == []
