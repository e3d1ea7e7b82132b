"""The laws of inheritance and implication."""

from collections.abc import Mapping

import pytest
from hypothesis import given, strategies as st

from apps.accounts import permissions
from apps.accounts.domain import policy
from apps.accounts.domain.policy import RoleSpec

CODES = sorted(permissions.ALL)
codes = st.frozensets(st.sampled_from(CODES))


@st.composite
def role_lines(draw: st.DrawFn) -> dict[int, RoleSpec]:
    """Roles 0, 1, 2 …, each inheriting from the one before."""
    own = draw(st.lists(codes, min_size=1, max_size=policy.LINEAGE_MAX))
    return {
        number: RoleSpec(parent=number - 1 if number else None, permissions=held)
        for number, held in enumerate(own)
    }


def effective(role: int, roles: Mapping[int, RoleSpec]) -> frozenset[str]:
    return policy.permissions_of(role, roles, known=permissions.ALL)


@given(role_lines())
def test_a_role_may_all_that_its_parent_may(roles: dict[int, RoleSpec]) -> None:
    for number in range(1, len(roles)):
        assert effective(number - 1, roles) <= effective(number, roles)


@given(role_lines())
def test_a_role_may_what_it_names_itself(roles: dict[int, RoleSpec]) -> None:
    for number, spec in roles.items():
        assert spec.permissions <= effective(number, roles)


@given(codes, codes)
def test_more_grants_never_mean_fewer_permissions(
    some: frozenset[str], more: frozenset[str]
) -> None:
    known = permissions.ALL
    assert policy.implied(some, known=known) <= policy.implied(some | more, known=known)


@given(codes)
def test_implying_twice_changes_nothing(granted: frozenset[str]) -> None:
    once = policy.implied(granted, known=permissions.ALL)
    assert policy.implied(once, known=permissions.ALL) == once


@given(codes)
def test_nothing_is_granted_that_does_not_exist(granted: frozenset[str]) -> None:
    assert policy.implied(granted, known=permissions.ALL) <= permissions.ALL


@given(codes.filter(lambda held: not any(code.endswith(".admin") for code in held)))
def test_only_admin_codes_imply_others(granted: frozenset[str]) -> None:
    assert policy.implied(granted, known=permissions.ALL) == granted


def test_chat_admin_means_every_chat_code() -> None:
    granted = policy.implied({permissions.CHAT_ADMIN}, known=permissions.ALL)
    assert granted == {code for code in CODES if code.startswith("chat.")}


def test_tenant_admin_means_the_workspace_and_its_chat_but_not_its_memory() -> None:
    granted = policy.implied({permissions.TENANT_ADMIN}, known=permissions.ALL)
    assert granted == {code for code in CODES if code.startswith(("chat.", "tenant."))}


@given(st.integers(min_value=1, max_value=policy.LINEAGE_MAX))
def test_a_cycle_is_refused(length: int) -> None:
    roles = {number: RoleSpec(parent=(number + 1) % length) for number in range(length)}
    with pytest.raises(policy.RoleCycle):
        policy.lineage(0, roles)


def test_a_line_longer_than_what_is_read_is_refused() -> None:
    last = policy.LINEAGE_MAX
    roles = {n: RoleSpec(parent=n + 1 if n < last else None) for n in range(last + 1)}
    with pytest.raises(policy.LineageTooLong):
        policy.lineage(0, roles)


def test_a_missing_parent_is_refused() -> None:
    with pytest.raises(policy.UnknownRole):
        policy.lineage(0, {0: RoleSpec(parent=1)})
