"""Vectors in Redis: found by whoever made them, and by nobody else."""

from array import array

import pytest

from apps.core import scope
from apps.core.redis import RedisRole, redis_client
from apps.core.scope import TenantRef
from apps.providers.vectors import VectorCache
from tests.fixtures.database import World

VECTOR = array("f", [0.6, 0.8])


@pytest.fixture
def tenants(world: World) -> tuple[TenantRef, TenantRef]:
    redis_client(RedisRole.CACHE).flushdb()
    return world.acme, world.globex


async def test_another_process_finds_what_this_one_made(
    tenants: tuple[TenantRef, TenantRef],
) -> None:
    acme, _globex = tenants
    with scope.tenant_scope(acme):
        await VectorCache().keep("m", {"secret": VECTOR, "more": VECTOR})
        found = await VectorCache().find("m", 2, ["secret", "unknown", "more"])

    assert found == {"secret": VECTOR, "more": VECTOR}


async def test_no_tenant_finds_anothers_neither_near_nor_far(
    tenants: tuple[TenantRef, TenantRef],
) -> None:
    acme, globex = tenants
    cache = VectorCache()
    with scope.tenant_scope(acme):
        await cache.keep("m", {"secret": VECTOR})
    with scope.tenant_scope(globex):
        assert await cache.find("m", 2, ["secret"]) == {}
        assert await VectorCache().find("m", 2, ["secret"]) == {}
    assert await cache.find("m", 2, ["secret"]) == {}  # the platform's own


async def test_redis_holds_neither_texts_nor_their_plain_digests(
    tenants: tuple[TenantRef, TenantRef],
) -> None:
    acme, _globex = tenants
    with scope.tenant_scope(acme):
        await VectorCache().keep("m", {"secret": VECTOR})
    client = redis_client(RedisRole.CACHE)
    (key,) = [bytes(each) for each in client.scan_iter(f"{acme.id.hex}:vector:*")]

    assert b"secret" not in key
    assert len(client.get(key) or b"") == 8
    assert 0 < int(str(client.ttl(key))) <= 86_400


async def test_a_vector_of_another_length_is_none(tenants: tuple[TenantRef, TenantRef]) -> None:
    with scope.tenant_scope(tenants[0]):
        await VectorCache().keep("m", {"secret": VECTOR})
        assert await VectorCache().find("m", 3, ["secret"]) == {}
        assert await VectorCache().find("n", 2, ["secret"]) == {}
