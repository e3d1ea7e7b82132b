"""Answers that are kept: for equal questions of the same person, while the workspace wants it.

Only exact matches, only questions without chance (temperature 0) and without tools, never longer
than an hour. The key is an HMAC under a key of the workspace over everything that shapes the
answer, so that neither another workspace nor another person can meet it. Equal questions that are
asked while one is being answered wait for that answer instead of asking again.
"""

import asyncio
import hmac
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from itertools import groupby
from typing import TypeAlias
from uuid import UUID

import msgspec
import redis

from apps.core import keys, scope
from apps.core.crypto import UnsealError, derive_key, seal, unseal
from apps.core.errors import KarenError
from apps.core.ids import new_id
from apps.core.logging import get_logger
from apps.core.redis import RedisRole, async_redis
from apps.providers import metrics
from apps.providers.configuration import Configuration, Source
from apps.providers.contracts import ModelRequest, Origin, ProviderEvent, TextDelta
from apps.providers.domain.packed_events import UnknownEvent, packed, unpacked
from apps.providers.errors import ProviderInterrupted

logger = get_logger(__name__)

Batches: TypeAlias = AsyncGenerator[list[ProviderEvent], None]

_MEMORY_ENTRIES, _MEMORY_BYTES, _ENTRY_BYTES = 1_000, 16 * 1024 * 1024, 256 * 1024
_PATIENCE_S = 1.0
_LOCK_S = 15
_LOOK_EVERY_S = 0.05
_WAIT_S = 10.0

_encode = msgspec.msgpack.Encoder(uuid_format="bytes").encode
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[list[object]]).decode


@lru_cache(maxsize=512)
def _key_of_tenant(tenant_id: UUID) -> bytes:
    return derive_key("gateway-cache", tenant_id=tenant_id)


def key_of(
    known: Configuration, source: Source | None, request: ModelRequest, origin: Origin
) -> str | None:
    """Return the key of a question's answer; None where none may be kept."""
    tenant = scope.current()
    if not known.cache_ttl_s or request.temperature != 0 or request.tools or tenant is None:
        return None
    # The whole question, also what is added to it one day; only where prefixes are kept is no part
    # of it.
    asked = replace(request, partition="")
    version = source.version if source else 0.0
    shaped = (known.cache_version, origin.user_id, version, asked)
    return hmac.new(_key_of_tenant(tenant.id), _encode(shaped), sha256).hexdigest()


