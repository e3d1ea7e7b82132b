"""Imported conversations reach memory as turns do: in the background, once, with their dates."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from apps.conversations.models.conversations import Conversation, Participant
from apps.conversations.models.messages import Message
from apps.conversations.remembering import remember_imported
from apps.conversations.services.transfer import REMEMBER_IMPORTED_TASK
from apps.core import scope
from apps.core.redis import RedisRole, redis_client
from apps.jobs import task as jobs_task
from apps.memory.models import Evidence, Memory, MemoryPolicy, Utterance
from apps.memory.recall import recall
from apps.providers import configuration
from apps.providers.models import RoutingPolicy
from tests.app.conversations.features import Person
from tests.app.conversations.test_remembering import said, texts
from tests.app.conversations.test_transfer import chatgpt
from tests.app.memory.test_learning_by_model import Reader, reader
from tests.fixtures.people import People

__all__ = ["reader"]  # a fixture

WRITTEN = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)  # what `chatgpt` says


def imported(person: Person, *told: dict[str, Any]) -> list[UUID]:
    """Import conversations; return those that are new."""
    done = person.ask("POST", "conversations/import", list(told), status=200)
    return [UUID(each["conversation_id"]) for each in done["items"] if not each["duplicate"]]


def remember(person: Person, *conversation_ids: UUID, after: UUID | None = None) -> int:
    with scope.tenant_scope(person.world.acme), scope.correlation_scope():
        return remember_imported(conversation_ids=conversation_ids, after=after)


def rome() -> dict[str, Any]:
    return chatgpt("Rome", "I live in Rome.", "Lovely!", "I moved to Berlin.", "Good luck.")


def test_an_import_is_kept_word_for_word_and_learnt_from_with_its_dates(owner: Person) -> None:
    (conversation,) = imported(owner, rome())

    assert remember(owner, conversation) == 4

    with scope.tenant_scope(owner.world.acme):
        old, new = Memory.objects.order_by("id")
        assert (old.text, new.text) == ("Lives in Rome.", "Lives in Berlin.")
        assert (old.superseded_by, old.valid_from, new.valid_to) == (new, WRITTEN, None)
        assert old.conversation_id == conversation
        first = Utterance.objects.order_by("place")[0]
        assert (first.text, first.said_at, first.by_assistant) == (
            "I live in Rome.",
            WRITTEN,
            False,
        )
        assert Evidence.objects.order_by("said_at")[0].said_at == WRITTEN
        assert Utterance.objects.filter(by_assistant=True).count() == 2
        found = recall(query="Where do I live?", subject_id=owner.id, k=3, within_s=30)
        assert "Berlin" in found[0].text


def waiting() -> list[str]:
    """What the broker was handed for bulk work."""
    told = redis_client(RedisRole.BROKER).lrange("gpu.consolidation", 0, -1)
    return [str(each) for each in told]


def test_an_import_enqueues_what_is_new_in_it_and_no_other(owner: Person) -> None:
    redis_client(RedisRole.BROKER).delete("gpu.consolidation")
    first = imported(owner, rome(), chatgpt("Oslo", "I live in Oslo.", "Fine."))
    (sent,) = waiting()
    again = imported(owner, rome())

    assert REMEMBER_IMPORTED_TASK in sent
    assert again == []
    assert waiting() == [sent]
    assert len(first) == 2
    assert said(owner) == []  # nothing is done while the person waits


def test_handing_over_twice_changes_nothing(owner: Person) -> None:
    (conversation,) = imported(owner, rome())
    remember(owner, conversation)
    remember(owner, conversation, conversation)

    assert texts(owner) == ["Lives in Rome.", "Lives in Berlin."]
    assert len(said(owner)) == 4
    assert imported(owner, rome()) == []  # the same file brings nothing new


def test_many_messages_are_handed_over_some_at_a_time(owner: Person) -> None:
    lines = ["I love tea." if number % 2 == 0 else "Fine." for number in range(90)]
    (conversation,) = imported(owner, chatgpt("Tea", *lines))

    assert remember(owner, conversation) == 90

    assert len(said(owner)) == 90
    with scope.tenant_scope(owner.world.acme):
        assert Memory.objects.get().proof_count == 45


def test_what_the_time_does_not_suffice_for_is_enqueued_from_where_it_stands(
    owner: Person,
) -> None:
    conversations = imported(owner, rome(), chatgpt("Tea", "I love tea.", "Fine."))
    redis_client(RedisRole.BROKER).delete("gpu.consolidation")
    with scope.tenant_scope(owner.world.acme):
        last = Message.objects.filter(conversation=conversations[0]).order_by("pk")[1]

    token = jobs_task._deadline.set(0.0)  # long past
    try:
        assert remember(owner, *conversations, after=last.pk) == 0
    finally:
        jobs_task._deadline.reset(token)
    (sent,) = waiting()
    assert REMEMBER_IMPORTED_TASK in sent
    assert remember(owner, *conversations, after=last.pk) == 4

    assert texts(owner) == ["Lives in Berlin.", "Loves tea."]


@pytest.mark.parametrize("column", ["memory_enabled", "sensitive"])
def test_nothing_is_handed_over_where_memory_may_not_have_it(owner: Person, column: str) -> None:
    (conversation,) = imported(owner, rome())
    owner.ask("PATCH", f"conversations/{conversation}", {column: column == "sensitive"})

    assert remember(owner, conversation) == 0
    assert (texts(owner), said(owner)) == ([], [])


def test_nothing_is_handed_over_of_what_is_shared_or_gone(owner: Person, member: Person) -> None:
    shared, gone = imported(owner, rome(), chatgpt("Oslo", "I live in Oslo.", "Fine."))
    with scope.tenant_scope(owner.world.acme):
        Participant.objects.create(conversation_id=shared, user_id=member.id, added_by=owner.id)
    owner.ask("DELETE", f"conversations/{gone}", status=204)

    assert remember(owner, shared, gone) == 0
    assert (texts(owner), said(owner)) == ([], [])


def test_without_the_permission_nothing_is_handed_over(owner: Person, people: People) -> None:
    (conversation,) = imported(owner, rome())
    with scope.tenant_scope(owner.world.acme):  # a guest cannot import: it was somebody's who was
        Conversation.objects.filter(pk=conversation).update(owner_id=people.eve)

    assert remember(owner, conversation) == 0


def test_what_follows_personal_data_is_not_handed_over_where_a_rule_goes_by_it(
    owner: Person,
) -> None:
    told = chatgpt("Mail", "I love tea.", "Fine.", "Write to ada@example.com", "Done.",
                   "I live in Rome.")  # fmt: skip
    (conversation,) = imported(owner, told)
    with scope.tenant_scope(owner.world.acme):
        RoutingPolicy.objects.create(
            tenant_id=owner.world.acme.id,
            name="house",
            position=1,
            conditions={"sensitive": True},
            routes={"local_only": True},
        )
        configuration.forget()

    remember(owner, conversation)

    assert said(owner) == ["I love tea.", "Fine."]
    assert texts(owner) == ["Loves tea."]


def test_no_model_is_asked_about_years_of_messages(owner: Person, reader: Reader) -> None:
    (conversation,) = imported(owner, rome())

    remember(owner, conversation)

    assert reader.asked == []
    assert texts(owner) == ["Lives in Rome.", "Lives in Berlin."]


def test_the_policy_decides_what_is_learnt_and_kept(owner: Person) -> None:
    (conversation,) = imported(owner, rome())
    with scope.tenant_scope(owner.world.acme):
        MemoryPolicy.objects.create(learns=False, keeps_said=False)

    remember(owner, conversation)

    assert (texts(owner), said(owner)) == ([], [])


def test_turns_that_followed_the_import_are_handed_over_by_themselves(owner: Person) -> None:
    (conversation,) = imported(owner, rome())
    owner.answered("I love tea.", conversation)

    assert remember(owner, conversation) == 4
    assert "I love tea." not in said(owner)


def test_what_was_written_in_no_import_is_no_import(owner: Person) -> None:
    turn = owner.answered("I live in Rome.")

    assert remember(owner, turn.conversation_id) == 0
    assert texts(owner) == []


def test_deleting_the_imported_conversation_forgets_it(owner: Person) -> None:
    (conversation,) = imported(owner, rome())
    remember(owner, conversation)

    owner.ask("DELETE", f"conversations/{conversation}", status=204)

    assert (texts(owner), said(owner)) == ([], [])


def test_an_import_of_another_workspace_is_not_seen(owner: Person, outsider: Person) -> None:
    (conversation,) = imported(owner, rome())

    with scope.tenant_scope(owner.world.globex), scope.correlation_scope():
        assert remember_imported(conversation_ids=[conversation]) == 0
        assert not Memory.objects.exists()
