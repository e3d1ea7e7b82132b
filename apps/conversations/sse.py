"""Server-sent events: a turn's event stream over plain HTTP.

`id:` is the event's place in the log, so a browser's EventSource resumes by itself with
`Last-Event-ID` (HTML standard §9.2). Same events and JSON as on the socket.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import UUID

from django.http import StreamingHttpResponse

from apps.conversations.contracts import TERMINAL_KINDS, TurnEvent
from apps.conversations.following import Follower, follow_turn
from apps.core.envelope import error_body
from apps.core.errors import KarenError

_SIGN_OF_LIFE = b": still here\n\n"


def event_stream(
    follower: Follower, turn_id: UUID, *, after: str | None, first: bytes = b""
) -> StreamingHttpResponse:
    """Return the response that follows a turn after a cursor."""
    response = StreamingHttpResponse(
        _rendered(follower, turn_id, after, first), content_type="text/event-stream"
    )
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


async def _rendered(
    follower: Follower, turn_id: UUID, after: str | None, first: bytes
) -> AsyncGenerator[bytes, None]:
    if first:
        yield first
    try:
        async with aclosing(follow_turn(follower, turn_id, after=after)) as events:
            async for followed in events:
                yield _SIGN_OF_LIFE if followed is None else _event(*followed)
    except KarenError as error:
        # The stream cannot go on; the turn may. The client asks again, or reads the message.
        yield rendered("problem", json.dumps({"error": error_body(error)}))


def _event(event_id: str, event: TurnEvent) -> bytes:
    return rendered(event.kind, event.model_dump_json(), event_id=event_id)


def rendered(name: str, data: str, *, event_id: str = "") -> bytes:
    """Return one server-sent event; `data` is one line of JSON."""
    place = f"id: {event_id}\n" if event_id else ""
    # A terminal event tells EventSource not to come back: there is nothing more.
    retry = "retry: 86400000\n" if name in TERMINAL_KINDS else ""
    return f"{place}{retry}event: {name}\ndata: {data}\n\n".encode()
