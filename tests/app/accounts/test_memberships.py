"""Who belongs to a workspace, as what, and that it holds at once."""

from collections.abc import Callable
from uuid import UUID

import pytest
from django.conf import settings
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from apps.accounts import permissions, selectors, services
from apps.accounts.errors import (
    AccountNotFound,
    AlreadyMember,
    LastOwner,
    MembershipNotFound,
    RoleNotFound,
)
from apps.accounts.models.memberships import Membership
from apps.accounts.models.roles import Role
from apps.accounts.models.users import User
from apps.audit import selectors as audit
from apps.core import scope
from apps.core.scope import TenantRef
from apps.tenants import services as tenants
from tests.app.accounts.browsers import is_signed_in
from tests.fixtures.database import World
from tests.fixtures.people import People

pytestmark = pytest.mark.django_db

BrowserOf = Callable[[UUID, TenantRef | None], Client]


def codes(user_id: UUID, tenant: TenantRef) -> frozenset[str]:
    actor = selectors.actor_for(user_id, tenant)
    assert actor is not None
    return actor.permissions


def test_the_built_in_roles_give_what_they_promise(world: World, people: People) -> None:
    member = codes(people.bea, world.acme)
    assert codes(people.eve, world.acme) == frozenset()
    assert member == {
        permissions.CHAT_USER,
        permissions.CHAT_TOOLS_SEARCH,
        permissions.CHAT_MODE_SWITCH,
        permissions.MEMORY_READ,
        permissions.MEMORY_WRITE,
    }
    on_purpose_only = {permissions.MEMORY_AUDIT}
    assert codes(people.ann, world.acme) == permissions.ALL - on_purpose_only
    services.change_role(tenant=world.acme, user_id=people.bea, role="admin")
    assert codes(people.bea, world.acme) == (
        permissions.ALL - on_purpose_only - {permissions.TENANT_ADMIN}
    )


def test_a_role_in_one_workspace_says_nothing_in_another(world: World, people: People) -> None:
    assert selectors.actor_for(people.ann, world.globex) is None
    services.change_role(tenant=world.acme, user_id=people.bea, role="owner")
    assert permissions.TENANT_ADMIN not in codes(people.bea, world.globex)


def test_a_workspaces_own_role_inherits_and_goes_before_the_built_in_one(
    world: World, people: People
) -> None:
    # No service makes roles yet; the operators' admin does.
    guest = Role.objects.get(tenant=None, code="guest")
    Role.objects.create(
        tenant_id=world.acme.id,
        code="member",
        name="Reader",
        parent=guest,
        permissions=[permissions.MEMORY_READ, "retired.code"],
    )
    services.add_member(tenant=world.acme, user_id=people.gus, role="member")
    assert codes(people.gus, world.acme) == {permissions.MEMORY_READ}
    with pytest.raises(RoleNotFound):
        services.change_role(tenant=world.globex, user_id=people.bea, role="reader")


def test_a_member_is_added_by_address(world: World, people: People) -> None:
    services.add_member(tenant=world.acme, email=" GUS@globex.example", role="guest")
    assert "gus@globex.example" in {m.email for m in selectors.list_members(world.acme)}


def test_a_member_is_added_once(world: World, people: People) -> None:
    with pytest.raises(AlreadyMember):
        services.add_member(tenant=world.acme, user_id=people.bea, role="admin")
    assert permissions.CHAT_ADMIN not in codes(people.bea, world.acme)


def test_unknown_people_and_roles_are_refused(world: World, people: People) -> None:
    with pytest.raises(AccountNotFound):
        services.add_member(tenant=world.acme, email="nobody@x.example", role="member")
    with pytest.raises(RoleNotFound):
        services.add_member(tenant=world.acme, user_id=people.gus, role="emperor")
    with pytest.raises(MembershipNotFound):
        services.remove_member(tenant=world.acme, user_id=people.gus)


