"""The event log of a turn: written by one worker, followed by any number of watchers.

Events live in a Redis Stream per turn, not in the channel layer, which drops messages under load
(decisions.md, trap 4). The turn owns the key; ids order the events and are the resume cursors.
Redis may vanish: the answer is then still written to the database, and watchers reload it there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Generic, TypeVar, cast
from uuid import UUID
from weakref import WeakKeyDictionary

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
_GROUP_MAX = 200
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


# Logs that ended with a gap while Redis was away: their end says the whole text first.
_torn: set[str] = set()

# KEYS[1] the log; ARGV event, snapshot or nothing, most events, seconds to live, kinds that end.
_END = """
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if last then
    local kind = cjson.decode(last[2][2])['kind']
    for i = 5, #ARGV do
        if ARGV[i] == kind then return 0 end
    end
end
if ARGV[2] ~= '' then
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', 'e', ARGV[2])
end
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', 'e', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 1
"""


def append_end(turn_id: UUID, event: TurnEvent, *, whole: str | None = None) -> bool:
    """Append the terminal event unless the log has one: in one step, so there are never two.

    Args:
        turn_id: The turn that ended.
        event: Its terminal event.
        whole: The whole answer, where it is not sure that the log adds up to it.

    Returns:
        Whether the log has it now; a Redis that is away is logged, not raised.
    """
    key = stream_key(turn_id)
    snapshot = ""
    if whole is not None:
        snapshot = SnapshotEvent(attempt=event.attempt, text=whole).model_dump_json()
    arguments: list[str | int] = [event.model_dump_json(), snapshot, _MAX_EVENTS, _ENDED_EXPIRY_S]
    arguments += sorted(TERMINAL_KINDS)
    try:
        redis_client(RedisRole.STREAMS).register_script(_END)(keys=[key], args=arguments)
    except redis.RedisError:
        logger.warning("stream.append_failed", turn_id=str(turn_id), kind=event.kind)
        return False
    _torn.discard(key)
    return True


def is_torn(turn_id: UUID) -> bool:
    """Say whether this process could not write all of the turn's answer to its log."""
    return stream_key(turn_id) in _torn


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
        return await _own_traffic().checks.one(cancel_key(turn_id))
    except redis.RedisError:
        return False


ItemT = TypeVar("ItemT")
AnswerT = TypeVar("AnswerT")


class _Grouped(Generic[ItemT, AnswerT]):
    """What all turns of one event loop ask of Redis, in as few round trips as there are.

    While one group is under way the next one gathers: a turn alone waits for nobody, and two
    hundred cost as many round trips as one. They also need one connection together.
    """

    def __init__(self, ask: Callable[[list[ItemT]], Awaitable[list[AnswerT]]]) -> None:
        self._ask = ask
        self._waiting: list[tuple[ItemT, asyncio.Future[AnswerT]]] = []
        self._task: asyncio.Task[None] | None = None

    async def one(self, item: ItemT) -> AnswerT:
        """Return the answer to one item.

        Raises:
            redis.RedisError: Redis is away; what was to be written may be there all the same.
        """
        answer: asyncio.Future[AnswerT] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._task is None or self._task.done():
            # A context of its own: it works for all tenants and belongs to none.
            self._task = asyncio.create_task(self._run(), context=Context())
        return await answer

    async def _run(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:_GROUP_MAX], self._waiting[_GROUP_MAX:]
            try:
                answers = await self._ask([item for item, _ in group])
            except redis.RedisError as error:
                for _item, waiting in group:
                    if not waiting.done():
                        waiting.set_exception(error)
                continue
            for (_item, waiting), answer in zip(group, answers, strict=True):
                if not waiting.done():  # whoever asked may have been cancelled meanwhile
                    waiting.set_result(answer)


async def _write_all(writes: list[tuple[str, list[str]]]) -> list[int]:
    """Append events to logs; return the length of each log afterwards."""
    places, count = [], 0
    async with async_redis(RedisRole.STREAMS).pipeline(transaction=False) as pipe:
        for key, payloads in writes:
            for payload in payloads:
                _ = pipe.xadd(key, {FIELD: payload}, maxlen=_MAX_EVENTS, approximate=True)
            _ = pipe.expire(key, _LIVE_EXPIRY_S)
            _ = pipe.xlen(key)
            count += len(payloads) + 2
            places.append(count - 1)
        answers = await pipe.execute()
    return [int(answers[place]) for place in places]


