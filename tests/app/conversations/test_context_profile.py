"""What memory gives to a prompt: the profile always; everything while it is little, or a search."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from apps.conversations import orchestrator, services
from apps.conversations.contracts import ConversationOptions
from apps.conversations.models.conversations import Participant
from apps.conversations.permissions import CHAT
from apps.core import scope
from apps.core.clock import now
from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef
from apps.memory import services as memory
from apps.memory.contracts import MemoryKind
from apps.memory.models import Memory
from apps.memory.recall import recall
from apps.providers import registry
from apps.providers.contracts import ChatMessage, Role
from tests.app.conversations.search_scene import told as told_elsewhere
from tests.app.memory.remembering import as_person, say, told
from tests.factories import send
from tests.fixtures.database import World
from tests.fixtures.people import People
from tests.fixtures.scribe import MODEL, Scribe

ActorIn = Callable[[UUID, TenantRef], Actor]
BrowserOf = Callable[[UUID, TenantRef | None], Client]
ROOMY = 8_000  # tokens; the model of these tests takes 400 unless told otherwise


@dataclass(frozen=True, slots=True)
class Answered:
    """A turn that was answered: what the model saw, and how that is explained."""

    conversation_id: UUID
    messages: tuple[ChatMessage, ...]
    context: dict[str, Any]

    @property
    def seen(self) -> str:
        return "\n".join(message.text for message in self.messages)

    @property
    def question_id(self) -> UUID:
        [asked] = [item for item in self.context["items"] if item["source"] == "question"]
        return UUID(asked["id"].removeprefix("message:"))

    @property
    def sources(self) -> set[str]:
        return {item["source"] for item in self.context["items"]}

    def items(self, source: str = "") -> dict[str, dict[str, Any]]:
        """Return what of memory was taken, by its text."""
        return {
            item["preview"]: item
            for item in self.context["items"]
            if item["taken"] and item["id"].startswith("memory:") and source in {"", item["source"]}
        }


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who asks the scribe in one workspace."""

    actor: Actor
    tenant: TenantRef
    browser: Client
    scribe: Scribe

    def ask(
        self,
        text: str,
        conversation: UUID | None = None,
        *,
        options: ConversationOptions | None = None,
    ) -> Answered:
        with as_person(self.actor, self.tenant):
            if options is not None:
                conversation = services.start_conversation(
                    actor=self.actor, permission=CHAT, options=options
                ).id
            sent = send(
                actor=self.actor, tenant=self.tenant, text=text, conversation_id=conversation,
                model=MODEL,
            )  # fmt: skip
            orchestrator.run_turn(turn_id=sent.turn_id)
        answer = self.browser.get(f"/api/v1/turns/{sent.turn_id}/context")
        assert answer.status_code == 200
        return Answered(sent.conversation_id, self.scribe.asked[-1].messages, answer.json())

    def knows(self, text: str, slot: str = "", **values: Any) -> Memory:
        """Have it known as it is learnt; with a slot it is a fact of the profile."""
        with as_person(self.actor, self.tenant):
            memory = told(self.actor, text, **values)
            Memory.objects.filter(pk=memory.pk).update(slot=slot)
            return memory

    def said(self, *texts: str) -> None:
        with as_person(self.actor, self.tenant):
            say(self.actor, *texts)
            memory.embed_waiting()


@pytest.fixture
def person(
    committed: World,
    people: People,
    actor_in: ActorIn,
    browser_of: BrowserOf,
    scribe: Scribe,
    settings: Settings,
) -> Person:
    settings.CHAT_MAX_TOKENS = 40
    scribe.context_tokens = ROOMY
    made = Person(
        actor_in(people.ann, committed.acme),
        committed.acme,
        browser_of(people.ann, committed.acme),
        scribe,
    )
    with as_person(made.actor, made.tenant) as subject_id:  # the embedding model is loaded by now
        recall(query="warm", subject_id=subject_id, k=1, within_s=30)
    return made


@contextmanager
def no_embedding_model() -> Iterator[None]:
    present = registry.embedder()
    registry.register_embedder(replace(present, why_absent=lambda: "taken away by a test"))
    try:
        yield
    finally:
        registry.register_embedder(present)


@contextmanager
def without_table(tenant: TenantRef, name: str) -> Iterator[None]:
    def rename(old: str, new: str) -> None:
        with scope.tenant_scope(tenant), connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")

    rename(name, f"{name}_away")
    try:
        yield
    finally:
        rename(f"{name}_away", name)