def test_a_workspace_keeps_an_owner(world: World, people: People) -> None:
    with pytest.raises(LastOwner):
        services.remove_member(tenant=world.acme, user_id=people.ann)
    with pytest.raises(LastOwner):
        services.change_role(tenant=world.acme, user_id=people.ann, role="admin")
    services.change_role(tenant=world.acme, user_id=people.bea, role="owner")
    services.remove_member(tenant=world.acme, user_id=people.ann)
    assert selectors.actor_for(people.ann, world.acme) is None


def test_a_removed_member_is_out_with_the_next_request(
    world: World, people: People, browser_of: BrowserOf
) -> None:
    here, there = browser_of(people.bea, world.acme), browser_of(people.bea, world.globex)
    key = here.cookies[settings.SESSION_COOKIE_NAME].value
    services.remove_member(tenant=world.acme, user_id=people.bea)
    assert not is_signed_in(here)
    assert not selectors.is_session_valid(key, world.acme)
    assert is_signed_in(there)


def test_a_paused_membership_is_out_although_the_session_lives(
    world: World, people: People, browser_of: BrowserOf
) -> None:
    client = browser_of(people.bea, world.acme)
    Membership.objects.filter(user_id=people.bea, tenant_id=world.acme.id).update(is_active=False)
    assert not is_signed_in(client)
    services.add_member(tenant=world.acme, user_id=people.bea, role="member")
    assert is_signed_in(client)


def test_a_closed_account_is_out_everywhere(
    world: World, people: People, browser_of: BrowserOf
) -> None:
    clients = [browser_of(people.bea, place) for place in (world.acme, world.globex, None)]
    User.objects.filter(pk=people.bea).update(is_active=False)
    assert not any(is_signed_in(client) for client in clients)


def test_superusers_are_nobody_in_a_workspace_and_operators_on_the_platform(
    world: World, people: People
) -> None:
    user_id = services.create_operator(email="op@site.example", password="correct horse battery")
    operator = User.objects.get(pk=user_id)
    assert operator.has_perm("accounts.view_user")
    with scope.tenant_scope(world.acme):
        assert not operator.has_perm("accounts.view_user")
        assert not operator.has_perm(permissions.CHAT_USER)
        assert not operator.has_module_perms("accounts")


def test_has_perm_answers_for_the_tenant_in_scope(world: World, people: People) -> None:
    ann = User.objects.get(pk=people.ann)
    with scope.tenant_scope(world.acme):
        assert ann.has_perm(permissions.TENANT_ADMIN)
    with scope.tenant_scope(world.globex):
        assert not ann.has_perm(permissions.TENANT_ADMIN)
    assert not ann.has_perm(permissions.TENANT_ADMIN)


def test_changes_are_recorded_with_old_and_new_role(world: World, people: People) -> None:
    services.change_role(tenant=world.acme, user_id=people.bea, role="guest")
    entry = audit.list_entries(tenant_id=world.acme.id)[0]
    assert (entry.action, entry.old, entry.new) == (
        "tenant.role_changed",
        {"role": "member"},
        {"role": "guest"},
    )
    assert entry.target_label == "bea@both.example"


def test_suspended_workspaces_are_not_listed(world: World, people: People) -> None:
    tenants.suspend_tenant(tenant_id=world.globex.id)
    assert [w.tenant for w in selectors.list_workspaces(people.bea)] == [world.acme]


def test_who_a_member_is_costs_one_query(
    world: World, people: People, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with scope.tenant_scope(world.acme):
        Role.objects.exists()  # from here on the connection has this tenant's search path
        with django_assert_num_queries(1):
            selectors.actor_for(people.ann, world.acme)


def test_checking_a_session_costs_two_queries(
    world: World,
    people: People,
    browser_of: BrowserOf,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    key = browser_of(people.ann, world.acme).cookies[settings.SESSION_COOKIE_NAME].value
    with scope.tenant_scope(world.acme):
        Role.objects.exists()  # from here on the connection has this tenant's search path
        with django_assert_num_queries(2):
            assert selectors.is_session_valid(key, world.acme)
