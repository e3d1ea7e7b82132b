"""One HTTP request and its answer, on bare ASGI.

Django's handler, its middleware and its per-chunk machinery cost more than everything else on this
path (docs/openai-api.md has the figures), and none of it is needed: no session, no cookie, no
form, no template. What a request does need stands in the `door.py` of each protocol.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from apps.core.errors import PayloadTooLarge

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

HEARTBEAT_S = 15.0  # proxies drop silent connections; a comment is no event (decisions, section 2)

_JSON = (b"content-type", b"application/json")
_SSE = (b"content-type", b"text/event-stream; charset=utf-8")
_UNBUFFERED = (b"x-accel-buffering", b"no")
_COMMENT = b": still working\n\n"


class ClientGone(Exception):
    """The client went away before its request was read; there is nobody to answer."""


class Exchange:
    """A request that is being answered.

    Attributes:
        method: The HTTP method.
        path: The path, decoded.
        started: Whether the answer's status is on its way, so that no other can be sent.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.started = False
        self._headers: list[tuple[bytes, bytes]] = list(scope.get("headers", ()))
        self._receive = receive
        self._send = send
        self._common: list[tuple[bytes, bytes]] = []
        self._opened = False
        self._pending: list[bytes] = []
        self._flusher: asyncio.Task[None] | None = None
        self._sending = asyncio.Lock()
        self._written_at = 0.0
        self._timers: list[asyncio.TimerHandle] = []
        self._beats: set[asyncio.Task[None]] = set()

    def header(self, name: bytes) -> str:
        """Return the only value of a request header; empty if it is absent or repeated."""
        values = [value for key, value in self._headers if key.lower() == name]
        return values[0].decode("latin-1") if len(values) == 1 else ""

    def always_send(self, headers: Mapping[str, str]) -> None:
        """Send these headers with whatever answer follows."""
        self._common += [(n.lower().encode(), v.encode("latin-1")) for n, v in headers.items()]

    async def body(self, *, limit: int) -> bytes:
        """Return the request's body.

        Raises:
            PayloadTooLarge: It has more than `limit` bytes.
            ClientGone: The client left while sending it.
        """
        length = self.header(b"content-length")
        if length.isdecimal() and int(length) > limit:
            raise PayloadTooLarge(limit_bytes=limit)
        pieces: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            piece: bytes = message.get("body", b"")
            size += len(piece)
            if size > limit:
                raise PayloadTooLarge(limit_bytes=limit)
            pieces.append(piece)
            if not message.get("more_body", False):
                return b"".join(pieces)

    async def answer(
        self, document: object, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send a JSON document as the whole answer."""
        self.always_send(headers or {})
        body = msgspec.json.encode(document)
        length = (b"content-length", str(len(body)).encode())
        self.started = True
        await self._open(status, [_JSON, length])
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def write(self, data: bytes) -> None:
        """Send the next part of an event stream, beginning it if need be.

        The first part leaves before anything else is worked on. Of what follows, all that is there
        when the event loop next turns leaves together: a provider's burst of small chunks costs
        one write instead of dozens.
        """
        self._pending.append(data)
        if self.started:
            if self._flusher is None or self._flusher.done():
                self._flusher = asyncio.create_task(self._flush())
            return
        self.started = True
        await self._flush()
        # One turn lets the server's transport see the bytes, the next lets it send them.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def _flush(self, *, last: bool = False) -> None:
        async with self._sending:  # a server that holds us back must not let parts overtake
            if not self._opened:
                await self._open(200, [_SSE, _UNBUFFERED])
            data = b"".join(self._pending)
            self._pending.clear()
            self._written_at = asyncio.get_running_loop().time()
            if data or last:
                await self._send(
                    {"type": "http.response.body", "body": data, "more_body": not last}
                )

    async def finish(self, data: bytes) -> None:
        """Send the last part of an event stream."""
        self.started = True
        self._pending.append(data)
        await self._flush(last=True)

    async def _open(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._opened = True
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [*headers, *self._common],
            }
        )

    @asynccontextmanager
    async def while_client_waits(self) -> AsyncIterator[None]:
        """Run the block only as long as the client is there.

        When it leaves, the block is cancelled and `ClientGone` raised: whatever model was asked
        stops, because its generators are closed.

        Raises:
            ClientGone: The client left.
        """
        task = asyncio.current_task()
        assert task is not None
        left = False

        def leave(watch: "asyncio.Task[None]") -> None:
            nonlocal left
            if not watch.cancelled():
                left = True
                task.cancel()

        watch = asyncio.create_task(self._until_gone())
        watch.add_done_callback(leave)
        try:
            yield
        except asyncio.CancelledError:
            # Unless somebody else, such as a server shutting down, wants us to end as well.
            if left and task.uncancel() == 0:
                raise ClientGone from None
            raise
        finally:
            watch.remove_done_callback(leave)
            watch.cancel()

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    @asynccontextmanager
    async def heartbeat(self) -> AsyncIterator[None]:
        """Send a comment whenever the block leaves the client without a byte for a while."""
        loop = asyncio.get_running_loop()
        self._written_at = loop.time()
        timers = [loop.call_later(HEARTBEAT_S, self._beat)]
        self._timers = timers
        try:
            yield
        finally:
            timers.pop().cancel()
            self._timers = []

    def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        silent_s = loop.time() - self._written_at
        if silent_s >= HEARTBEAT_S:
            task = loop.create_task(self.write(_COMMENT))
            self._beats.add(task)  # the loop itself keeps no task alive
            task.add_done_callback(self._beats.discard)
            silent_s = 0.0
        self._timers[:] = [loop.call_later(HEARTBEAT_S - silent_s, self._beat)]
