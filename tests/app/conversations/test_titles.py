"""Titles by the model: after the first answer, once, and never over a person's."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from apps.conversations import orchestrator, services, titles
from apps.conversations.contracts import ConversationOptions, TurnAccepted
from apps.conversations.models.conversations import Conversation
from apps.conversations.permissions import CHAT
from apps.core import scope
from apps.core.concurrency import platform_db
from apps.core.scope import Actor, TenantRef
from apps.jobs import services as jobs
from tests.factories import send
from tests.fixtures.database import World
from tests.fixtures.people import People
from tests.fixtures.scribe import MODEL, Scribe
from tests.fixtures.work import Connect

ActorIn = Callable[[UUID, TenantRef], Actor]
BrowserOf = Callable[[UUID, TenantRef | None], Client]


@pytest.fixture
def ann(committed: World, people: People, actor_in: ActorIn) -> Actor:
    return actor_in(people.ann, committed.acme)


@pytest.fixture
def enqueued(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the follow-up tasks that were enqueued."""
    names: list[str] = []
    real = jobs.enqueue_on_commit

    def note(task: str, /, **options: Any) -> None:
        names.append(task)
        real(task, **options)

    monkeypatch.setattr(jobs, "enqueue_on_commit", note)
    return names


def answered(
    tenant: TenantRef,
    actor: Actor,
    *,
    text: str = "How do herons sleep?",
    conversation: UUID | None = None,
    model: str = MODEL,
) -> TurnAccepted:
    turn = send(actor=actor, tenant=tenant, text=text, conversation_id=conversation, model=model)
    with scope.tenant_scope(tenant), scope.correlation_scope():
        orchestrator.run_turn(turn_id=turn.turn_id)
    return turn


def write(tenant: TenantRef, turn: TurnAccepted) -> bool:
    with scope.tenant_scope(tenant), scope.correlation_scope():
        return titles.write_title(turn_id=turn.turn_id)


def titled(tenant: TenantRef, turn: TurnAccepted) -> tuple[str, str]:
    with scope.tenant_scope(tenant):
        row = Conversation.objects.get(pk=turn.conversation_id)
    return row.title, row.titled_by


def test_the_model_titles_a_conversation_after_its_first_answer(
    committed: World, ann: Actor, scribe: Scribe, enqueued: list[str]
) -> None:
    scribe.title = '"Sleeping Herons."\n'
    turn = answered(committed.acme, ann)

    assert enqueued.count(titles.TITLE_TASK) == 1
    assert write(committed.acme, turn)
    assert titled(committed.acme, turn) == ("Sleeping Herons", "model")
    asked = scribe.titled[0].messages[-1].text
    assert "How do herons sleep?" in asked
    assert "An answer." in asked


def test_a_conversation_is_titled_once(
    committed: World, ann: Actor, scribe: Scribe, enqueued: list[str]
) -> None:
    turn = answered(committed.acme, ann)
    write(committed.acme, turn)
    scribe.title = "Another"

    assert not write(committed.acme, turn)
    again = answered(committed.acme, ann, conversation=turn.conversation_id)
    assert not write(committed.acme, again)
    assert enqueued.count(titles.TITLE_TASK) == 1
    assert titled(committed.acme, turn) == ("Sleeping Herons", "model")


def test_a_persons_title_is_never_replaced(
    committed: World, ann: Actor, scribe: Scribe, browser_of: BrowserOf, people: People
) -> None:
    turn = answered(committed.acme, ann)
    browser_of(people.ann, committed.acme).patch(
        f"/api/v1/conversations/{turn.conversation_id}",
        {"title": "Mine"},
        content_type="application/json",
    )

    assert not write(committed.acme, turn)
    assert titled(committed.acme, turn) == ("Mine", "person")


def test_an_unusable_title_leaves_the_first_words_for_good(
    committed: World, ann: Actor, scribe: Scribe
) -> None:
    scribe.title = "I'm sorry, as an AI I cannot do that"
    turn = answered(committed.acme, ann)

    assert not write(committed.acme, turn)
    assert titled(committed.acme, turn) == ("How do herons sleep?", "text")


def test_a_model_that_cannot_be_asked_is_asked_again_after_the_next_answer(
    committed: World, ann: Actor, scribe: Scribe, enqueued: list[str]
) -> None:
    scribe.title = None
    turn = answered(committed.acme, ann)
    assert not write(committed.acme, turn)
    scribe.title = "Herons"

    again = answered(committed.acme, ann, text="And?", conversation=turn.conversation_id)

    assert enqueued.count(titles.TITLE_TASK) == 2
    assert write(committed.acme, again)
    assert titled(committed.acme, turn) == ("Herons", "model")


def test_temporary_conversations_and_scripts_are_not_titled(
    committed: World, ann: Actor, scribe: Scribe, enqueued: list[str], settings: Settings
) -> None:
    with scope.tenant_scope(committed.acme), scope.actor_scope(ann), scope.correlation_scope():
        made = services.start_conversation(
            actor=ann, permission=CHAT, options=ConversationOptions(temporary=True)
        )
    answered(committed.acme, ann, conversation=made.id)
    answered(committed.acme, ann, model="echo/plain")
    settings.CHAT_TITLES = False
    answered(committed.acme, ann)

    assert titles.TITLE_TASK not in enqueued


def test_a_failed_answer_asks_for_no_title(
    committed: World, ann: Actor, scribe: Scribe, enqueued: list[str]
) -> None:
    answered(committed.acme, ann, text="!error rejected", model="echo/plain")

    assert titles.TITLE_TASK not in enqueued


def test_a_title_for_a_deleted_conversation_is_dropped(
    committed: World, ann: Actor, scribe: Scribe
) -> None:
    turn = answered(committed.acme, ann)
    with scope.tenant_scope(committed.acme), scope.actor_scope(ann), scope.correlation_scope():
        services.delete_conversation(
            actor=ann, conversation_id=turn.conversation_id, permission=CHAT
        )

    assert not write(committed.acme, turn)


async def test_open_tabs_are_told_the_title(
    worker: World, people: People, browser_of: BrowserOf, connect: Connect, scribe: Scribe
) -> None:
    scribe.title = "Sleeping Herons"
    client = await platform_db(browser_of, people.ann, worker.acme)
    async with connect(client, worker.acme) as socket:
        ready = await socket.receive()
        await socket.send(type="follow", after=ready["cursor"])
        await socket.send(
            type="message", client_message_id="m1", text="How do herons sleep?", model=MODEL
        )
        while True:
            frame = await socket.receive(30)
            notice = frame.get("notice", {})
            if notice.get("conversation", {}).get("title") == "Sleeping Herons":
                break
