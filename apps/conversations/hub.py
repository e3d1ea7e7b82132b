"""Stage 2: the one entrance of every edge.

Routes messages, commands, stops and watches; checks rates; decides nothing else.
"""

from uuid import UUID

from django.conf import settings

from apps.conversations import instructions, limits, metrics, selectors, services
from apps.conversations.commands.execution import run_command
from apps.conversations.contracts import (
    AnswerAgain,
    ContinueAnswer,
    MessageView,
    NewMessage,
    Transcript,
    TurnAccepted,
    TurnEvent,
    TurnView,
)
from apps.conversations.permissions import CHAT
from apps.conversations.search import service as search
from apps.conversations.search.contracts import SearchPage, SearchQuery
from apps.core import ratelimit
from apps.core.errors import NotAuthenticated
from apps.core.scope import Actor

_searches = ratelimit.Limit(
    name="chat.search", burst=settings.CHAT_SEARCHES_PER_MINUTE, period_s=60.0
)


def ask(
    *, actor: Actor, edge: str, wanted: NewMessage | AnswerAgain | ContinueAnswer
) -> TurnAccepted:
    """Take a message, or the wish for another answer or the rest of one, from an edge.

    Raises:
        RateLimited: The actor sent too many.
        KarenError: As the service that takes it.
    """
    _admit(actor, edge)
    match wanted:
        case NewMessage():
            command = instructions.parse(wanted)
            if command is not None:
                return run_command(actor=actor, message=wanted, parsed=command, permission=CHAT)
            return services.send_message(actor=actor, message=wanted, permission=CHAT)
        case AnswerAgain():
            return services.answer_again(actor=actor, wanted=wanted, permission=CHAT)
        case ContinueAnswer():
            return services.continue_answer(actor=actor, wanted=wanted, permission=CHAT)


def ask_with_transcript(*, actor: Actor, edge: str, transcript: Transcript) -> TurnAccepted:
    """Take a message together with everything said before it.

    Raises:
        RateLimited: The actor sent too many.
        KarenError: As `services.send_message`.
    """
    _admit(actor, edge)
    conversation = services.start_from_transcript(
        actor=actor, transcript=transcript, permission=CHAT
    )
    message = NewMessage(
        conversation_id=conversation.id,
        client_message_id=transcript.client_message_id,
        text=transcript.text,
    )
    return services.send_message(actor=actor, message=message, permission=CHAT)


def find_thread(*, actor: Actor, thread_key: str) -> UUID | None:
    """Return the conversation that the actor began under a key of their own, if there is one.

    Raises:
        PermissionDenied: The actor lacks the permission.
    """
    return selectors.find_thread(actor=actor, thread_key=thread_key, permission=CHAT)


def find_receipt(
    *, actor: Actor, conversation_id: UUID, client_message_id: str
) -> TurnAccepted | None:
    """Return the receipt of a message that was sent under this id before, if one was.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ConversationNotFound: It does not exist, or is not the actor's to see.
    """
    return services.find_receipt(
        actor=actor,
        conversation_id=conversation_id,
        client_message_id=client_message_id,
        permission=CHAT,
    )


def read_branch(*, actor: Actor, conversation_id: UUID) -> tuple[MessageView, ...]:
    """Return the messages of the branch that is shown, oldest first.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ConversationNotFound: It does not exist, or is not the actor's to see.
    """
    return selectors.list_branch_views(
        actor=actor, conversation_id=conversation_id, permission=CHAT
    )


def open_conversation(*, actor: Actor, conversation_id: UUID) -> None:
    """Check that the actor may follow what happens in a conversation.

    Raises:
        PermissionDenied: The actor lacks the permission.
        ConversationNotFound: It does not exist, or is not the actor's to see.
    """
    selectors.access_conversation(actor=actor, conversation_id=conversation_id, permission=CHAT)


def _admit(actor: Actor, edge: str) -> None:
    if actor.id is None:
        raise NotAuthenticated
    limits.take_message(actor.id)
    metrics.chat_requests_total.labels(edge).inc()


def stop_turn(*, actor: Actor, turn_id: UUID) -> TurnView:
    """Stop a turn for an edge.

    Raises:
        PermissionDenied: The actor lacks the permission.
        TurnNotFound: It does not exist or belongs to somebody else.
    """
    return services.cancel_turn(actor=actor, turn_id=turn_id, permission=CHAT)


def open_turn(*, actor: Actor, turn_id: UUID) -> TurnView:
    """Return a turn that the actor may follow.

    Raises:
        PermissionDenied: The actor lacks the permission.
        TurnNotFound: It does not exist or belongs to somebody else.
    """
    turn = selectors.access_turn(actor=actor, turn_id=turn_id, permission=CHAT)
    return selectors.turn_view(turn)


def search_messages(*, actor: Actor, query: SearchQuery) -> SearchPage:
    """Search what the actor may see, for an edge.

    Raises:
        RateLimited: The actor searched too often.
        KarenError: As `search.service.find_messages`.
    """
    if actor.id is None:
        raise NotAuthenticated
    ratelimit.enforce(_searches, actor.id.hex)
    return search.find_messages(actor, query)


def replay_turn(*, actor: Actor, turn_id: UUID) -> tuple[TurnEvent, ...]:
    """Return an ended turn as the events of a whole answer; nothing while it runs.

    Raises:
        PermissionDenied: The actor lacks the permission.
        TurnNotFound: It does not exist, or is not the actor's to see.
    """
    return selectors.replay(selectors.access_turn(actor=actor, turn_id=turn_id, permission=CHAT))


def read_answer(*, actor: Actor, turn_id: UUID) -> tuple[TurnView, MessageView]:
    """Return a turn with its answer as it stands.

    Raises:
        PermissionDenied: The actor lacks the permission.
        TurnNotFound: It does not exist, or is not the actor's to see.
    """
    turn = selectors.access_turn(actor=actor, turn_id=turn_id, permission=CHAT)
    answer = selectors.get_message_view(actor=actor, message_id=turn.answer_id, permission=CHAT)
    return selectors.turn_view(turn), answer
