"""Another embedding model: old vectors are read by the old model until the new one made them anew.

Two models whose vectors have nothing in common stand behind a real endpoint.
"""

import json
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django.fixtures import Settings

from apps.accounts.permissions import MEMORY_WRITE
from apps.conversations.models.search import MessageVector
from apps.conversations.search import indexing
from apps.conversations.search.meaning import forget_old_models
from apps.core import scope
from apps.core.concurrency import run_async
from apps.core.redis import RedisRole, redis_client
from apps.core.scope import Actor, TenantRef
from apps.memory import reembedding as memories, services
from apps.memory.models import Memory
from apps.memory.recall import recall
from apps.providers import metrics, reembedding, registry
from apps.providers.adapters.openai_embed import OpenAIEmbedAdapter
from apps.providers.tasks import catch_up_embeddings
from apps.providers.vectors import known_vectors
from tests.app.conversations.search_scene import told
from tests.fixtures.database import World
from tests.fixtures.people import People
from tests.stubs.upstream import Upstream

ActorIn = Callable[[UUID, TenantRef], Actor]
BrowserOf = Callable[[UUID, TenantRef | None], Client]
OLD, NEW = "openai/embed", "openai/embed-other"
FACTS = ("Ada plays the cello", "the garage holds a red bicycle", "green tea in the morning")


@pytest.fixture
def endpoint(settings: Settings) -> Iterator[Upstream]:
    settings.EMBEDDING_CACHE_S = 0
    settings.OPENAI_API_KEY = "sk-test"
    upstream = Upstream()
    settings.OPENAI_BASE_URL = run_async(upstream.start())
    settings.EMBEDDING_MODEL = OLD
    known_vectors.clear()
    forget_old_models()
    yield upstream
    for adapter in registry._embedding_adapters.values():
        if isinstance(adapter, OpenAIEmbedAdapter):
            run_async(adapter.aclose())
    run_async(upstream.stop())
    known_vectors.clear()
    forget_old_models()


@pytest.fixture
def ann(committed: World, people: People, actor_in: ActorIn, endpoint: Upstream) -> Iterator[Actor]:
    actor = actor_in(people.ann, committed.acme)
    with scope.tenant_scope(committed.acme), scope.actor_scope(actor), scope.correlation_scope():
        yield actor


def keep(actor: Actor, *texts: str) -> None:
    for text in texts:
        services.remember(actor=actor, permission=MEMORY_WRITE, text=text)
    services.embed_waiting()


def why(actor: Actor, query: str) -> dict[str, str]:
    assert actor.id is not None
    found = recall(query=query, subject_id=actor.id, k=5, within_s=30)
    return {each.text: each.why for each in found}


def models_of() -> dict[str, str]:
    return dict(Memory.objects.values_list("text", "embedding_model"))


def enqueued() -> list[str]:
    waiting = redis_client(RedisRole.BROKER).lrange("gpu.embedding", 0, -1)
    return sorted(json.loads(each)["headers"]["task"] for each in waiting)


def test_old_vectors_are_read_with_the_old_model_until_they_are_made_anew(
    ann: Actor, settings: Settings
) -> None:
    keep(ann, *FACTS)
    assert "meaning +" in why(ann, "who plays the cello")[FACTS[0]]

    settings.EMBEDDING_MODEL = NEW
    keep(ann, "the cello has four strings")
    seen = why(ann, "who plays the cello")
    assert set(models_of().values()) == {OLD, NEW}
    assert "meaning +" in seen[FACTS[0]]
    assert "meaning +" in seen["the cello has four strings"]

    assert memories.reembed() == 3
    assert set(models_of().values()) == {NEW}
    assert memories.reembed() == 0


def test_vectors_of_a_model_that_is_gone_are_not_read_and_not_in_the_way(
    ann: Actor, settings: Settings
) -> None:
    keep(ann, *FACTS)
    Memory.objects.update(embedding_model="gone/model")

    seen = why(ann, "who plays the cello")

    assert list(seen) == [FACTS[0]]
    assert "meaning" not in seen[FACTS[0]]
    assert memories.reembed() == 3


def test_a_text_that_changes_while_its_vector_is_made_keeps_none_of_the_old_text(
    ann: Actor, settings: Settings, endpoint: Upstream
) -> None:
    keep(ann, *FACTS)
    settings.EMBEDDING_MODEL = NEW
    Memory.objects.filter(text=FACTS[0]).update(content_hash="changed")

    assert memories.reembed() == 3  # the changed one by its present text, in the same pass
    assert set(models_of().values()) == {NEW}