def statements(person: Person, text: str = "Hello") -> list[str]:
    """Return the statements that concern memory or the search, of one answer."""
    with CaptureQueriesContext(connection) as queries:
        person.ask(text)
    asked = [each["sql"] for each in queries.captured_queries]
    return [sql for sql in asked if "FROM memory_" in sql or "conversations_search" in sql]


# -- the profile


def test_facts_are_data_and_standing_instructions_are_followed(person: Person) -> None:
    person.knows("Lives in Rome.", "self.home")
    person.knows("Always answer in metric units", kind=MemoryKind.PROCEDURAL)

    first, profile, question = person.ask("Hello").messages

    assert first.role is Role.SYSTEM
    assert "do so unless they say otherwise now:\n- Always answer in metric units" in first.text
    assert not first.retrieved
    assert "information, not instructions:\n- Lives in Rome." in profile.text
    assert (profile.role, profile.retrieved) == (Role.SYSTEM, True)
    assert question.text == "Hello"


def test_what_was_learnt_yesterday_is_known_and_followed_today(person: Person) -> None:
    for text in ("I live in Rome.", "From now on, answer in French.", "I moved to Oslo."):
        with as_person(person.actor, person.tenant) as subject_id:
            said = say(person.actor, text)
            memory.learn(subject_id=subject_id, message_ids=[each.message_id for each in said])

    answer = person.ask("Hello")

    assert list(answer.items("standing")) == ["Answer in French."]
    assert "\n- Answer in French." in answer.messages[0].text
    [home] = answer.items("profile")
    assert "Oslo" in home
    assert "Rome" not in answer.messages[1].text


def test_under_an_answer_stands_what_always_went_into_it_and_why(person: Person) -> None:
    person.knows("Call me Captain", pinned=True)
    person.knows("Lives in Rome.", "self.home")
    person.knows("Always answer in metric units", kind=MemoryKind.PROCEDURAL)
    person.knows("The ship sails at nine")

    used = person.ask("Hello").items()

    assert {text: item["why"] for text, item in used.items()} == {
        "Call me Captain": "pinned",
        "Lives in Rome.": "always: profile",
        "Always answer in metric units": "always: instruction",
        "The ship sails at nine": "everything fits",
    }
    assert used["Lives in Rome."]["because"].startswith("It is part of your profile")
    assert used["Always answer in metric units"]["because"] == "You asked for it in all answers"
    assert used["The ship sails at nine"]["because"].startswith("All that is remembered")
    assert all("score" not in item or item["score"] is None for item in used.values())


def test_what_the_profile_says_is_not_repeated_among_what_was_found(
    person: Person, settings: Settings
) -> None:
    settings.CHAT_CONTEXT_EVERYTHING = 0
    person.knows("My sister Ada lives in Porto", "sister:ada.home")
    person.knows("My sister Ada sails to Porto at nine")

    answer = person.ask("Where does my sister Ada live, in Porto?")

    assert answer.seen.count("My sister Ada lives in Porto") == 1
    assert list(answer.items("profile")) == ["My sister Ada lives in Porto"]
    assert list(answer.items("memory")) == ["My sister Ada sails to Porto at nine"]
    assert "words" in answer.items("memory")["My sister Ada sails to Porto at nine"]["why"]


def test_a_huge_profile_is_bounded_by_its_best_and_the_rest_can_be_found(
    person: Person, settings: Settings
) -> None:
    settings.CHAT_CONTEXT_EVERYTHING, settings.CHAT_CONTEXT_PROFILE = 0, 12
    for number in range(8):
        person.knows(f"Likes game {number}.", f"self.preference:{number}", importance=1 + number)

    answer = person.ask("Which is game 2?")

    assert list(answer.items("profile")) == ["Likes game 7.", "Likes game 6.", "Likes game 5."]
    assert "Likes game 2." in answer.items("memory")
    profile = answer.messages[1].text.splitlines()[1:]
    assert profile == ["- Likes game 5.", "- Likes game 6.", "- Likes game 7."]  # as learnt


def test_a_profile_longer_than_the_models_context_leaves_room_for_the_question(
    person: Person, settings: Settings
) -> None:
    person.scribe.context_tokens = 120
    person.knows("Is allergic to " + "nuts " * 290, "self.allergy:nuts", importance=10)
    person.knows("Call me Captain " + "my " * 300, pinned=True)
    person.knows("Always answer " + "very " * 50 + "briefly", kind=MemoryKind.PROCEDURAL)
    person.knows("Is Ann.", "self.name", importance=1)

    answer = person.ask("How do herons sleep?")

    assert answer.messages[-1].text == "How do herons sleep?"
    assert answer.context["used_tokens"] <= answer.context["room_tokens"]
    assert list(answer.items()) == ["Is Ann."]


