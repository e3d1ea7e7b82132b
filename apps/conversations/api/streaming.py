"""A turn as server-sent events, and the chat runtime of the seeds: ask and receive in one call."""

import json
from uuid import UUID

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from pydantic import BaseModel, ConfigDict, Field

from apps.conversations import hub
from apps.conversations.api.asynchronous import body_as, chat_endpoint
from apps.conversations.contracts import (
    ClientMessageId,
    ConversationOptions,
    Delivery,
    ModelId,
    NewMessage,
    TurnAccepted,
)
from apps.conversations.following import Follower, follow_turn
from apps.conversations.rendering import as_json
from apps.conversations.sse import event_stream, rendered
from apps.core.concurrency import tenant_db
from apps.core.errors import InvalidInput
from apps.core.ids import new_id


def _cursor(request: HttpRequest) -> str | None:
    """Return the id after which events are wanted: `Last-Event-ID`, or `?after=`.

    Raises:
        InvalidInput: It is not the id of an event.
    """
    value = request.headers.get("Last-Event-ID") or request.GET.get("after") or None
    if value is None:
        return None
    milliseconds, _, sequence = value.partition("-")
    if not (milliseconds.isdecimal() and sequence.isdecimal() and len(value) <= 31):
        raise InvalidInput(fields={"after": ["Give the id of an event, such as 1700000000000-0."]})
    return value


@chat_endpoint("GET")
async def turn_events(
    request: HttpRequest, *, follower: Follower, turn_id: UUID
) -> HttpResponseBase:
    """Stream a turn's events, from the beginning or after the last one seen."""
    await tenant_db(hub.open_turn, actor=follower.actor, turn_id=turn_id)
    return event_stream(follower, turn_id, after=_cursor(request))


class RuntimeRequest(BaseModel):
    """What `POST /api/chat/runtime` takes (seed 000, part 4.1)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    message: str
    conversation_id: UUID | None = None
    client_message_id: ClientMessageId | None = None
    model: ModelId | None = None
    attachments: tuple[UUID, ...] = Field(default=(), max_length=10)
    options: ConversationOptions | None = None

    def as_message(self) -> NewMessage:
        """Return it as the hub takes it.

        Without an id of the client's, a repeat after a lost connection is a new message.
        """
        return NewMessage(
            conversation_id=self.conversation_id,
            client_message_id=self.client_message_id or new_id().hex,
            text=self.message,
            model=self.model,
            attachments=self.attachments,
            delivery=Delivery.QUEUE,
            options=self.options,
        )


async def _ask(request: HttpRequest, follower: Follower) -> TurnAccepted:
    wanted = body_as(RuntimeRequest, request).as_message()
    return await tenant_db(hub.ask, actor=follower.actor, edge="runtime", wanted=wanted)


@chat_endpoint("POST")
async def runtime(request: HttpRequest, *, follower: Follower) -> HttpResponseBase:
    """Send a message and answer with the whole answer; a cut connection costs nothing.

    The turn goes on without the client; the same `client_message_id` again waits for the same
    answer.
    """
    accepted = await _ask(request, follower)
    async for _followed in follow_turn(follower, accepted.turn_id):
        continue
    turn, message = await tenant_db(hub.read_answer, actor=follower.actor, turn_id=accepted.turn_id)
    return JsonResponse(
        {"accepted": as_json(accepted), "turn": as_json(turn), "message": as_json(message)}
    )


@chat_endpoint("POST")
async def runtime_stream(request: HttpRequest, *, follower: Follower) -> HttpResponseBase:
    """Send a message and stream its answer as server-sent events, the receipt first."""
    accepted = await _ask(request, follower)
    first = rendered("accepted", json.dumps(as_json(accepted)))
    return event_stream(follower, accepted.turn_id, after=None, first=first)
