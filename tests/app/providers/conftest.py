"""Providers that are set up as operators do it, in front of a real HTTP server that misbehaves."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx2
import pytest
from pytest_django.fixtures import Settings

from apps.conversations import degradation
from apps.core import scope
from apps.core.concurrency import platform_db, run_async
from apps.core.scope import Actor, TenantRef
from apps.providers import configuration, registry
from apps.providers.adapters.openai_compatible import OpenAICompatibleAdapter
from apps.providers.models import Model, Provider
from tests.fixtures.database import World
from tests.fixtures.people import People
from tests.stubs.upstream import Upstream, running_upstream

ActorIn = Callable[[UUID, TenantRef], Actor]
SetUp = Callable[..., Any]

PATIENCE = httpx2.Timeout(connect=2.0, read=0.6, write=2.0, pool=2.0)


@pytest.fixture
def ann(committed: World, people: People, actor_in: ActorIn) -> Actor:
    return actor_in(people.ann, committed.acme)


@pytest.fixture
def bea(committed: World, people: People, actor_in: ActorIn) -> Actor:
    return actor_in(people.bea, committed.acme)


def set_up(slug: str, base_url: str, *models: str, tenant: TenantRef | None = None) -> Provider:
    """Write the rows that the services of settings write; the tests here are about what follows."""
    provider = Provider.objects.create(
        slug=slug, label=slug, base_url=base_url, tenant_id=tenant.id if tenant else None
    )
    for place, name in enumerate(models):
        Model.objects.create(provider=provider, name=name, position=place)
    configuration.forget()
    return provider


@pytest.fixture
def quick_adapters(settings: Settings) -> Iterator[list[OpenAICompatibleAdapter]]:
    """Adapters that lose patience after half a second of silence."""
    settings.LOCAL_MODEL = False
    made: list[OpenAICompatibleAdapter] = []
    before = registry.wire("openai_compatible")
    assert before is not None

    def build(endpoint: registry.Endpoint) -> OpenAICompatibleAdapter:
        made.append(OpenAICompatibleAdapter(endpoint, timeout=PATIENCE, grace_s=0.2))
        return made[-1]

    registry.register_wire("openai_compatible", build)
    degradation.outages.forget()
    yield made
    registry.register_wire("openai_compatible", before)
    degradation.outages.forget()


@asynccontextmanager
async def upstream_with(adapters: list[OpenAICompatibleAdapter]) -> AsyncIterator[Upstream]:
    async with running_upstream() as server:
        yield server
        for adapter in adapters:  # connections belong to the loop that made them
            await platform_db(lambda each=adapter: run_async(each.aclose()))  # type: ignore[misc]  # bound now
            await adapter.aclose()


@pytest.fixture
async def upstream(
    committed: World, quick_adapters: list[OpenAICompatibleAdapter]
) -> AsyncIterator[Upstream]:
    async with upstream_with(quick_adapters) as server:
        with scope.tenant_scope(committed.acme), scope.correlation_scope():
            yield server
