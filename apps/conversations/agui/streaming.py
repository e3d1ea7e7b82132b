"""From a run to its response: who is asked what, and the stream of events."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

from ag_ui.core import BaseEvent, MessagesSnapshotEvent, ToolMessage
from ag_ui.encoder import EventEncoder
from django.http import StreamingHttpResponse

from apps.conversations import hub
from apps.conversations.agui.reading import Note, Run
from apps.conversations.agui.showing import messages_of
from apps.conversations.agui.telling import Telling, failed, finished, opening
from apps.conversations.contracts import MessageView, TurnAccepted, TurnView
from apps.conversations.following import Follower, follow_turn
from apps.core.concurrency import tenant_db
from apps.core.envelope import error_body
from apps.core.errors import InvalidInput, KarenError
from apps.core.scope import Actor

_SIGN_OF_LIFE = ": still here\n\n"

_encode = EventEncoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """A run whose turn is queued, running or over."""

    accepted: TurnAccepted
    turn: TurnView
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """A run that asks nothing: the client wants to see the thread."""

    conversation_id: UUID | None
    messages: tuple[MessageView, ...]


async def run_stream(follower: Follower, run: Run) -> StreamingHttpResponse:
    """Return the response that tells a run; whoever goes away leaves the turn running.

    Raises:
        ConversationNotFound: The thread names a conversation that is not the actor's to see.
        InvalidInput: The run answers calls that Karen never made.
        KarenError: As `hub.ask`.
    """
    begun = await tenant_db(_begin, follower.actor, run)
    told = _shown(run, begun) if isinstance(begun, _Shown) else _followed(follower, run, begun)
    response = StreamingHttpResponse(told, content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


def _begin(actor: Actor, run: Run) -> _Begun | _Shown:
    conversation_id = run.conversation_id
    known = conversation_id or hub.find_thread(actor=actor, thread_key=run.thread_key)
    accepted = None
    if run.asks:
        accepted = hub.ask(actor=actor, edge="agui", wanted=run.message(known))
    elif known is not None:
        accepted = hub.find_receipt(
            actor=actor, conversation_id=known, client_message_id=run.message_key
        )
    if accepted is not None:
        turn = hub.open_turn(actor=actor, turn_id=accepted.turn_id)
        return _Begun(accepted=accepted, turn=turn, notes=_notes(run, continued=known is not None))
    if run.asked.messages and isinstance(run.asked.messages[-1], ToolMessage):
        text = "Karen called no tool of the front end, so there is no result to take."
        raise InvalidInput(fields={f"messages.{len(run.asked.messages) - 1}": [text]})
    messages = hub.read_branch(actor=actor, conversation_id=known) if known else ()
    return _Shown(conversation_id=known, messages=messages)


def _notes(run: Run, *, continued: bool) -> tuple[Note, ...]:
    if not continued or run.wishes.options is None:
        return run.notes
    late = Note(
        param="forwardedProps.karen.options",
        message="They hold from a thread's first message on; this thread has begun already.",
    )
    return (*run.notes, late)


async def _followed(follower: Follower, run: Run, begun: _Begun) -> AsyncGenerator[str, None]:
    accepted, turn = begun.accepted, begun.turn
    telling = Telling(run, turn.answer_id)
    state = {
        "conversationId": str(accepted.conversation_id),
        "turnId": str(accepted.turn_id),
        "messageId": str(accepted.message_id),
        "answerId": str(turn.answer_id),
        "title": accepted.title,
    }
    yield _encoded(opening(run, state=state, notes=begun.notes) + telling.begin())
    try:
        async with aclosing(follow_turn(follower, accepted.turn_id)) as events:
            async for followed in events:
                told = None if followed is None else telling.take(followed[1])
                if told is None or told:
                    yield _SIGN_OF_LIFE if told is None else _encoded(told)
    except KarenError as error:
        # The stream cannot go on; the turn may. The same run again follows the same turn.
        yield _encoded([*telling.closed(), failed(error_body(error))])


async def _shown(run: Run, shown: _Shown) -> AsyncGenerator[str, None]:
    state = {"conversationId": str(shown.conversation_id)} if shown.conversation_id else {}
    yield _encoded(
        [
            *opening(run, state=dict(state), notes=run.notes),
            MessagesSnapshotEvent(messages=messages_of(shown.messages)),
            finished(run),
        ]
    )


def _encoded(events: Iterable[BaseEvent]) -> str:
    return "".join(map(_encode, events))
