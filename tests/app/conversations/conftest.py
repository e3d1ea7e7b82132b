"""People of acme with browsers: its owner, a member, and the owner of another workspace."""

from collections.abc import Callable
from uuid import UUID

import pytest
from django.test import Client

from apps.core.scope import Actor, TenantRef
from tests.app.conversations.features import Person
from tests.fixtures.database import World
from tests.fixtures.people import People

BrowserOf = Callable[[UUID, TenantRef | None], Client]
ActorIn = Callable[[UUID, TenantRef], Actor]


@pytest.fixture
def owner(committed: World, people: People, browser_of: BrowserOf, actor_in: ActorIn) -> Person:
    """Ann, who owns acme and may do everything there."""
    return Person(
        client=browser_of(people.ann, committed.acme),
        actor=actor_in(people.ann, committed.acme),
        world=committed,
    )


@pytest.fixture
def member(committed: World, people: People, browser_of: BrowserOf, actor_in: ActorIn) -> Person:
    """Bea, a member of acme: she may chat and switch modes, not configure."""
    return Person(
        client=browser_of(people.bea, committed.acme),
        actor=actor_in(people.bea, committed.acme),
        world=committed,
    )


@pytest.fixture
def outsider(committed: World, people: People, browser_of: BrowserOf, actor_in: ActorIn) -> Person:
    """Gus, who owns the other workspace."""
    return Person(
        client=browser_of(people.gus, committed.globex),
        actor=actor_in(people.gus, committed.globex),
        world=committed,
    )
