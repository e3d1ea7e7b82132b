"""Each test begins with full rate limits: logins are counted across hosts and tests."""

from collections.abc import Iterator

import pytest

from apps.core.redis import RedisRole, redis_client
from tests.fixtures.database import World


@pytest.fixture(autouse=True)
def fresh_limits(world: World) -> Iterator[None]:
    redis_client(RedisRole.CACHE).flushdb()
    yield
    redis_client(RedisRole.CACHE).flushdb()
