"""Rate limits by the generic cell rate algorithm, evaluated atomically in Redis.

A `Limit` is a named rule: `burst` requests at once, refilled at `burst` per `period_s`. Limits fail
towards a local, in-process bucket when Redis is away: strict for sign-in, lenient for chat.
"""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import redis

from apps.core import keys
from apps.core.errors import RateLimited
from apps.core.logging import get_logger
from apps.core.metrics import rate_limited_total
from apps.core.redis import RedisRole, async_redis, redis_client

logger = get_logger(__name__)

# KEYS[1] the bucket; ARGV emission interval (s), tolerance (s), how many are taken, whether they
# are taken in any case. Time comes from Redis itself, so that web processes with different clocks
# agree. Returns {allowed, seconds to wait}.
_GCRA = """
local now = redis.call('TIME')
local t = tonumber(now[1]) + tonumber(now[2]) / 1000000
local interval, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2])
local tat = tonumber(redis.call('GET', KEYS[1]) or '0')
if tat < t then tat = t end
local count, forced = tonumber(ARGV[3] or '1'), ARGV[4] == '1'
local wait = tat + interval * (count - 1) - tolerance - t
if wait > 0 and not forced then return {0, tostring(wait)} end
local life = math.ceil((tat + interval * count - t) * 1000) + 1
redis.call('SET', KEYS[1], tostring(tat + interval * count), 'PX', life)
return {1, '0'}
"""

_LOCAL_BUCKETS_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A named rate limit.

    Attributes:
        name: Part of the key and the metric label.
        burst: Requests allowed at once.
        period_s: Seconds in which `burst` requests are refilled.
        strict: When Redis is away: a tenth of the rate if true, the full rate if false.
    """

    name: str
    burst: int
    period_s: float
    strict: bool = False

    @property
    def interval_s(self) -> float:
        """Seconds between two requests at a steady rate."""
        return self.period_s / self.burst


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The outcome of asking a limit; `retry_after_s` is 0 when allowed."""

    allowed: bool
    retry_after_s: float


class _LocalBuckets:
    """The same algorithm in this process, for the time without Redis."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._arrival: OrderedDict[str, float] = OrderedDict()

    def take(self, key: str, *, interval_s: float, tolerance_s: float) -> Decision:
        now = time.monotonic()
        with self._lock:
            arrival = max(self._arrival.pop(key, 0.0), now)
            wait = arrival - tolerance_s - now
            self._arrival[key] = arrival if wait > 0 else arrival + interval_s
            while len(self._arrival) > _LOCAL_BUCKETS_MAX:
                self._arrival.popitem(last=False)
        return Decision(allowed=wait <= 0, retry_after_s=max(wait, 0.0))


_local_buckets = _LocalBuckets()


def take(limit: Limit, *who: str) -> Decision:
    """Take one request of `limit` for the party named by `who` in the current scope."""
    key, interval, tolerance = _rule(limit, who)
    try:
        answer = redis_client(RedisRole.CACHE).eval(_GCRA, 1, key, interval, tolerance)
    except redis.RedisError:
        return _counted(limit, _decided_here(limit, key))
    return _counted(limit, _decision(answer))


async def take_async(limit: Limit, *who: str, count: int = 1) -> Decision:
    """See `take`; for the event loop. More than `burst` at once are taken for `burst`."""
    key, interval, tolerance = _rule(limit, who)
    taken = max(min(count, limit.burst), 1)
    try:
        client = async_redis(RedisRole.CACHE)
        answer = await client.eval(_GCRA, 1, key, interval, tolerance, taken)
    except redis.RedisError:
        return _counted(limit, _decided_here(limit, key))
    return _counted(limit, _decision(answer))


async def charge_async(limit: Limit, *who: str, count: int) -> None:
    """Take `count` in any case: what was not known to be needed when it was asked for.

    Whoever comes next waits for it. Without Redis nothing is charged.
    """
    if count < 1:
        return
    key, interval, tolerance = _rule(limit, who)
    try:
        await async_redis(RedisRole.CACHE).eval(_GCRA, 1, key, interval, tolerance, count, 1)
    except redis.RedisError:
        logger.warning("ratelimit.not_charged", limit=limit.name)


def _rule(limit: Limit, who: tuple[str, ...]) -> tuple[str, str, str]:
    tolerance = limit.interval_s * (limit.burst - 1)
    return keys.scoped_key("rl", limit.name, *who), str(limit.interval_s), str(tolerance)


def _decision(answer: list[Any]) -> Decision:
    allowed, wait = answer
    return Decision(allowed=bool(allowed), retry_after_s=float(wait))


def _decided_here(limit: Limit, key: str) -> Decision:
    logger.warning("ratelimit.redis_unavailable", limit=limit.name)
    interval_s = limit.interval_s * (10.0 if limit.strict else 1.0)
    tolerance_s = limit.interval_s * (limit.burst - 1)
    return _local_buckets.take(key, interval_s=interval_s, tolerance_s=tolerance_s)


def _counted(limit: Limit, decision: Decision) -> Decision:
    if not decision.allowed:
        rate_limited_total.labels(limit.name).inc()
    return decision


def enforce(limit: Limit, *who: str) -> None:
    """Take one request of `limit`.

    Raises:
        RateLimited: None is left; carries the seconds to wait.
    """
    decision = take(limit, *who)
    if not decision.allowed:
        raise RateLimited(retry_after_s=decision.retry_after_s)


async def enforce_async(limit: Limit, *who: str, count: int = 1) -> None:
    """Take one request of `limit`, or `count`; for the event loop.

    Raises:
        RateLimited: None is left; carries the seconds to wait.
    """
    decision = await take_async(limit, *who, count=count)
    if not decision.allowed:
        raise RateLimited(retry_after_s=decision.retry_after_s)
