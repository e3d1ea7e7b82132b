"""The event log of a turn: written by one worker, followed by any number of watchers.

Events live in a Redis Stream per turn, not in the channel layer, which drops messages under load
(decisions.md, trap 4). The turn owns the key; ids order the events and are the resume cursors.
Redis may vanish: the answer is then still written to the database, and watchers reload it there.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

import redis
import redis.asyncio

from apps.conversations.contracts import (
    TERMINAL_KINDS,
    DeltaEvent,
    SnapshotEvent,
    TurnEvent,
    turn_events,
)
from apps.core.errors import ServiceUnavailable
from apps.core.keys import tenant_key
from apps.core.logging import get_logger
from apps.core.redis import RedisRole, async_redis, redis_client

logger = get_logger(__name__)

FIELD = b"e"
COALESCE_S = 0.03
_MAX_EVENTS = 20_000
_LIVE_EXPIRY_S = 24 * 3600
_ENDED_EXPIRY_S = 3600
_CANCEL_EXPIRY_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEvent:
    """One event with its place in the log; `id` is `<milliseconds>-<sequence>`."""

    id: str
    payload: bytes

    @property
    def order(self) -> tuple[int, int]:
        """The id as numbers, which compare in log order."""
        return event_order(self.id)

    def decode(self) -> TurnEvent:
        """Return the typed event."""
        return turn_events.validate_json(self.payload)


def event_order(event_id: str) -> tuple[int, int]:
    """Return a stream id as (milliseconds, sequence)."""
    milliseconds, _, sequence = event_id.partition("-")
    return int(milliseconds), int(sequence or 0)


def logged(entries: object) -> list[LoggedEvent]:
    """Read what Redis returns for a range of a log; the client's own types allow much more."""
    pairs = cast("list[tuple[bytes, dict[bytes, bytes]]]", entries)
    return [LoggedEvent(id=id_.decode(), payload=fields[FIELD]) for id_, fields in pairs]


def stream_key(turn_id: UUID) -> str:
    """Return the key of a turn's log in the tenant in scope."""
    return tenant_key("turn", turn_id, "events")


def cancel_key(turn_id: UUID) -> str:
    """Return the key whose presence asks the worker to stop."""
    return tenant_key("turn", turn_id, "cancel")


def append_event(turn_id: UUID, event: TurnEvent) -> bool:
    """Append one event from synchronous code.

    Returns:
        Whether it is in the log; a Redis that is away is logged, not raised.
    """
    key = stream_key(turn_id)
    expiry = _ENDED_EXPIRY_S if event.kind in TERMINAL_KINDS else _LIVE_EXPIRY_S
    try:
        with redis_client(RedisRole.STREAMS).pipeline(transaction=False) as pipe:
            pipe.xadd(key, {FIELD: event.model_dump_json()}, maxlen=_MAX_EVENTS, approximate=True)
            pipe.expire(key, expiry)
            pipe.execute()
    except redis.RedisError:
        logger.warning("stream.append_failed", turn_id=str(turn_id), kind=event.kind)
        return False
    return True


def has_terminal_event(turn_id: UUID) -> bool:
    """Say whether the log ends with a terminal event already."""
    try:
        last = logged(redis_client(RedisRole.STREAMS).xrevrange(stream_key(turn_id), count=1))
    except redis.RedisError:
        return False
    return bool(last) and last[0].decode().kind in TERMINAL_KINDS


def request_cancel(turn_id: UUID) -> None:
    """Ask whichever worker runs the turn to stop.

    Raises:
        ServiceUnavailable: Redis is away: the worker cannot be told now.
    """
    try:
        redis_client(RedisRole.STREAMS).set(cancel_key(turn_id), 1, ex=_CANCEL_EXPIRY_S)
    except redis.RedisError as error:
        raise ServiceUnavailable from error


def forget_streams(turn_ids: Sequence[UUID]) -> None:
    """Delete the logs of turns that ended; a Redis that is away drops them by itself in time."""
    keys = [stream_key(turn_id) for turn_id in turn_ids]
    if not keys:
        return
    try:
        redis_client(RedisRole.STREAMS).delete(*keys)
    except redis.RedisError:
        logger.warning("stream.forget_failed", turns=len(keys))


async def cancel_requested(turn_id: UUID) -> bool:
    """Say whether somebody asked to stop the turn; false while Redis is away."""
    try:
        return bool(await async_redis(RedisRole.STREAMS).exists(cancel_key(turn_id)))
    except redis.RedisError:
        return False


class TurnWriter:
    """Writes one attempt's events: the first delta at once, later ones coalesced every 30 ms.

    One lock orders everything: an event never overtakes a delta that is still on its way.
    """

    def __init__(self, turn_id: UUID, attempt: int) -> None:
        self._key = stream_key(turn_id)
        self._attempt = attempt
        self._pending: list[str] = []
        self._flusher: asyncio.Task[None] | None = None
        self._redis = async_redis(RedisRole.STREAMS)
        self._lock = asyncio.Lock()
        self._gap = False  # something could not be written: the log lacks it

    async def event(self, event: TurnEvent) -> None:
        """Append `event` after everything written before."""
        async with self._lock:
            await self._write_pending()
            await self._append(event)

    async def delta(self, text: str) -> None:
        """Append a piece of the answer, together with what follows within 30 ms."""
        self._pending.append(text)
        if self._flusher is None or self._flusher.done():
            async with self._lock:
                await self._write_pending()
            self._flusher = asyncio.create_task(self._flush_later())

    async def close(self, whole: str) -> None:
        """Write what is pending; `whole` replaces what a log with a gap adds up to."""
        if self._flusher is not None:
            self._flusher.cancel()
            await asyncio.gather(self._flusher, return_exceptions=True)
        async with self._lock:
            await self._write_pending()
            if self._gap:
                await self._append(SnapshotEvent(attempt=self._attempt, text=whole))

    async def _flush_later(self) -> None:
        while True:
            await asyncio.sleep(COALESCE_S)
            if not self._pending:
                return
            # Shielded: a cancelled flush must neither lose nor repeat what it was writing.
            await asyncio.shield(self._write_locked())

    async def _write_locked(self) -> None:
        async with self._lock:
            await self._write_pending()

    async def _write_pending(self) -> None:
        if self._pending:
            text = "".join(self._pending)
            self._pending.clear()
            await self._append(DeltaEvent(attempt=self._attempt, text=text))

    async def _append(self, event: TurnEvent) -> None:
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                _ = pipe.xadd(
                    self._key,
                    {FIELD: event.model_dump_json()},
                    maxlen=_MAX_EVENTS,
                    approximate=True,
                )
                _ = pipe.expire(self._key, _LIVE_EXPIRY_S)
                await pipe.execute()
        except redis.RedisError:
            # The turn goes on: the answer is written to the database in any case.
            if not self._gap:
                logger.warning("stream.append_failed", key=self._key)
            self._gap = True


async def read_after(key: str, after: str, *, count: int) -> list[LoggedEvent]:
    """Return up to `count` events of `key` after the id `after` (`0-0` for all), oldest first."""
    return logged(await async_redis(RedisRole.STREAMS).xrange(key, min=f"({after}", count=count))


async def oldest_id(key: str) -> str | None:
    """Return the id of the oldest event that is still there, or None without a log."""
    entries = logged(await async_redis(RedisRole.STREAMS).xrange(key, count=1))
    return entries[0].id if entries else None


async def newest_id(key: str) -> str | None:
    """Return the id of the newest entry, or None without a log."""
    entries = logged(await async_redis(RedisRole.STREAMS).xrevrange(key, count=1))
    return entries[0].id if entries else None