async def _which_exist(keys: list[str]) -> list[bool]:
    """Say of each key whether it is there."""
    return [value is not None for value in await async_redis(RedisRole.STREAMS).mget(keys)]


class _Traffic:
    """The groups of one event loop."""

    def __init__(self) -> None:
        self.writes = _Grouped(_write_all)
        self.checks = _Grouped(_which_exist)


_traffic: WeakKeyDictionary[asyncio.AbstractEventLoop, _Traffic] = WeakKeyDictionary()


def _own_traffic() -> _Traffic:
    return _traffic.setdefault(asyncio.get_running_loop(), _Traffic())


class TurnWriter:
    """Writes one attempt's events: the first delta at once, later ones coalesced every 30 ms.

    One lock orders everything: an event never overtakes a delta that is still on its way. Every
    write asks for the length of the log as well: a Redis that was killed comes back without the
    last second, and a repeated command may have arrived twice. Where the length is not what was
    written, a snapshot of the whole text follows at once and mends what clients show.
    """

    def __init__(self, turn_id: UUID, attempt: int) -> None:
        self._key = stream_key(turn_id)
        self._attempt = attempt
        self._pending: list[str] = []
        self._flusher: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._written: list[str] = []
        self._length: int | None = None  # of the log, after our last write
        self._gap = False  # the log is known to differ from what was written

    async def event(self, event: TurnEvent) -> None:
        """Append `event` after everything written before."""
        async with self._lock:
            pending = self._take_pending()
            if isinstance(event, SnapshotEvent):
                self._written = [event.text]
            await self._append(*pending, event)

    async def delta(self, text: str) -> None:
        """Append a piece of the answer, together with what follows within 30 ms."""
        self._pending.append(text)
        if self._flusher is None or self._flusher.done():
            async with self._lock:
                await self._append(*self._take_pending())
            self._flusher = asyncio.create_task(self._flush_later())

    async def close(self, whole: str) -> None:
        """Write what is pending; `whole` replaces what a log with a gap adds up to."""
        if self._flusher is not None:
            self._flusher.cancel()
            await asyncio.gather(self._flusher, return_exceptions=True)
        async with self._lock:
            await self._append(*self._take_pending())
            if self._gap:
                await self._write(SnapshotEvent(attempt=self._attempt, text=whole))
            if self._gap and self._length is None:
                _torn.add(self._key)

    async def _flush_later(self) -> None:
        while True:
            await asyncio.sleep(COALESCE_S)
            if not self._pending:
                return
            # Shielded: a cancelled flush must neither lose nor repeat what it was writing.
            await asyncio.shield(self._write_locked())

    async def _write_locked(self) -> None:
        async with self._lock:
            await self._append(*self._take_pending())

    def _take_pending(self) -> list[TurnEvent]:
        if not self._pending:
            return []
        text = "".join(self._pending)
        self._pending.clear()
        self._written.append(text)
        return [DeltaEvent(attempt=self._attempt, text=text)]

    async def _append(self, *events: TurnEvent) -> None:
        if not events:
            return
        # An idle connection may be dead: a second try finds a new one, and what the first may have
        # written all the same is mended by the snapshot.
        if not (await self._write(*events) or await self._write(*events)) or not self._gap:
            return
        whole = SnapshotEvent(attempt=self._attempt, text="".join(self._written))
        self._gap = not await self._write(whole)

    async def _write(self, *events: TurnEvent) -> bool:
        """Write `events` and note whether the log is what it should be; say whether they are in."""
        payloads = [event.model_dump_json() for event in events]
        try:
            length = await _own_traffic().writes.one((self._key, payloads))
        except redis.RedisError:
            # The turn goes on: the answer is written to the database in any case.
            if not self._gap:
                logger.warning("stream.append_failed", key=self._key)
            self._gap, self._length = True, None
            return False
        expected = None if self._length is None else self._length + len(events)
        if expected is not None and length != expected and expected < _MAX_EVENTS:
            logger.warning("stream.log_differs", key=self._key, expected=expected, found=length)
            self._gap = True
        self._length = length
        return True


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
