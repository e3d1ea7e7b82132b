import pytest
from hypothesis import given, strategies as st

from apps.core import keys, scope
from apps.core.errors import NoTenantInScope
from apps.core.ids import new_id
from apps.core.scope import TenantRef

ACME = TenantRef(id=new_id(), slug="acme", schema="t_a")
GLOBEX = TenantRef(id=new_id(), slug="globex", schema="t_g")


def test_a_tenant_key_needs_a_tenant() -> None:
    with pytest.raises(NoTenantInScope):
        keys.tenant_key("turn", 1)


@given(st.lists(st.text(max_size=20), min_size=1, max_size=4))
def test_no_spelling_of_input_reaches_another_tenants_keys(parts: list[str]) -> None:
    with scope.tenant_scope(ACME):
        mine = keys.tenant_key(*parts)
    with scope.tenant_scope(GLOBEX):
        theirs = keys.tenant_key(*parts)

    assert mine != theirs
    assert mine.startswith(f"{ACME.id.hex}:")
    assert theirs.startswith(f"{GLOBEX.id.hex}:")


@given(st.lists(st.text(max_size=12), max_size=4), st.lists(st.text(max_size=12), max_size=4))
def test_different_parts_never_make_the_same_key(left: list[str], right: list[str]) -> None:
    with scope.tenant_scope(ACME):
        same = keys.tenant_key(*left) == keys.tenant_key(*right)

    assert same == (left == right)


def test_cache_keys_follow_the_scope() -> None:
    with scope.tenant_scope(ACME):
        inside = keys.cache_key("k", "", 1)

    assert inside.startswith(ACME.id.hex)
    assert keys.cache_key("k", "", 1).startswith("platform:")