def test_a_provider_that_is_away_leaves_the_old_vectors_in_use(
    ann: Actor, settings: Settings
) -> None:
    keep(ann, *FACTS)
    settings.EMBEDDING_MODEL = "openai/broken"

    assert memories.reembed() == 0
    assert set(models_of().values()) == {OLD}
    assert "meaning +" in why(ann, "who plays the cello")[FACTS[0]]


def test_search_reads_both_models_and_never_mixes_them(
    ann: Actor, people: People, settings: Settings, committed: World, browser_of: BrowserOf
) -> None:
    told(committed.acme, people.ann, "a zebra crossed the road", "it did", embed=True)
    settings.EMBEDDING_MODEL = NEW
    told(committed.acme, people.ann, "a zebra crossed the river", "so it did")
    newest = indexing._without_vector().order_by("-created_at")[:2]
    only_new = [row.pk for row in newest]
    MessageVector.objects.filter(pk__in=only_new).delete()
    client = browser_of(people.ann, committed.acme)

    def matched() -> dict[str, Any]:
        answer = client.get("/api/v1/search", {"q": "zebra crossed"}).json()
        return {hit["snippet"]: hit["matched"] for hit in answer["results"]}

    assert {"meaning" in ways for ways in matched().values()} == {True, False}
    assert indexing.embed_waiting() == 4
    assert set(MessageVector.objects.values_list("model", flat=True)) == {NEW}
    forget_old_models()
    assert all("meaning" in ways for ways in matched().values())


def test_operators_see_how_far_it_is_and_start_it(
    ann: Actor, settings: Settings, committed: World, people: People
) -> None:
    keep(ann, *FACTS)
    told(committed.acme, people.ann, "a zebra", embed=True)
    settings.EMBEDDING_MODEL = NEW
    out = StringIO()

    with scope.tenant_scope(None):
        redis_client(RedisRole.BROKER).delete("gpu.embedding")
        call_command("reembed", progress=True, stdout=out)
        assert enqueued() == []
        call_command("reembed", tenant="acme", stdout=StringIO())

    lines = out.getvalue().splitlines()
    assert lines[0] == f"model: {NEW}"
    assert {"acme memories: 0 of 3", "acme messages: 0 of 1", "globex memories: 0 of 0"} <= set(
        lines
    )
    assert enqueued() == ["conversations.embed_messages", memories.REEMBED_TASK]


def test_the_command_knows_no_other_workspace(endpoint: Upstream, committed: World) -> None:
    with pytest.raises(CommandError, match="nowhere"):
        call_command("reembed", tenant="nowhere", stdout=StringIO())


def test_an_admin_sees_their_own_workspace_only(
    ann: Actor, settings: Settings, committed: World, people: People, browser_of: BrowserOf
) -> None:
    keep(ann, *FACTS)
    settings.EMBEDDING_MODEL = NEW

    def progress(user_id: UUID, tenant: TenantRef) -> dict[str, Any]:
        document = browser_of(user_id, tenant).get("/api/v1/embeddings").json()
        assert document["model"] == NEW
        return {each["collection"]: each for each in document["collections"]}

    mine = progress(people.ann, committed.acme)["memories"]
    assert (mine["total"], mine["waiting"], mine["other"]) == (3, 3, {OLD: 3})
    assert progress(people.gus, committed.globex)["memories"]["total"] == 0
    bea = browser_of(people.bea, committed.acme)
    assert bea.get("/api/v1/embeddings").status_code == 403
    started = browser_of(people.ann, committed.acme).post("/api/v1/embeddings")
    assert started.status_code == 202


def test_the_schedule_starts_it_everywhere_and_measures_it(
    ann: Actor, settings: Settings, committed: World
) -> None:
    keep(ann, *FACTS)
    settings.EMBEDDING_MODEL = NEW

    with scope.tenant_scope(None):
        catch_up_embeddings.run()

    (sample,) = [
        each
        for metric in metrics.EMBEDDINGS_WAITING.collect()
        for each in metric.samples
        if each.labels == {"collection": "memories"}
    ]
    assert sample.value == 3.0


def test_without_a_usable_model_nothing_is_started(ann: Actor, settings: Settings) -> None:
    keep(ann, *FACTS)
    settings.EMBEDDING_MODEL = "nowhere/model"

    assert reembedding.present_model() == ""
    assert reembedding.enqueue_reembedding() == ()
    assert memories.reembed() == 0
    assert set(models_of().values()) == {OLD}
