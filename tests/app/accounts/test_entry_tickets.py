"""Tickets from one host to another: once, soon, and only for members."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from pytest_django import Settings

from apps.accounts import services
from apps.accounts.errors import EmailUnconfirmed, EntryTokenInvalid, NotAMember
from apps.accounts.models.sessions import EntryToken
from apps.core import scope
from apps.core.clock import now
from apps.core.errors import NoTenantInScope
from tests.fixtures.database import World
from tests.fixtures.people import People


def redeem(world: World, token: str) -> object:
    with scope.tenant_scope(world.acme):
        return services.redeem_entry_token(token)


@pytest.mark.django_db
def test_a_ticket_is_good_once(world: World, people: People) -> None:
    token = services.issue_entry_token(user_id=people.ann, tenant=world.acme)
    assert redeem(world, token) == people.ann
    with pytest.raises(EntryTokenInvalid):
        redeem(world, token)


@pytest.mark.django_db
def test_the_ticket_itself_is_not_stored(world: World, people: People) -> None:
    token = services.issue_entry_token(user_id=people.ann, tenant=world.acme)
    assert token not in str(EntryToken.objects.values())


@pytest.mark.django_db
def test_a_ticket_lasts_a_minute(world: World, people: People) -> None:
    token = services.issue_entry_token(user_id=people.ann, tenant=world.acme)
    assert EntryToken.objects.get().expires_at <= now() + timedelta(seconds=60)
    EntryToken.objects.update(expires_at=now())
    with pytest.raises(EntryTokenInvalid):
        redeem(world, token)


@pytest.mark.django_db
@pytest.mark.parametrize("token", ["", "x", "x" * 5000, "\x00"])
def test_nonsense_is_refused(world: World, people: People, token: str) -> None:
    with pytest.raises(EntryTokenInvalid):
        redeem(world, token)


@pytest.mark.django_db
def test_only_members_get_a_ticket(world: World, people: People) -> None:
    with pytest.raises(NotAMember):
        services.issue_entry_token(user_id=people.gus, tenant=world.acme)


@pytest.mark.django_db
def test_a_ticket_dies_with_the_membership(world: World, people: People) -> None:
    token = services.issue_entry_token(user_id=people.bea, tenant=world.acme)
    services.remove_member(tenant=world.acme, user_id=people.bea)
    with pytest.raises(EntryTokenInvalid):
        redeem(world, token)


@pytest.mark.django_db
def test_there_are_no_tickets_to_the_platform(people: People) -> None:
    with pytest.raises(NoTenantInScope):
        services.redeem_entry_token("anything")


@pytest.mark.django_db
def test_an_unconfirmed_person_gets_no_ticket_where_confirming_is_mandatory(
    world: World, people: People, settings: Settings
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    with pytest.raises(EmailUnconfirmed):
        services.issue_entry_token(user_id=people.ann, tenant=world.acme)


def test_of_many_who_present_one_ticket_at_once_one_gets_in(
    committed: World, people: People
) -> None:
    token = services.issue_entry_token(user_id=people.ann, tenant=committed.acme)
    ready = threading.Barrier(8)

    def present() -> bool:
        try:
            ready.wait(10)
            redeem(committed, token)
        except EntryTokenInvalid:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        outcomes = [future.result() for future in [pool.submit(present) for _ in range(8)]]
    assert sum(outcomes) == 1
