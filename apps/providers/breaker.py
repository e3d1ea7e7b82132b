"""Circuit breakers, one per model and owner of the key, shared by all processes through Redis.

Closed, a breaker costs a look into this process's memory. Five failures within half a minute, as
many as there were successes, open it; then calls fail at once, for 2 s, and twice as long after
each further failure, up to 60 s. When that time is over one call is let through: it closes the
breaker or opens it again. A pause that the provider asked for (429 with Retry-After) ends for all
at once. Without Redis every call is let through.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import redis

from apps.core import keys
from apps.core.logging import get_logger
from apps.core.redis import RedisRole, async_redis, redis_client
from apps.providers import metrics, upkeep
from apps.providers.errors import ConfigurationError, ProviderUnavailable

logger = get_logger(__name__)

Place = tuple[str, str]  # whose, and which model

FAILURES_TO_OPEN = 5
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0
_READ_EVERY_S = 1.0
_PROBE_S = 15.0  # one call may take so long to tell whether a model is back
_PATIENCE_S = 1.0
_BUCKET_S = 10
_WINDOW_EXPIRY_S = 60

# KEYS: states of one owner; window of one model. ARGV: model, seconds to open for (0: by the
# window), failures to open, first and longest pause, whether it is the key (1) that is refused.
# Returns the moment until which it is open.
_FAIL = """
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
local model, forced = ARGV[1], tonumber(ARGV[2])
local bucket = math.floor(now / 10)
redis.call('HINCRBY', KEYS[2], 'f' .. bucket, 1)
redis.call('EXPIRE', KEYS[2], 60)
local failed, went_well = 0, 0
for n = bucket - 2, bucket do
  failed = failed + tonumber(redis.call('HGET', KEYS[2], 'f' .. n) or '0')
  went_well = went_well + tonumber(redis.call('HGET', KEYS[2], 's' .. n) or '0')
end
local open_until = tonumber(redis.call('HGET', KEYS[1], model .. '|until') or '0')
if open_until > now and forced == 0 then return tostring(open_until) end
local probing = open_until > 0
if forced == 0 and not probing and (failed < tonumber(ARGV[3]) or failed < went_well) then
  return '0'
end
local opens = tonumber(redis.call('HGET', KEYS[1], model .. '|opens') or '0') + 1
local pause = forced
if forced == 0 then
  pause = math.min(tonumber(ARGV[5]), tonumber(ARGV[4]) * 2 ^ (opens - 1))
end
redis.call('HSET', KEYS[1], model .. '|opens', opens, model .. '|until', tostring(now + pause),
  model .. '|probe', '0', model .. '|key', ARGV[6],
  model .. '|asked', forced > 0 and ARGV[6] == '0' and 1 or 0)
redis.call('EXPIRE', KEYS[1], 3600)
return tostring(now + pause)
"""
# ARGV: model, seconds that a probe may take. Returns whether the caller may probe.
_PROBE = """
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
local open_until = tonumber(redis.call('HGET', KEYS[1], ARGV[1] .. '|until') or '0')
if open_until == 0 then return 1 end
if open_until > now then return 0 end
if redis.call('HGET', KEYS[1], ARGV[1] .. '|asked') == '1' then
  redis.call('HDEL', KEYS[1], ARGV[1] .. '|until', ARGV[1] .. '|opens', ARGV[1] .. '|asked')
  return 1
end
if tonumber(redis.call('HGET', KEYS[1], ARGV[1] .. '|probe') or '0') > now then return 0 end
redis.call('HSET', KEYS[1], ARGV[1] .. '|probe', tostring(now + tonumber(ARGV[2])))
return 1
"""

# What this process knows: until when (Unix time) which breakers are open, and whose keys are
# refused.
_open: dict[Place, float] = {}
_refused: set[Place] = set()
_owners: set[str] = set()


def _states_key(owner: str) -> str:
    return keys.named_key(owner, "breakers")


def _window_key(place: Place) -> str:
    return keys.named_key(place[0], "breaker", place[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A breaker that is not closed, as Redis has it.

    Attributes:
        until: Unix time until which it is open; half open afterwards.
        is_asked: The provider asked for this pause.
        key_refused: It is open because the key is refused.
    """

    until: float
    is_asked: bool = False
    key_refused: bool = False


def _watch(owner: str) -> None:
    if owner not in _owners:
        _owners.add(owner)
        upkeep.start()


def open_for_s(place: Place) -> float:
    """Return for how many seconds a breaker stays open; 0 when calls may go through."""
    _watch(place[0])
    return max(_open.get(place, 0.0) - time.time(), 0.0)


def is_open(place: Place) -> bool:
    """Say whether a breaker opened and has not closed, as far as this process knows."""
    return place in _open


