"""Stage 2: the one entrance of every edge.

Routes messages, commands, stops and watches; checks rates; decides nothing else.
"""

from uuid import UUID

from django.conf import settings

from apps.conversations import instructions, metrics, selectors, services
from apps.conversations.commands.execution import run_command
from apps.conversations.contracts import (
    AnswerAgain,
    ContinueAnswer,
    NewMessage,
    TurnAccepted,
    TurnView,
)
from apps.conversations.permissions import CHAT
from apps.core import ratelimit
from apps.core.errors import NotAuthenticated
from apps.core.scope import Actor

_messages = ratelimit.Limit(
    name="chat.message", burst=settings.CHAT_MESSAGES_PER_MINUTE, period_s=60.0
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
    ratelimit.enforce(_messages, actor.id.hex)
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
