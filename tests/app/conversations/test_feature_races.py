"""What happens when the same or colliding requests arrive at the same moment."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections

from apps.conversations.commands.execution import run_command
from apps.conversations.contracts import (
    ConversationOptions,
    NewMessage,
    TurnOutcome,
    TurnState,
)
from apps.conversations.domain.commands import ParsedCommand
from apps.conversations.errors import FolderNotFound
from apps.conversations.models.conversations import Conversation, Folder
from apps.conversations.models.messages import Message
from apps.conversations.models.turns import Turn
from apps.conversations.permissions import CHAT
from apps.conversations.services import (
    attempts,
    configure_conversation,
    folders,
    forking,
    start_conversation,
    transfer,
    turns,
)
from apps.conversations.services.changes import lock_conversation
from apps.conversations.services.conversations import delete_conversation, erase_expired
from apps.core import scope
from apps.core.clock import now
from apps.core.errors import InvalidInput, KarenError
from tests.app.conversations.features import Person

TWINS = 8


def at_once(person: Person, *calls: Callable[[], Any]) -> list[Any]:
    """Make all calls at the same moment, as requests of one person do; errors are results."""

    def one(call: Callable[[], Any]) -> Any:
        try:
            with (
                scope.tenant_scope(person.world.acme),
                scope.actor_scope(person.actor),
                scope.correlation_scope(),
            ):
                return call()
        except KarenError as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        waiting = [pool.submit(copy_context().run, one, call) for call in calls]
        return [each.result() for each in waiting]


def _until_somebody_waits() -> None:
    """Return when another connection waits for a lock."""
    pause = threading.Event()
    for _look in range(500):
        with connection.cursor() as cursor:
            cursor.execute("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)")
            if cursor.fetchone()[0]:
                return
        pause.wait(0.01)
    raise AssertionError("nobody waits")


@pytest.mark.parametrize("temporary", [False, True])
def test_an_answer_that_ends_while_its_conversation_is_deleted_is_in_nobodys_way(
    owner: Person, monkeypatch: pytest.MonkeyPatch, temporary: bool
) -> None:
    sent = owner.say("hello", options={"temporary": temporary})
    here = UUID(sent["conversation_id"])
    ending = threading.Event()

    def locked(conversation_id: UUID) -> Conversation:
        ending.set()
        _until_somebody_waits()
        return lock_conversation(conversation_id)

    def end() -> bool:
        claimed = attempts.claim_turn(turn_id=UUID(sent["turn_id"]), owner="w", lease_ttl_s=10)
        assert claimed is not None
        monkeypatch.setattr(attempts, "lock_conversation", locked)
        outcome = TurnOutcome(state=TurnState.COMPLETED, text="hi")
        return attempts.finish_turn(claimed=claimed, outcome=outcome)

    def remove() -> None:
        ending.wait(10)
        if temporary:
            Conversation.objects.update(expires_at=now())
            erase_expired()
        else:
            delete_conversation(actor=owner.actor, conversation_id=here, permission=CHAT)

    ended, _removed = at_once(owner, end, remove)

    assert ended
    owner.refused("GET", f"conversations/{here}", status=404)


def test_a_waiting_turn_is_cancelled_while_the_one_before_it_ends(
    owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = owner.say("hello")
    second = owner.say("and then?", first["conversation_id"])
    ending = threading.Event()
    release = turns.release_next

    def released(turn: Turn) -> list[Turn]:
        if str(turn.pk) == first["turn_id"]:
            ending.set()
            _until_somebody_waits()
        return release(turn)

    def end() -> bool:
        claimed = attempts.claim_turn(turn_id=UUID(first["turn_id"]), owner="w", lease_ttl_s=10)
        assert claimed is not None
        monkeypatch.setattr(attempts, "release_next", released)
        outcome = TurnOutcome(state=TurnState.COMPLETED, text="hi")
        return attempts.finish_turn(claimed=claimed, outcome=outcome)

    def cancel() -> TurnState:
        ending.wait(10)
        turn_id = UUID(second["turn_id"])
        return turns.cancel_turn(actor=owner.actor, turn_id=turn_id, permission=CHAT).state

    ended, state = at_once(owner, end, cancel)

    assert ended
    assert state is TurnState.CANCELLED


def test_the_same_command_sent_at_once_is_done_once(owner: Person) -> None:
    message = NewMessage(client_message_id="twin", text="/mode code")

    def give() -> Any:
        parsed = ParsedCommand(name="mode", argument="code")
        return run_command(actor=owner.actor, message=message, parsed=parsed, permission=CHAT)

    receipts = at_once(owner, *[give] * TWINS)

    assert len({receipt.turn_id for receipt in receipts}) == 1
    assert sum(receipt.created for receipt in receipts) == 1
    with scope.tenant_scope(owner.world.acme):
        assert Message.objects.count() == 2


def test_the_same_fork_asked_at_once_is_one(owner: Person) -> None:
    sent = owner.answered()

    def fork() -> Any:
        return forking.fork_conversation(
            actor=owner.actor,
            permission=CHAT,
            conversation_id=sent.conversation_id,
            message_id=sent.message_id,
            client_key="twin",
        )

    copies = at_once(owner, *[fork] * TWINS)

    assert len({copy.id for copy in copies}) == 1
    with scope.tenant_scope(owner.world.acme):
        assert Conversation.objects.count() == 2


def test_the_same_file_imported_at_once_gives_each_conversation_once(owner: Person) -> None:
    content = (
        b'{"format": "karen.conversation", "version": 1,'
        b' "messages": [{"id": "a", "role": "user", "text": "hello"}]}'
    )

    def take_in() -> Any:
        return transfer.start_import(actor=owner.actor, permission=CHAT, content=content)

    views = at_once(owner, *[take_in] * TWINS)

    with scope.tenant_scope(owner.world.acme):
        assert Conversation.objects.count() == 1
        done = [
            transfer.get_import(actor=owner.actor, permission=CHAT, import_id=view.id)
            for view in views
        ]
    assert {view.state for view in done} == {"done"}
    assert len({item.conversation_id for view in done for item in view.items}) == 1


def test_a_folder_that_is_deleted_while_things_are_put_into_it_leaves_nothing_dangling(
    owner: Person,
) -> None:
    for _round in range(4):
        with (
            scope.tenant_scope(owner.world.acme),
            scope.actor_scope(owner.actor),
            scope.correlation_scope(),
        ):
            folder = folders.create_folder(actor=owner.actor, permission=CHAT, name="busy")
            ids = [
                start_conversation(actor=owner.actor, permission=CHAT).id for _each in range(TWINS)
            ]

        def move(conversation_id: Any, folder_id: Any = folder.id) -> Any:
            return configure_conversation(
                actor=owner.actor,
                conversation_id=conversation_id,
                permission=CHAT,
                options=ConversationOptions(folder_id=folder_id),
            )

        def delete(folder_id: Any = folder.id) -> Any:
            folders.delete_folder(actor=owner.actor, permission=CHAT, folder_id=folder_id)

        moves = [lambda one=one: move(one) for one in ids]
        results = at_once(owner, *moves[:4], delete, *moves[4:])

        refused = [result for result in results if isinstance(result, KarenError)]
        assert all(isinstance(error, InvalidInput | FolderNotFound) for error in refused)
        with scope.tenant_scope(owner.world.acme):
            assert not Folder.objects.filter(pk=folder.id).exists()
            assert not Conversation.objects.filter(folder_id=folder.id).exists()