async def admit(place: Place) -> None:
    """Let a call through, or refuse it at once.

    Raises:
        ProviderUnavailable: The breaker is open, or another call is finding out whether it may
            close; says when it is worth trying again.
        ConfigurationError: It is open because the key is refused.
    """
    _watch(place[0])
    until = _open.get(place)
    if until is None:
        return
    wait_s = until - time.time()
    if wait_s > 0:
        if place in _refused:
            raise ConfigurationError("the provider refuses its key", key_refused=True)
        raise ProviderUnavailable(retry_after_s=wait_s)
    if not await _may_probe(place):
        raise ProviderUnavailable(retry_after_s=FIRST_PAUSE_S)


async def _may_probe(place: Place) -> bool:
    client = async_redis(RedisRole.CACHE, patience_s=_PATIENCE_S)
    try:
        return bool(await client.eval(_PROBE, 1, _states_key(place[0]), place[1], str(_PROBE_S)))
    except redis.RedisError:
        return True


async def note_failure(place: Place, *, open_s: float = 0.0, key_refused: bool = False) -> None:
    """Count a failure; `open_s` opens the breaker at once for so long (a 429 with Retry-After)."""
    client = async_redis(RedisRole.CACHE, patience_s=_PATIENCE_S)
    keys_ = (_states_key(place[0]), _window_key(place))
    arguments = (
        place[1],
        str(min(open_s, LONGEST_PAUSE_S)),
        FAILURES_TO_OPEN,
        str(FIRST_PAUSE_S),
        str(LONGEST_PAUSE_S),
        int(key_refused),
    )
    try:
        until = float(await client.eval(_FAIL, 2, *keys_, *arguments))
    except redis.RedisError:
        logger.warning("breaker.not_counted", model=place[1])
        return
    if until:
        if place not in _open:
            metrics.BREAKER_OPENED.labels(place[1]).inc()
            logger.warning("breaker.open", model=place[1], open_s=round(until - time.time(), 1))
        _open[place] = until
        (_refused.add if key_refused else _refused.discard)(place)


async def note_success(place: Place) -> None:
    """Close a breaker that is not closed; free when it is."""
    if place in _open:
        await close(place)


async def close(place: Place) -> None:
    """Close a breaker, whether this process knows that it is open or not."""
    _open.pop(place, None)
    _refused.discard(place)
    logger.info("breaker.closed", model=place[1])
    client = async_redis(RedisRole.CACHE, patience_s=_PATIENCE_S)
    model = place[1]
    try:
        async with client.pipeline(transaction=True) as pipe:
            _ = pipe.hdel(
                _states_key(place[0]),
                *(f"{model}|{name}" for name in ("until", "opens", "probe", "key", "asked")),
            )
            _ = pipe.delete(_window_key(place))
            await pipe.execute()
    except redis.RedisError:
        logger.warning("breaker.not_closed", model=model)


def count_successes(pipe: Any, place: Place, count: int) -> None:  # noqa: ANN401  # redis-py's pipeline is generic in a way that mypy cannot name
    """Add to a pipeline what went well, so that a few failures among many do not open."""
    key = _window_key(place)
    pipe.hincrby(key, f"s{int(time.time() // _BUCKET_S)}", count)
    pipe.expire(key, _WINDOW_EXPIRY_S)


def states_of(owners: Iterable[str]) -> dict[Place, State]:
    """Return the breakers of these owners that are not closed. Blocking.

    Raises:
        redis.RedisError: Redis is away.
    """
    asked = list(owners)
    with redis_client(RedisRole.CACHE).pipeline(transaction=False) as pipe:
        for owner in asked:
            pipe.hgetall(_states_key(owner))
        answers = pipe.execute()
    found: dict[Place, State] = {}
    for owner, answer in zip(asked, answers, strict=True):
        fields = {name.decode(): value for name, value in answer.items()}
        for name, value in fields.items():
            model, _, kind = name.rpartition("|")
            if kind == "until":
                found[owner, model] = State(
                    until=float(value),
                    is_asked=fields.get(f"{model}|asked") == b"1",
                    key_refused=fields.get(f"{model}|key") == b"1",
                )
    return found


def read() -> None:
    """Fetch which breakers other processes opened or closed."""
    owners = list(_owners)
    if not owners:
        return
    found = states_of(owners)
    for place in list(_open):
        if place not in found:
            _open.pop(place, None)
    _open.update({place: state.until for place, state in found.items()})
    _refused.clear()
    _refused.update(place for place, state in found.items() if state.key_refused)


def forget() -> None:
    """Drop what this process knows; for tests."""
    _open.clear()
    _refused.clear()
    _owners.clear()


upkeep.register("breakers", read, every_s=_READ_EVERY_S)
