"""Metrics of search."""

import math
from functools import partial

import redis
from prometheus_client import Counter, Gauge, Histogram

from apps.core.keys import platform_key
from apps.core.redis import RedisRole, redis_client

searches_total = Counter(
    "karen_searches_total", "Searches answered, by what found words.", ["engine"]
)
search_seconds = Histogram("karen_search_seconds", "Time of one search, in seconds.", ["engine"])
missing_total = Counter(
    "karen_search_missing_total", "Searches that had to do without a part, by part.", ["part"]
)
indexed_total = Counter("karen_search_indexed_total", "Texts written to the index.")
lag_rows = Gauge("karen_search_lag_rows", "Texts that Elasticsearch does not know yet.")
lag_seconds = Gauge(
    "karen_search_lag_seconds", "Age of the oldest text that Elasticsearch does not know yet."
)

_LAG_TTL_S = 300  # a figure that nobody renewed for so long is not one any more


def publish_lag(*, rows: int, seconds: float) -> None:
    """Have every process show how far Elasticsearch is behind; one worker measures it.

    Args:
        rows: Texts that wait.
        seconds: Age of the oldest.
    """
    redis_client(RedisRole.CACHE).hset(_lag_key(), mapping={"rows": rows, "seconds": seconds})
    redis_client(RedisRole.CACHE).expire(_lag_key(), _LAG_TTL_S)


def _lag_key() -> str:
    return platform_key("search", "lag")


def _lag(name: str) -> float:
    try:
        value = redis_client(RedisRole.CACHE).hget(_lag_key(), name)
    except redis.RedisError:
        return math.nan
    return float(value) if isinstance(value, bytes) else math.nan


lag_rows.set_function(partial(_lag, "rows"))
lag_seconds.set_function(partial(_lag, "seconds"))
