"""Following a turn's events outside a socket: from the log, and from the database without one.

What a socket leaves to its client – a lost cursor means "reload" – is done here for it, so that
one request is one complete answer: `start`, `snapshot` of what is stored, the terminal event.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

import redis

from apps.conversations import hub
from apps.conversations.contracts import TERMINAL_KINDS, TurnEvent
from apps.conversations.stream import event_order, oldest_id, stream_key
from apps.conversations.watching import START, Watcher, stream_reader
from apps.core import scope
from apps.core.concurrency import tenant_db
from apps.core.errors import ServiceUnavailable
from apps.core.logging import get_logger
from apps.core.scope import Actor, TenantRef

logger = get_logger(__name__)

_FIRST_SILENCE_S = (
    0.5  # so long a log that expired keeps a reader waiting, before we ask the database
)
_SILENCE_S = 15.0
_PATIENCE_S = 30.0
_RETRY_S = 1.0

Followed: TypeAlias = tuple[str, TurnEvent]


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """Who follows, in which tenant: a response outlives the scopes of its request."""

    tenant: TenantRef
    actor: Actor


class _LogLost(Exception):
    """The log is not there, or lacks what comes after the cursor."""


async def follow_turn(
    follower: Follower, turn_id: UUID, *, after: str | None = None
) -> AsyncGenerator[Followed | None, None]:
    """Yield a turn's events after a cursor, in order and once, up to the terminal one.

    Each comes with its id, which is empty for those read from the database. None is a sign of
    life: nothing happened for 15 seconds, or for half a second at the beginning.

    Raises:
        TurnNotFound: The turn is gone, or no longer the actor's to see.
        ServiceUnavailable: Redis stays away while the turn runs.
    """
    with scope.tenant_scope(follower.tenant):
        key = stream_key(turn_id)
    cursor = after or START
    quiet_since = asyncio.get_running_loop().time()
    while True:
        try:
            async with aclosing(_from_log(key, cursor)) as events:
                async for followed in events:
                    quiet_since = asyncio.get_running_loop().time()
                    if followed is None:
                        if await _ended(follower, turn_id):
                            break
                        yield None
                        continue
                    cursor = followed[0]
                    yield followed
                    if followed[1].kind in TERMINAL_KINDS:
                        return
        except (_LogLost, redis.RedisError) as problem:
            logger.info("follow.log_lost", turn_id=str(turn_id), problem=type(problem).__name__)
        stored = await _stored(follower, turn_id)
        for event in stored:
            yield "", event
        if stored:
            return
        if asyncio.get_running_loop().time() - quiet_since > _PATIENCE_S:
            raise ServiceUnavailable
        cursor = START  # the turn runs on; a new log begins with what it needs
        await asyncio.sleep(_RETRY_S)


async def _from_log(key: str, cursor: str) -> AsyncGenerator[Followed | None, None]:
    if cursor != START:
        oldest = await oldest_id(key)
        if oldest is None or event_order(oldest) > event_order(cursor):
            raise _LogLost
    async with stream_reader().watch(key, cursor) as watcher:
        async for followed in _batches(watcher):
            yield followed


async def _batches(watcher: Watcher) -> AsyncIterator[Followed | None]:
    silence_s = _FIRST_SILENCE_S
    while True:
        try:
            async with asyncio.timeout(silence_s):
                batch = await watcher.next_batch()
        except TimeoutError:
            silence_s = _SILENCE_S
            yield None
            continue
        silence_s = _SILENCE_S
        for logged in batch:
            yield logged.id, logged.decode()


async def _ended(follower: Follower, turn_id: UUID) -> bool:
    return bool(await _stored(follower, turn_id))


async def _stored(follower: Follower, turn_id: UUID) -> tuple[TurnEvent, ...]:
    """Return the whole answer as events if the turn ended, else nothing."""
    with scope.tenant_scope(follower.tenant), scope.actor_scope(follower.actor):
        return await tenant_db(hub.replay_turn, actor=follower.actor, turn_id=turn_id)
