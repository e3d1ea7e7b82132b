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
    return redis.Redis.from_url(
        redis_url(role), socket_timeout=_SOCKET_TIMEOUT_S, socket_connect_timeout=_SOCKET_TIMEOUT_S
    )


_async_clients: WeakKeyDictionary[
    asyncio.AbstractEventLoop, dict[RedisRole, redis.asyncio.Redis]
] = WeakKeyDictionary()


def async_redis(role: RedisRole) -> redis.asyncio.Redis:
    """Return the running event loop's client for `role`.

    It has no read timeout because stream readers block; callers of other commands rely on
    `asyncio.timeout` where waiting would hurt.
    """
    clients = _async_clients.setdefault(asyncio.get_running_loop(), {})
    if role not in clients:
        clients[role] = redis.asyncio.Redis.from_url(
            redis_url(role), socket_connect_timeout=_SOCKET_TIMEOUT_S, socket_timeout=None
        )
    return clients[role]
