"""Redis (or Valkey) clients by role.

Three roles with different needs share nothing but the protocol: the broker and the streams must
not evict, the cache may. Each has its own URL, so an operator can separate them. Asynchronous
clients belong to the event loop that made them.
"""

import asyncio
from enum import StrEnum
from functools import cache
from weakref import WeakKeyDictionary

import redis
import redis.asyncio
from django.conf import settings

_SOCKET_TIMEOUT_S = 5.0
# A caller beyond these waits for one that is done; the library's own pool raises at its hundredth.
_CONNECTIONS = 32


class RedisRole(StrEnum):
    """What a Redis database is used for."""

    BROKER = "broker"
    STREAMS = "streams"
    CACHE = "cache"


def redis_url(role: RedisRole) -> str:
    """Return the URL of the database for `role`."""
    return str(settings.REDIS_URLS[role.value])


@cache
def redis_client(role: RedisRole) -> redis.Redis:
    """Return this process's blocking client for `role`; safe to share between threads."""
    pool = redis.BlockingConnectionPool.from_url(
        redis_url(role),
        max_connections=_CONNECTIONS,
        timeout=_SOCKET_TIMEOUT_S,
        socket_timeout=_SOCKET_TIMEOUT_S,
        socket_connect_timeout=_SOCKET_TIMEOUT_S,
    )
    return redis.Redis(connection_pool=pool)


_AsyncClients = dict[tuple[RedisRole, float], redis.asyncio.Redis]
_async_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, _AsyncClients] = WeakKeyDictionary()


def async_redis(role: RedisRole, *, patience_s: float = _SOCKET_TIMEOUT_S) -> redis.asyncio.Redis:
    """Return the running event loop's client for `role`.

    Args:
        role: Which database.
        patience_s: Seconds after which an unanswered command raises `redis.TimeoutError`; a
            command that blocks on purpose needs more than it blocks.
    """
    clients = _async_clients.setdefault(asyncio.get_running_loop(), {})
    if (role, patience_s) not in clients:
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            redis_url(role),
            max_connections=_CONNECTIONS,
            timeout=patience_s,
            socket_connect_timeout=_SOCKET_TIMEOUT_S,
            socket_timeout=patience_s,
        )
        clients[role, patience_s] = redis.asyncio.Redis(connection_pool=pool)
    return clients[role, patience_s]
