"""Requests a minute, tokens a minute and calls at once: of a workspace, a member, a provider.

What has no limit costs nothing. A member or a workspace beyond its own is told to wait; a provider
beyond its own is unavailable, so that another one can be asked.
"""

import threading
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import redis

from apps.core import keys, ratelimit
from apps.core.errors import RateLimited
from apps.core.ids import new_id
from apps.core.logging import get_logger
from apps.core.redis import RedisRole, async_redis, redis_client
from apps.providers import upkeep
from apps.providers.accounting import Account
from apps.providers.configuration import Configuration, Limits, Source
from apps.providers.contracts import Origin
from apps.providers.errors import ProviderUnavailable

logger = get_logger(__name__)

_MINUTE_S = 60.0
_SEAT_S = 60.0  # of a process that died without leaving
_RENEW_EVERY_S = 15.0
_COME_BACK_S = 1.0

# KEYS: the seats. ARGV: most, whose, seconds. Returns whether there is a seat.
_SIT = """
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[2])
redis.call('EXPIRE', KEYS[1], math.ceil(tonumber(ARGV[3])) + 1)
return 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Party:
    """Somebody with limits: of which kind, who, in whose name its keys are."""

    kind: str
    name: str
    owner: str
    limits: Limits

    @property
    def is_provider(self) -> bool:
        return self.kind == "provider"


_seats: dict[str, str] = {}  # who sits → where, of this process's running calls
_lock = threading.Lock()


def _parties(known: Configuration, source: Source | None, origin: Origin) -> list[_Party]:
    parties = []
    if known.limits.any:
        parties.append(_Party(kind="workspace", name="all", owner="", limits=known.limits))
    if known.user_limits.any and origin.user_id is not None:
        name = origin.user_id.hex
        parties.append(_Party(kind="member", name=name, owner="", limits=known.user_limits))
    if source is not None and source.limits.any:
        owner = source.tenant_id.hex if source.tenant_id else keys.PLATFORM
        parties.append(
            _Party(kind="provider", name=source.id.hex, owner=owner, limits=source.limits)
        )
    return parties


def _minute(party: _Party, what: str, most: int) -> ratelimit.Limit:
    return ratelimit.Limit(
        name=f"model.{party.kind}.{what}", burst=max(most, 1), period_s=_MINUTE_S
    )


@asynccontextmanager
async def admitted(
    known: Configuration, source: Source | None, *, account: Account
) -> AsyncIterator["Admission"]:
    """Run the block with room for one call at every party that has limits.

    Args:
        known: What is set up.
        source: The provider that is asked, if somebody set it up.
        account: The call. Tokens of its prompt are taken; the block charges those of the answer.

    Raises:
        RateLimited: The workspace or the member is beyond a limit.
        ProviderUnavailable: The provider is.
    """
    parties = _parties(known, source, account.origin)
    admission = Admission(parties)
    if not parties:
        account.step("limits", "none")
        yield admission
        return
    async with AsyncExitStack() as stack:
        for party in parties:
            await _enter(party, stack, account.prompt_tokens)
        account.step("limits", "ok")
        yield admission


class Admission:
    """Lets the block that was admitted tell what else it used."""

    def __init__(self, parties: list[_Party]) -> None:
        self._parties = parties

    async def charge(self, tokens: int) -> None:
        """Count tokens that were not known before."""
        for party in self._parties:
            most = party.limits.tokens_per_minute
            if most is not None:
                await ratelimit.charge_async(
                    _minute(party, "tokens", most), *_who(party), count=tokens
                )


def _who(party: _Party) -> tuple[str, ...]:
    return (party.owner, party.name) if party.owner else (party.name,)


async def _enter(party: _Party, stack: AsyncExitStack, tokens: int) -> None:
    limits = party.limits
    try:
        if limits.requests_per_minute is not None:
            rule = _minute(party, "requests", limits.requests_per_minute)
            await ratelimit.enforce_async(rule, *_who(party))
        if limits.tokens_per_minute is not None:
            rule = _minute(party, "tokens", limits.tokens_per_minute)
            await ratelimit.enforce_async(rule, *_who(party), count=tokens)
    except RateLimited as error:
        if party.is_provider:
            raise ProviderUnavailable(
                retry_after_s=error.retry_after_s, rate_limited=True
            ) from error
        raise
    if limits.concurrent_calls is not None:
        await stack.enter_async_context(_seat(party, limits.concurrent_calls))


@asynccontextmanager
async def _seat(party: _Party, most: int) -> AsyncIterator[None]:
    parts = ("seats", party.kind, party.name)
    place = keys.named_key(party.owner, *parts) if party.owner else keys.tenant_key(*parts)
    who = new_id().hex
    client = async_redis(RedisRole.CACHE)
    try:
        seated = bool(await client.eval(_SIT, 1, place, most, who, str(_SEAT_S)))
    except redis.RedisError:  # a limit protects; it must not be what fails
        logger.warning("limits.redis_unavailable", party=party.kind)
        yield
        return
    if not seated:
        if party.is_provider:
            raise ProviderUnavailable(retry_after_s=_COME_BACK_S, rate_limited=True)
        raise RateLimited(retry_after_s=_COME_BACK_S)
    with _lock:
        _seats[who] = place
    upkeep.start()
    try:
        yield
    finally:
        with _lock:
            _seats.pop(who, None)
        try:
            await client.zrem(place, who)
        except redis.RedisError:
            logger.warning("limits.seat_not_left", party=party.kind)


def keep_seats() -> None:
    """Keep the seats of this process's running calls."""
    with _lock:
        seats = dict(_seats)
    if not seats:
        return
    until = time.time() + _SEAT_S
    with redis_client(RedisRole.CACHE).pipeline(transaction=False) as pipe:
        for who, place in seats.items():
            pipe.zadd(place, {who: until}, xx=True)
            pipe.expire(place, int(_SEAT_S) + 1)
        pipe.execute()


upkeep.register("seats", keep_seats, every_s=_RENEW_EVERY_S)
