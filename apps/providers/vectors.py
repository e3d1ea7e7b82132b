"""Vectors that were made before, by what they are vectors of.

Two layers: a bounded map in this process, and Redis for a while. Entries are found by a keyed
digest of model and text; the key is the tenant's, so neither a shared Redis nor the time an
answer takes tells one tenant what another embedded. Redis may be slow or away: then it is left
alone for some seconds and nobody waits for it.
"""

import asyncio
import hashlib
import hmac
import threading
import time
from array import array
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias, cast
from uuid import UUID

import redis
from django.conf import settings

from apps.core import crypto, scope
from apps.core.keys import scoped_key
from apps.core.logging import get_logger
from apps.core.redis import RedisRole, async_redis
from apps.providers import metrics

logger = get_logger(__name__)

ENTRIES_MAX = 4_096  # 1.5 KiB each with 384 dimensions
PATIENCE_S = 0.05  # a vector is made here in a few milliseconds
AWAY_S = 10.0

Vector: TypeAlias = "array[float]"


class VectorCache:
    """What one process remembers, and what it asks Redis for."""

    def __init__(self, *, entries_max: int = ENTRIES_MAX) -> None:
        self._entries: OrderedDict[bytes, Vector] = OrderedDict()
        self._entries_max = entries_max
        self._lock = threading.Lock()  # several event loops share it
        self._away_until = 0.0

    async def find(self, model: str, dimensions: int, texts: Sequence[str]) -> dict[str, Vector]:
        """Return the vectors that are known, by text."""
        digests = {text: _digest(model, text) for text in texts}
        found = self._near(digests)
        metrics.EMBEDDING_CACHE.labels("memory", "hit").inc(len(found))
        far = {text: digest for text, digest in digests.items() if text not in found}
        if far and self._redis_answers():
            fetched = await self._far(far, dimensions)
            self._keep_near({digests[text]: vector for text, vector in fetched.items()})
            metrics.EMBEDDING_CACHE.labels("redis", "hit").inc(len(fetched))
            found |= fetched
        metrics.EMBEDDING_CACHE.labels("none", "miss").inc(len(digests) - len(found))
        return found

    async def keep(self, model: str, made: Mapping[str, Vector]) -> None:
        """Remember vectors by their texts; what cannot be kept is made again some day."""
        entries = {_digest(model, text): vector for text, vector in made.items()}
        self._keep_near(entries)
        if not self._redis_answers():
            return
        try:
            async with asyncio.timeout(PATIENCE_S):
                async with async_redis(RedisRole.CACHE).pipeline(transaction=False) as pipe:
                    for digest, vector in entries.items():
                        _ = pipe.set(_key(digest), vector.tobytes(), ex=settings.EMBEDDING_CACHE_S)
                    await pipe.execute()
        except (redis.RedisError, TimeoutError) as error:
            self._redis_is_away(error)

    def clear(self) -> None:
        """Forget what this process remembers."""
        with self._lock:
            self._entries.clear()
            self._away_until = 0.0

    def _near(self, digests: Mapping[str, bytes]) -> dict[str, Vector]:
        found: dict[str, Vector] = {}
        with self._lock:
            for text, digest in digests.items():
                vector = self._entries.get(digest)
                if vector is not None:
                    self._entries.move_to_end(digest)
                    found[text] = vector
        return found

    def _keep_near(self, entries: Mapping[bytes, Vector]) -> None:
        with self._lock:
            for digest, vector in entries.items():
                self._entries[digest] = vector
                self._entries.move_to_end(digest)
            while len(self._entries) > self._entries_max:
                self._entries.popitem(last=False)

    async def _far(self, digests: Mapping[str, bytes], dimensions: int) -> dict[str, Vector]:
        try:
            async with asyncio.timeout(PATIENCE_S):
                client = async_redis(RedisRole.CACHE)
                stored: list[Any] = await client.mget([_key(each) for each in digests.values()])
        except (redis.RedisError, TimeoutError) as error:
            self._redis_is_away(error)
            return {}
        size = dimensions * array("f").itemsize
        return {
            text: array("f", cast("bytes", data))
            for text, data in zip(digests, stored, strict=True)
            if data is not None and len(data) == size
        }

    def _redis_answers(self) -> bool:
        return settings.EMBEDDING_CACHE_S > 0 and time.monotonic() >= self._away_until

    def _redis_is_away(self, error: Exception) -> None:
        self._away_until = time.monotonic() + AWAY_S
        logger.info("embedding_cache.redis_away", reason=type(error).__name__)


known_vectors = VectorCache()


@lru_cache(maxsize=1_024)
def _secret(tenant_id: UUID | None) -> bytes:
    return crypto.derive_key("embedding-cache", tenant_id=tenant_id)


def _digest(model: str, text: str) -> bytes:
    tenant = scope.current()
    secret = _secret(tenant.id if tenant else None)
    said = text.encode(errors="surrogatepass")
    return hmac.new(secret, model.encode() + b"\0" + said, hashlib.sha256).digest()


def _key(digest: bytes) -> str:
    return scoped_key("vector", digest.hex())