class _Memory:
    """The newest answers of this process, bounded by number and size."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0

    def get(self, key: str) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[0] < time.monotonic():
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry[1]

    def put(self, key: str, value: bytes, ttl_s: float) -> None:
        self._drop(key)
        self._entries[key] = (time.monotonic() + ttl_s, value)
        self._bytes += len(value)
        while len(self._entries) > _MEMORY_ENTRIES or self._bytes > _MEMORY_BYTES:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(entry[1])

    def clear(self) -> None:
        self._entries.clear()
        self._bytes = 0


_memory = _Memory()


def _redis_key(key: str) -> str:
    return keys.tenant_key("answer", key)


def _events(value: bytes) -> list[ProviderEvent] | None:
    try:
        return [unpacked(each) for each in _unpack(value)]
    except (UnknownEvent, msgspec.DecodeError, ValueError):  # of another release
        return None


async def find(key: str) -> list[ProviderEvent] | None:
    """Return the kept answer of a question, or None."""
    value = _memory.get(key)
    if value is not None:
        metrics.CACHE.labels("memory").inc()
        return _events(value)
    client = async_redis(RedisRole.CACHE, patience_s=_PATIENCE_S)
    try:
        async with client.pipeline(transaction=False) as pipe:
            _ = pipe.get(_redis_key(key))
            _ = pipe.pttl(_redis_key(key))
            sealed, left_ms = await pipe.execute()
        if sealed is None:
            metrics.CACHE.labels("miss").inc()
            return None
        value = unseal(sealed, key=_key_of_tenant(scope.require().id), place=key)
    except (redis.RedisError, UnsealError):
        return None
    _memory.put(key, value, max(left_ms, 0) / 1000)
    metrics.CACHE.labels("redis").inc()
    return _events(value)


def _joined_texts(events: list[ProviderEvent]) -> list[ProviderEvent]:
    """Return an answer with its pieces of text in one: nobody waits between them any more."""
    joined: list[ProviderEvent] = []
    for is_text, group in groupby(events, key=lambda event: isinstance(event, TextDelta)):
        if is_text:
            texts = (event.text for event in group if isinstance(event, TextDelta))
            joined.append(TextDelta(text="".join(texts)))
        else:
            joined += group
    return joined


async def keep(key: str, events: list[ProviderEvent], *, ttl_s: int) -> None:
    """Keep an answer for `ttl_s` seconds; one that is very long is not kept."""
    value = _pack([packed(event) for event in _joined_texts(events)])
    if len(value) > _ENTRY_BYTES:
        return
    _memory.put(key, value, ttl_s)
    sealed = seal(value, key=_key_of_tenant(scope.require().id), place=key)
    try:
        client = async_redis(RedisRole.CACHE, patience_s=_PATIENCE_S)
        await client.set(_redis_key(key), sealed, ex=ttl_s)
    except redis.RedisError:
        logger.warning("cache.not_kept")


# -- one question at a time


@dataclass(slots=True, eq=False)
class _Flight:
    """An answer that is being written, and those who read it."""

    batches: list[list[ProviderEvent]] = field(default_factory=list)
    grown: asyncio.Event = field(default_factory=asyncio.Event)
    error: KarenError | None = None
    done: bool = False
    whole: bool = False
    readers: int = 0
    task: "asyncio.Task[None] | None" = None

    def wake(self) -> None:
        self.grown.set()
        self.grown = asyncio.Event()


_flights: dict[tuple[int, str], _Flight] = {}


def joined(key: str, ask: Callable[[], Batches]) -> tuple[Batches, bool]:
    """Return the answer to a question that may be on its way, and whether it was.

    The model is asked once for all who ask the same at the same time; it stops when the last of
    them is gone.
    """
    place = (id(asyncio.get_running_loop()), key)
    flight = _flights.get(place)
    is_first = flight is None
    if flight is None:
        flight = _flights[place] = _Flight()
        flight.task = asyncio.create_task(_fly(place, flight, ask))
    else:
        metrics.CACHE.labels("joined").inc()
    flight.readers += 1
    return _read(flight), not is_first


async def _fly(place: tuple[int, str], flight: _Flight, ask: Callable[[], Batches]) -> None:
    try:
        async with aclosing(ask()) as batches:
            async for batch in batches:
                flight.batches.append(batch)
                flight.wake()
        flight.whole = True
    except KarenError as error:
        flight.error = error
    finally:
        flight.done = True
        _flights.pop(place, None)
        flight.wake()


async def _read(flight: _Flight) -> Batches:
    place = 0
    try:
        while True:
            grown = flight.grown
            while place < len(flight.batches):
                yield list(flight.batches[place])
                place += 1
            if flight.done:
                if flight.error is not None:
                    raise flight.error
                if not flight.whole:  # whoever asked ended in a way that nobody foresaw
                    raise ProviderInterrupted
                return
            await grown.wait()
    finally:
        flight.readers -= 1
        if not flight.readers and not flight.done and flight.task is not None:
            flight.task.cancel()


async def alone(key: str) -> "Turnstile":
    """Be the only process that answers a question, or wait for the one that does."""
    client = async_redis(RedisRole.CACHE, patience_s=_PATIENCE_S)
    name, who = keys.tenant_key("answering", key), new_id().hex
    deadline = time.monotonic() + _WAIT_S
    while True:
        try:
            mine = bool(await client.set(name, who, nx=True, ex=_LOCK_S))
        except redis.RedisError:
            return Turnstile(name="", found=None)
        if mine:
            return Turnstile(name=name, found=None)
        await asyncio.sleep(_LOOK_EVERY_S)
        found = await find(key)
        if found is not None or time.monotonic() > deadline:
            return Turnstile(name="", found=found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turnstile:
    """The right to answer a question; `found` is the answer that another process gave meanwhile."""

    name: str
    found: list[ProviderEvent] | None

    async def leave(self) -> None:
        """Let the next one in."""
        if self.name:
            try:
                await async_redis(RedisRole.CACHE, patience_s=_PATIENCE_S).delete(self.name)
            except redis.RedisError:
                logger.warning("cache.lock_left_behind")


def forget() -> None:
    """Drop this process's answers; for tests."""
    _memory.clear()
    _flights.clear()