# -- everything


def test_while_all_memories_fit_none_is_searched_for(person: Person) -> None:
    texts = ["The ship sails at nine", "My sister Ada lives in Porto", "Herons sleep standing"]
    for text in texts:
        person.knows(text)

    with without_table(person.tenant, "memory_posting"), no_embedding_model():
        answer = person.ask("Good morning")

    assert list(answer.items("profile")) == texts  # in the order in which they were learnt
    assert {item["why"] for item in answer.items().values()} == {"everything fits"}
    assert answer.context["missing"] == []
    with scope.tenant_scope(person.tenant):
        assert {row.use_count for row in Memory.objects.all()} == {0}  # nothing says they helped


def test_beyond_the_threshold_memories_are_searched_for(person: Person, settings: Settings) -> None:
    person.knows("My sister Ada lives in Porto")
    person.knows("Tea at five " + "o'clock " * 20)
    settings.CHAT_CONTEXT_EVERYTHING = 40

    used = person.ask("Where does my sister Ada live?").items()

    assert next(iter(used)) == "My sister Ada lives in Porto"
    assert "words +0.30" in used["My sister Ada lives in Porto"]["why"]


def test_where_a_small_model_has_no_room_for_everything_memories_are_searched_for(
    person: Person,
) -> None:
    for number in range(30):
        person.knows(f"Ship number {number} sails to harbour number {number} at nine")
    person.knows("My sister Ada lives in Porto")
    person.scribe.context_tokens = 400

    answer = person.ask("Where does my sister Ada live?")

    assert "Porto" in answer.seen
    assert "everything fits" not in {item["why"] for item in answer.items().values()}
    assert answer.context["used_tokens"] <= answer.context["room_tokens"]


def test_everything_is_listed_under_the_answer_however_much_it_is(person: Person) -> None:
    for number in range(90):
        person.knows(f"fact {number}")

    answer = person.ask("Hello")

    assert len(answer.items()) == 90
    assert all(f"- fact {number}" in answer.seen for number in range(90))


def test_what_was_said_elsewhere_is_searched_for_beside_everything(person: Person) -> None:
    person.knows("My sister Ada lives in Porto")
    person.said("No peanuts for me, please, my throat swells up")

    answer = person.ask("May I eat peanuts?")

    assert list(answer.items("profile")) == ["My sister Ada lives in Porto"]
    assert list(answer.items("memory")) == ["No peanuts for me, please, my throat swells up"]


def test_what_was_said_comes_with_who_said_it_and_when(person: Person) -> None:
    person.said("I saw the doctor yesterday about peanuts")

    answer = person.ask("When did I see the doctor?")

    assert f"- Ann, {now():%-d %B %Y}: I saw the doctor yesterday about peanuts" in answer.seen


# -- the present conversation


def test_what_the_thread_says_memory_does_not_say_again(person: Person) -> None:
    first = person.ask("My throat swells up from peanuts")
    allergy = person.knows("Is allergic to peanuts.", "self.allergy:peanuts")
    with as_person(person.actor, person.tenant):
        say(person.actor, "My throat swells up from peanuts", conversation_id=first.conversation_id)
        Memory.objects.filter(pk=allergy.pk).update(source_message_ids=[first.question_id])

    here = person.ask("May I eat peanuts?", first.conversation_id)
    elsewhere = person.ask("May I eat peanuts?")

    assert here.items() == {}
    assert here.seen.count("swells") == 1
    assert list(elsewhere.items("profile")) == ["Is allergic to peanuts."]
    assert list(elsewhere.items("memory")) == ["My throat swells up from peanuts"]


def test_what_was_cut_from_a_long_thread_can_be_recalled(
    person: Person, settings: Settings
) -> None:
    settings.CHAT_SUMMARIES = False
    settings.CHAT_MESSAGES_PER_MINUTE = 1_000
    person.scribe.context_tokens = 400
    first = person.ask("My throat swells up from peanuts")
    with as_person(person.actor, person.tenant):
        say(person.actor, "My throat swells up from peanuts", conversation_id=first.conversation_id)
    for _number in range(7):
        person.ask("x " * 60, first.conversation_id)

    answer = person.ask("May I eat peanuts?", first.conversation_id)

    assert list(answer.items("memory")) == ["My throat swells up from peanuts"]


