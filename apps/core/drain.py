"""Ending a web process without anybody losing a connection by surprise.

At SIGTERM readiness says `unavailable`, everybody who follows something is told to come back and
let go, requests in progress finish, and only then the server is stopped. Whatever does not end in
time is cut: every process is crash-safe, this is merely polite.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from types import FrameType
from typing import Any

from apps.core.health import board
from apps.core.logging import get_logger

logger = get_logger(__name__)

PATIENCE_S = 2.5  # `make run` insists after four seconds
_POLL_S = 0.02

Leave = Callable[[], Awaitable[None]]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class Drain:
    """Who is connected to this process, and whether it is about to end.

    Attributes:
        begun: Set when the end begins. A stream that has no other way to hear of it waits for
            this and ends with a hint.
    """

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self._leaving: set[Leave] = set()
        self._open = 0

    def join(self, leave: Leave) -> None:
        """Have `leave` called when the end begins; it says goodbye and closes."""
        self._leaving.add(leave)

    def part(self, leave: Leave) -> None:
        """Forget somebody who went by themselves."""
        self._leaving.discard(leave)

    def opened(self) -> None:
        """Count a connection."""
        self._open += 1

    def closed(self) -> None:
        """Count a connection that ended."""
        self._open -= 1

    async def run(self, *, patience_s: float = PATIENCE_S) -> int:
        """Send everybody away and wait until they have gone.

        Returns:
            How many connections were still open after `patience_s` seconds.
        """
        logger.info("drain.begun", open=self._open)
        board().begin_drain()
        self.begun.set()
        leaving = [leave() for leave in list(self._leaving)]
        await asyncio.gather(*leaving, return_exceptions=True)
        try:
            async with asyncio.timeout(patience_s):
                while True:
                    if self._open <= 0:
                        break
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            pass
        logger.info("drain.ended", open=self._open)
        return self._open


@cache
def drain() -> Drain:
    """Return this process's drain."""
    return Drain()


class DrainASGI:
    """Counts connections, and drains them at SIGTERM before the server sees the signal."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._installed = False
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if not self._installed:
            # The server has installed its own handler by now, and it is called in the end.
            self._installed = True
            self._install(asyncio.get_running_loop())
        drain().opened()
        try:
            await self.app(scope, receive, send)
        finally:
            drain().closed()

    def _install(self, loop: asyncio.AbstractEventLoop) -> None:
        server_stops = signal.getsignal(signal.SIGTERM)

        def stop(number: int, frame: FrameType | None) -> None:
            if callable(server_stops):
                server_stops(number, frame)
            else:
                signal.signal(number, signal.SIG_DFL)
                signal.raise_signal(number)

        def begin(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self._start, loop, lambda: stop(number, frame))

        try:
            signal.signal(signal.SIGTERM, begin)
        except ValueError:  # a test serves from another thread than the main one
            logger.debug("drain.no_signals")

    def _start(self, loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
        async def then_stop() -> None:
            try:
                await drain().run()
            finally:
                stop()

        if self._task is None:
            self._task = loop.create_task(then_stop())
