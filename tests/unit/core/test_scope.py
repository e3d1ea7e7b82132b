import asyncio

import pytest
from hypothesis import given, strategies as st

from apps.core import scope
from apps.core.errors import NoTenantInScope
from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef

ACME = TenantRef(id=new_id(), slug="acme", schema="t_a")
GLOBEX = TenantRef(id=new_id(), slug="globex", schema="t_g")


def test_outside_any_tenant_there_is_none() -> None:
    assert scope.current() is None
    with pytest.raises(NoTenantInScope):
        scope.require()


def test_scopes_nest_and_end_even_when_the_block_fails() -> None:
    with scope.tenant_scope(ACME):
        with pytest.raises(ValueError, match="inside"), scope.tenant_scope(GLOBEX):
            raise ValueError("inside")
        assert scope.require() is ACME
    assert scope.current() is None


async def test_concurrent_tasks_keep_their_own_tenant() -> None:
    async def work(ref: TenantRef) -> list[TenantRef]:
        seen = []
        with scope.tenant_scope(ref):
            for _step in range(20):
                await asyncio.sleep(0)
                seen.append(scope.require())
        return seen

    results = await asyncio.gather(*(work(ref) for ref in [ACME, GLOBEX] * 10))

    for ref, seen in zip([ACME, GLOBEX] * 10, results, strict=True):
        assert set(seen) == {ref}


def test_an_actor_may_what_its_permissions_say() -> None:
    guest = Actor(id=new_id(), label="Guest", permissions=frozenset({"memory.read"}))

    assert guest.may("memory.read")
    assert not guest.may("chat.user")
    assert scope.SYSTEM.may("chat.user")


@given(st.text(max_size=80))
def test_a_correlation_id_from_outside_is_taken_only_when_well_formed(offered: str) -> None:
    accepted = scope.accepted_correlation_id(offered)

    assert 8 <= len(accepted) <= 64
    assert accepted.isascii()
    assert all(c.isalnum() or c in "._-" for c in accepted)