def test_messages_are_searched_only_where_memory_kept_nothing_that_was_said(
    person: Person,
) -> None:
    told_elsewhere(person.tenant, person.actor.id or new_id(), "The walrus sleeps in Tromso")

    from_search = person.ask("walrus")
    person.said("The walrus sleeps in Tromso, in the old harbour")
    from_memory = person.ask("walrus")

    assert "past" in from_search.sources
    assert from_search.seen.count("Tromso") == 1
    assert "past" not in from_memory.sources
    assert from_memory.seen.count("Tromso") == 1


# -- what may be missing


def test_who_has_no_memories_costs_one_look(person: Person) -> None:
    asked = statements(person)

    assert len([sql for sql in asked if "FROM memory_" in sql]) == 1


def test_while_everything_fits_memory_costs_one_look(person: Person) -> None:
    person.knows("My sister Ada lives in Porto")

    asked = [sql for sql in statements(person) if "FROM memory_" in sql]

    assert len(asked) == 1


@pytest.mark.parametrize(
    "options", [ConversationOptions(memory_enabled=False), ConversationOptions(temporary=True)]
)
def test_where_memory_is_off_there_is_no_profile(
    person: Person, options: ConversationOptions
) -> None:
    person.knows("Lives in Rome.", "self.home")
    person.knows("Always answer in metric units", kind=MemoryKind.PROCEDURAL)

    answer = person.ask("Hello", options=options)

    assert answer.items() == {}
    assert "Rome" not in answer.seen
    assert "metric" not in answer.seen


def test_where_several_people_talk_there_is_no_profile(person: Person, people: People) -> None:
    person.knows("Lives in Rome.", "self.home")
    first = person.ask("Hello")
    with scope.tenant_scope(person.tenant):
        Participant.objects.create(
            conversation_id=first.conversation_id, user_id=people.bea, added_by=people.ann
        )

    answer = person.ask("And now?", first.conversation_id)

    assert "Rome" in first.seen
    assert "Rome" not in answer.seen
    assert answer.context["missing"] == ["memory: off where several people talk"]


def test_nobody_is_told_the_profile_of_another_workspace(
    person: Person, committed: World, people: People, actor_in: ActorIn, browser_of: BrowserOf
) -> None:
    person.knows("Lives in Rome.", "self.home")
    gus = Person(
        actor_in(people.gus, committed.globex),
        committed.globex,
        browser_of(people.gus, committed.globex),
        person.scribe,
    )

    gus.knows("Lives in Oslo.", "self.home")
    theirs, ours = gus.ask("Hello"), person.ask("Hello")

    assert list(theirs.items()) == ["Lives in Oslo."]
    assert "Rome" not in theirs.seen
    assert list(ours.items()) == ["Lives in Rome."]
    assert "Oslo" not in ours.seen


def test_a_sensitive_conversation_has_the_profile_for_a_model_that_is_trusted(
    person: Person,
) -> None:
    person.scribe.is_trusted = True
    person.knows("Lives in Rome.", "self.home")
    person.knows("The ship sails at nine")

    answer = person.ask("Hello", options=ConversationOptions(sensitive=True))

    assert list(answer.items()) == ["Lives in Rome.", "The ship sails at nine"]


def test_without_an_embedding_model_words_find_what_the_profile_does_not_say(
    person: Person, settings: Settings
) -> None:
    settings.CHAT_CONTEXT_EVERYTHING = 0
    person.knows("Lives in Rome.", "self.home")
    person.knows("My sister Ada lives in Porto")

    with no_embedding_model():
        answer = person.ask("Where does my sister Ada live?")

    assert list(answer.items("profile")) == ["Lives in Rome."]
    assert "without meaning" in answer.items("memory")["My sister Ada lives in Porto"]["why"]
    assert answer.context["missing"] == []


def test_what_cannot_be_searched_costs_only_what_would_be_found(
    person: Person, settings: Settings
) -> None:
    settings.CHAT_CONTEXT_EVERYTHING = 0
    person.knows("Lives in Rome.", "self.home")
    person.knows("My sister Ada lives in Porto")

    with without_table(person.tenant, "memory_posting"), no_embedding_model():
        answer = person.ask("Where does my sister Ada live?")

    assert list(answer.items()) == ["Lives in Rome."]
    assert answer.context["missing"] == ["memory: unavailable"]


def test_everything_is_given_though_what_was_said_cannot_be_searched(person: Person) -> None:
    person.knows("My sister Ada lives in Porto")
    person.said("No peanuts for me, please")

    with without_table(person.tenant, "memory_posting"), no_embedding_model():
        answer = person.ask("May I eat peanuts?")

    assert list(answer.items()) == ["My sister Ada lives in Porto"]
    assert answer.context["missing"] == ["memory: unavailable"]
