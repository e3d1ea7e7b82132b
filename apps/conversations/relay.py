"""One turn's events on their way to one client, no faster than the client confirms them.

The server underneath buffers without bound for a client that does not read (decisions.md, trap
15). So at most `WINDOW` events (fewer of large ones) are unconfirmed at any time; beyond that
nothing is sent and nothing is held: the log keeps the rest. A client that confirms nothing for
long is let go and resumes by its cursor.
"""

import asyncio
import json
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import redis

from apps.conversations.contracts import TERMINAL_KINDS
from apps.conversations.notices import notices_key
from apps.conversations.stream import (
    LoggedEvent,
    event_order,
    newest_id,
    oldest_id,
    stream_key,
)
from apps.conversations.watching import START, Watcher, stream_reader
from apps.core.scope import Actor

WINDOW = 256
# Large events fill memory long before they are many. A client confirms every 32nd event, so it
# must be sent more than those before it is waited for.
WINDOW_BYTES, WINDOW_LARGE = 512 * 1024, 64
_PATIENCE_S = 30.0

_SILENCE_S = 15.0
_AWAY_S = 0.5

StillActive = Callable[[UUID], Awaitable[bool]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class TurnRelay:
    """Follows one turn for one client."""

    def __init__(
        self, turn_id: UUID, *, after: str | None, send: Send, still_active: StillActive
    ) -> None:
        self._turn_id = turn_id
        self._after = after
        self._send = send
        self._still_active = still_active
        self._watcher: Watcher | None = None
        self._unconfirmed: deque[tuple[tuple[int, int], int]] = deque()
        self._unconfirmed_bytes = 0
        self._confirmed = asyncio.Event()
        self._stopped = False

    def acknowledge(self, event_id: str) -> None:
        """Take the client's word that it applied everything up to `event_id`."""
        upto = event_order(event_id)
        while self._unconfirmed and self._unconfirmed[0][0] <= upto:
            self._unconfirmed_bytes -= self._unconfirmed.popleft()[1]
        self._confirmed.set()

    def stop(self) -> None:
        """Send nothing more: another watch of the same client takes over."""
        self._stopped = True
        self._confirmed.set()
        if self._watcher is not None:
            self._watcher.wake()

    def _has_stopped(self) -> bool:
        return self._stopped

    async def run(self) -> str | None:
        """Send events until the terminal one.

        Returns:
            None after the terminal event; otherwise why the client must act: `expired` or `gap`
            (reload from the database) or `too_slow`.
        """
        try:
            return await self._run()
        except redis.RedisError:
            # The log is or was out of reach. Clients that are told at once come back at once.
            await asyncio.sleep(_AWAY_S * (1 + secrets.randbelow(100) / 100))
            return None if self._stopped else "gap"

    async def _run(self) -> str | None:
        key = stream_key(self._turn_id)
        if self._after not in {None, START}:
            oldest = await oldest_id(key)
            if oldest is None:
                return "expired"
            if event_order(oldest) > event_order(self._after or START):
                return "gap"
        async with stream_reader().watch(key, self._after or START) as watcher:
            return await self._relay_from(watcher)

    async def _relay_from(self, watcher: Watcher) -> str | None:
        self._watcher = watcher
        while True:
            try:
                async with asyncio.timeout(_SILENCE_S):
                    batch = await watcher.next_batch()
            except TimeoutError:
                # A long silence: the turn may be gone, or its end may be missing in the log.
                if not await self._still_active(self._turn_id):
                    return "expired"
                continue
            if self._has_stopped():
                return None
            for event in batch:
                if not await self._may_send():
                    return None if self._stopped else "too_slow"
                kind = await self._send_event(event)
                if kind in TERMINAL_KINDS:
                    return None

    async def _send_event(self, event: LoggedEvent) -> str:
        body = json.loads(event.payload)
        attempt = body.pop("attempt")
        await self._send(
            {
                "type": "event",
                "turn_id": str(self._turn_id),
                "id": event.id,
                "attempt": attempt,
                "event": body,
            }
        )
        self._unconfirmed.append((event.order, len(event.payload)))
        self._unconfirmed_bytes += len(event.payload)
        return str(body["kind"])

    def _is_full(self) -> bool:
        count = len(self._unconfirmed)
        heavy = self._unconfirmed_bytes >= WINDOW_BYTES and count >= WINDOW_LARGE
        return heavy or count >= WINDOW

    async def _may_send(self) -> bool:
        while self._is_full() and not self._stopped:
            self._confirmed.clear()
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await self._confirmed.wait()
            except TimeoutError:
                return False
        return not self._stopped


class NoticeRelay:
    """Follows one person's notices for one client."""

    def __init__(self, actor: Actor, *, send: Send) -> None:
        self._key = notices_key(actor.id) if actor.id is not None else ""
        self._send = send
        self._task: asyncio.Task[None] | None = None

    async def cursor(self) -> str | None:
        """Return the place after which notices are news; None while Redis is away."""
        try:
            return await newest_id(self._key) or START
        except redis.RedisError:
            return None

    async def follow(self, after: str | None) -> None:
        """Send what comes after a place in the log; None for what is new from now on."""
        await self.stop()
        self._task = asyncio.create_task(self._relay(after))

    async def stop(self) -> None:
        """Send nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _relay(self, after: str | None) -> None:
        try:
            place = after or await newest_id(self._key) or START
            if await self._has_gap(after):
                await self._send({"type": "cursor", "turn_id": None, "problem": "gap"})
                place = await newest_id(self._key) or START
            async with stream_reader().watch(self._key, place) as watcher:
                while True:
                    for event in await watcher.next_batch():
                        notice = json.loads(event.payload)
                        await self._send({"type": "notice", "id": event.id, "notice": notice})
        except redis.RedisError:
            await self._send({"type": "cursor", "turn_id": None, "problem": "gap"})

    async def _has_gap(self, after: str | None) -> bool:
        """Say whether notices after the client's place are gone."""
        if after in {None, START}:
            return False
        oldest = await oldest_id(self._key)
        return oldest is None or event_order(oldest) > event_order(after or START)
