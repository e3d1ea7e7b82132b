"""What is embedded over a network, or by a program, has a row in the ledger."""

from collections.abc import AsyncIterator

import pytest
from pytest_django.fixtures import Settings

from apps.core import scope
from apps.core.concurrency import platform_db, tenant_db
from apps.core.errors import KarenError
from apps.core.ids import new_id
from apps.core.scope import Actor
from apps.providers import embedding, gateway, registry
from apps.providers.adapters.openai_embed import OpenAIEmbedAdapter
from apps.providers.contracts import Flow, Origin
from apps.providers.models import Call
from apps.providers.testing import write_ledger
from apps.providers.vectors import known_vectors
from tests.fixtures.database import World
from tests.stubs.upstream import Upstream, running_upstream


@pytest.fixture
async def endpoint(committed: World, settings: Settings) -> AsyncIterator[Upstream]:
    known_vectors.clear()
    settings.EMBEDDING_CACHE_S = 0
    async with running_upstream() as server:
        settings.OPENAI_BASE_URL = server.base_url
        settings.OPENAI_API_KEY = "sk-test"
        with scope.tenant_scope(committed.acme), scope.correlation_scope():
            yield server
        for adapter in registry._embedding_adapters.values():
            if isinstance(adapter, OpenAIEmbedAdapter):
                await adapter.aclose()
    embedding._hedges.clear()
    known_vectors.clear()


async def rows() -> list[Call]:
    await platform_db(write_ledger)
    return await tenant_db(lambda: list(Call.objects.order_by("started_at")))


async def test_a_remote_embedding_is_written_down_with_who_asked_and_what_came_of_it(
    committed: World, ann: Actor, endpoint: Upstream
) -> None:
    origin = Origin(user_id=ann.id, key_id=new_id())
    await gateway.embed(flow=Flow.EMBED_TEXT, texts=["a cat"], model="openai/embed", origin=origin)
    with pytest.raises(KarenError):
        await gateway.embed(
            flow=Flow.EMBED_TEXT, texts=["a dog"], model="openai/embed-garbage", origin=origin
        )
    good, bad = await rows()
    assert (good.status, good.flow, good.model) == ("ok", "embed.text", "openai/embed")
    assert (good.tenant_id, good.user_id, good.key_id) == (
        committed.acme.id,
        ann.id,
        origin.key_id,
    )
    assert (good.prompt_tokens or 0) > 0
    assert good.cost is None  # nobody knows what this server asks for
    assert (bad.status, bad.prompt_tokens) == ("provider_interrupted", None)


async def test_what_is_remembered_is_not_asked_or_written_again(
    endpoint: Upstream, settings: Settings
) -> None:
    settings.EMBEDDING_CACHE_S = 60
    for _ in range(2):
        await gateway.embed(flow=Flow.EMBED_TEXT, texts=["a cat"], model="openai/embed")
    assert len(await rows()) == 1
