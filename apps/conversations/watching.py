"""Following turns: one multiplexed reader per process feeds every watcher.

A blocking connection per watcher would cost a Redis connection per open answer. Instead one
`XREAD` waits on all followed logs and on a control log that wakes it when the set changes. A
watcher that lags keeps nothing in memory: it reads what it missed from the log itself.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from contextvars import Context
from typing import Any, cast
from weakref import WeakKeyDictionary

import redis

from apps.conversations.stream import FIELD, LoggedEvent, event_order, logged, read_after
from apps.core.ids import new_id
from apps.core.keys import platform_key
from apps.core.logging import get_logger
from apps.core.redis import RedisRole, async_redis

logger = get_logger(__name__)

START = "0-0"
_BLOCK_MS = 5_000
_READ_COUNT = 64  # events may be large, and whoever lags reads again
_FRESH_MAX = 256
_CONTROL_EXPIRY_S = 600
_BACKOFF_S = 0.5


class Watcher:
    """One follower of one log, from a cursor on."""

    def __init__(self, key: str, after: str) -> None:
        self.key = key
        self.cursor = event_order(after)
        self._after = after
        self._fresh: deque[LoggedEvent] = deque()
        self._lagging = True  # the first read always asks the log for what was before
        self._wake = asyncio.Event()
        self._woken = False
        self._lost = False

    def push(self, events: list[LoggedEvent]) -> None:
        """Take new events; beyond the bound, remember only that there are more."""
        if len(self._fresh) + len(events) > _FRESH_MAX:
            self.fall_behind()
        else:
            self._fresh.extend(events)
            self._wake.set()

    def wake(self) -> None:
        """Have a waiting `next_batch` look again, and return nothing if there is nothing."""
        self._woken = True
        self._wake.set()

    def lose(self) -> None:
        """The log was out of reach: it may come back without its last second.

        What this watcher passed on cannot be vouched for any more, so its client starts afresh.
        """
        self._lost = True
        self._wake.set()

    def fall_behind(self) -> None:
        """Have the next read ask the log."""
        self._fresh.clear()
        self._lagging = True
        self._wake.set()

    async def next_batch(self) -> list[LoggedEvent]:
        """Return the next events in order, waiting for at least one or for `wake`.

        Raises:
            redis.RedisError: The log had to be read and Redis is away, or it was away meanwhile.
        """
        while True:
            if self._lost:
                raise redis.ConnectionError(f"{self.key} was out of reach")
            if self._lagging:
                self._lagging = False
                events = await read_after(self.key, self._after, count=_READ_COUNT)
                self._lagging = self._lagging or len(events) == _READ_COUNT
            else:
                await self._wake.wait()
                self._wake.clear()
                events = list(self._fresh)
                self._fresh.clear()
            unseen = [event for event in events if event.order > self.cursor]
            if self._woken and not unseen:
                self._woken = False
                return []
            if unseen:
                self.cursor, self._after = unseen[-1].order, unseen[-1].id
                return unseen


class StreamReader:
    """Reads all followed logs of this process in one blocking call."""

    def __init__(self) -> None:
        self._watchers: dict[str, set[Watcher]] = {}
        self._cursors: dict[str, str] = {}
        self._control = platform_key("reader", new_id())
        self._control_cursor = START
        self._task: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def watch(self, key: str, after: str) -> AsyncIterator[Watcher]:
        """Follow `key` after the id `after` while the block runs."""
        watcher = Watcher(key, after)
        followed = self._watchers.setdefault(key, set())
        followed.add(watcher)
        self._cursors.setdefault(key, after)
        try:
            if self._task is None or self._task.done():
                # A context of its own: the reader serves all tenants and belongs to none.
                self._task = asyncio.create_task(self._run(), context=Context())
            else:
                await self._interrupt()
            yield watcher
        finally:
            followed.discard(watcher)
            if not followed and self._watchers.get(key) is followed:
                del self._watchers[key]
                self._cursors.pop(key, None)

    async def _interrupt(self) -> None:
        with contextlib.suppress(redis.RedisError):  # the reader notices by itself and retries
            async with async_redis(RedisRole.STREAMS).pipeline(transaction=False) as pipe:
                _ = pipe.xadd(self._control, {FIELD: b""}, maxlen=1, approximate=False)
                _ = pipe.expire(self._control, _CONTROL_EXPIRY_S)
                await pipe.execute()

    async def _run(self) -> None:
        while self._watchers:
            try:
                await self._read_once()
            except redis.RedisError:
                logger.warning("stream.reader_failed", followed=len(self._watchers))
                for watchers in self._watchers.values():
                    for watcher in watchers:
                        watcher.lose()
                await asyncio.sleep(_BACKOFF_S)

    async def _read_once(self) -> None:
        wanted: dict[Any, Any] = {**self._cursors, self._control: self._control_cursor}
        answer = await async_redis(RedisRole.STREAMS, patience_s=2 * _BLOCK_MS / 1000).xread(
            wanted, count=_READ_COUNT, block=_BLOCK_MS
        )
        for name, entries in cast("list[tuple[bytes, object]]", answer or []):
            key, events = name.decode(), logged(entries)
            if key == self._control:
                self._control_cursor = events[-1].id
                continue
            if key not in self._cursors:
                continue
            self._cursors[key] = events[-1].id
            for watcher in self._watchers.get(key, ()):
                watcher.push(events)


_readers: WeakKeyDictionary[asyncio.AbstractEventLoop, StreamReader] = WeakKeyDictionary()


def stream_reader() -> StreamReader:
    """Return the reader of the running event loop."""
    return _readers.setdefault(asyncio.get_running_loop(), StreamReader())
