"""Under an answer: how many memories went into it, which, and why in plain words."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from apps.conversations import orchestrator
from apps.core.scope import Actor, TenantRef
from apps.memory.models import Memory
from apps.memory.recall import recall
from tests.app.memory.remembering import as_person, say, told
from tests.factories import send
from tests.fixtures.database import World
from tests.fixtures.people import People

ActorIn = Callable[[UUID, TenantRef], Actor]
BrowserOf = Callable[[UUID, TenantRef | None], Client]


@pytest.fixture
def ann(committed: World, people: People, actor_in: ActorIn) -> Actor:
    return actor_in(people.ann, committed.acme)


@pytest.fixture
def browser(committed: World, people: People, browser_of: BrowserOf) -> Client:
    return browser_of(people.ann, committed.acme)


def answered(actor: Actor, tenant: TenantRef, text: str) -> tuple[UUID, UUID]:
    """Have a question answered.

    Returns:
        (turn id, conversation id).
    """
    turn = send(actor=actor, tenant=tenant, text=text)
    with as_person(actor, tenant) as subject_id:
        recall(query=text, subject_id=subject_id, k=1, within_s=30)  # the model is loaded by now
        orchestrator.run_turn(turn_id=turn.turn_id)
    return turn.turn_id, turn.conversation_id


def answers_in(client: Client, conversation: UUID) -> list[dict[str, Any]]:
    rows = client.get(f"/api/v1/conversations/{conversation}/messages").json()["results"]
    return [row for row in rows if row["role"] == "assistant"]


def used_in(client: Client, turn: UUID) -> dict[str, dict[str, Any]]:
    items = client.get(f"/api/v1/turns/{turn}/context").json()["items"]
    return {
        item["preview"]: item
        for item in items
        if item["taken"] and item["id"].startswith("memory:")
    }


def test_an_answer_says_how_many_memories_went_into_it(
    committed: World, ann: Actor, browser: Client
) -> None:
    with as_person(ann, committed.acme):
        told(ann, "Call me Annie", pinned=True)
        told(ann, "I am allergic to peanuts")
    _turn, conversation = answered(ann, committed.acme, "May I eat peanuts?")

    [answer] = answers_in(browser, conversation)
    assert answer["memories_used"] == 2
    rows = browser.get(f"/api/v1/conversations/{conversation}/messages").json()["results"]
    assert {row["memories_used"] for row in rows if row["role"] == "user"} == {0}


def test_an_answer_without_memories_says_nothing_of_them(
    committed: World, ann: Actor, browser: Client
) -> None:
    turn, conversation = answered(ann, committed.acme, "hello")

    assert answers_in(browser, conversation)[0]["memories_used"] == 0
    assert used_in(browser, turn) == {}


def test_the_reader_is_told_which_and_why_in_plain_words(
    committed: World, ann: Actor, browser: Client, settings: Settings
) -> None:
    settings.CHAT_CONTEXT_EVERYTHING = settings.CHAT_CONTEXT_PROFILE = 0
    long = "I am allergic to peanuts, " + "and to very long sentences, " * 10 + "and to cats"
    with as_person(ann, committed.acme):
        pinned = told(ann, "Call me Annie", pinned=True)
        allergy = told(ann, long)
        [said] = say(ann, "No peanuts for me, please, my throat swells up")
    turn, _conversation = answered(ann, committed.acme, "May I eat peanuts?")

    used = used_in(browser, turn)

    assert used[pinned.text]["because"] == "You pinned it: it goes into every answer"
    assert used[long]["id"] == f"memory:{allergy.pk}"
    assert "the words it shares with your question" in used[long]["because"]
    assert used[long]["remembered"] == "memory"
    assert used[said.text]["remembered"] == "said"
    assert used[said.text]["conversation_id"] == str(said.conversation_id)


def test_what_was_forgotten_since_is_named_without_its_text(
    committed: World, ann: Actor, browser: Client
) -> None:
    with as_person(ann, committed.acme):
        told(ann, "I am allergic to peanuts", pinned=True)
    turn, _conversation = answered(ann, committed.acme, "May I eat peanuts?")
    browser.delete("/api/v1/memories?confirm=forget+everything")

    used = used_in(browser, turn)

    assert list(used) == [""]
    assert used[""]["remembered"] is None
    with as_person(ann, committed.acme):
        assert not Memory.objects.exists()
