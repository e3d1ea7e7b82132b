"""What memory does, counted for analytics: in every process, summed up in Redis by the hour.

Counting is an addition in memory; every few seconds the sums go to Redis, where the export takes
them into files. Nothing is counted twice; what a dying process or Redis loses is lost.
"""

import math
import threading
import time
from collections import Counter
from datetime import UTC, date, datetime

from apps.core import keys, scope
from apps.core.redis import RedisRole, redis_client
from apps.providers import upkeep

USED = "used"  # memories given to a model
SAMPLED, FOUND = "sampled", "found"  # asked for by the nightly sample; found by it

_FLUSH_EVERY_S = 5.0
_KEPT_S = 3 * 86_400  # the export runs every hour
_STEP = 1.25  # buckets of latency: each is a quarter wider than the one before
_BUCKETS = 48  # up to 45 s
_RECALL = "recall"

_lock = threading.Lock()
_tallies: dict[str, Counter[str]] = {}


def note(name: str, amount: int = 1) -> None:
    """Count something in the tenant in scope."""
    upkeep.start()
    tenant = scope.require().id.hex
    with _lock:
        _tallies.setdefault(tenant, Counter())[name] += amount


def note_recall(seconds: float) -> None:
    """Count a recall by how long it took."""
    note(f"{_RECALL}{_bucket_of(seconds * 1000)}")


def _bucket_of(ms: float) -> int:
    return min(max(math.ceil(math.log(max(ms, 1.0), _STEP)), 0), _BUCKETS - 1)


def upper_ms_of(name: str) -> float | None:
    """Return the upper edge in milliseconds of a recall's bucket; None for other names."""
    number = name.removeprefix(_RECALL)
    if number == name or not number.isdecimal():
        return None
    return round(_STEP ** int(number), 3)


def flush() -> None:
    """Tell Redis what was counted here; what it does not take is lost."""
    with _lock:
        told = dict(_tallies)
        _tallies.clear()
    if not told:
        return
    moment = datetime.fromtimestamp(time.time(), tz=UTC)
    with redis_client(RedisRole.CACHE).pipeline(transaction=False) as pipe:
        for tenant, counts in told.items():
            key = _key(tenant, moment.date())
            for name, amount in counts.items():
                pipe.hincrby(key, f"{moment.hour}:{name}", amount)
            pipe.expire(key, _KEPT_S)
        pipe.execute()


def read(day: date) -> dict[tuple[int, str], int]:
    """Return what all processes counted on a day (UTC) of the tenant in scope, by hour and name.

    Raises:
        redis.RedisError: Redis is away.
    """
    found = redis_client(RedisRole.CACHE).hgetall(_key(scope.require().id.hex, day))
    counts = {}
    for name, amount in found.items():
        text = name.decode() if isinstance(name, bytes) else name
        hour, _, what = text.partition(":")
        counts[int(hour), what] = int(amount)
    return counts


def _key(tenant: str, day: date) -> str:
    return keys.named_key(tenant, "memory", "tally", day.isoformat())


def forget() -> None:
    """Drop what is counted here; for tests."""
    with _lock:
        _tallies.clear()


upkeep.register("memory told", flush, every_s=_FLUSH_EVERY_S)
