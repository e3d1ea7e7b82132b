"""Very many memories of one person: what recall looks at then, and the index it has."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from uuid import UUID

import pytest
from django.db import connection, connections

from apps.accounts.permissions import MEMORY_WRITE
from apps.core import scope
from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef
from apps.memory import recall as recalling, services
from apps.memory.contracts import RecalledMemory
from apps.memory.models import Memory
from apps.memory.services import vector_indexes
from apps.memory.services.indexing import index_waiting
from apps.providers.catalogue import EMBEDDING_MODEL
from tests.fixtures.database import World
from tests.fixtures.people import People

ActorIn = Callable[[UUID, TenantRef], Actor]
WORDS = ["tea", "rain", "oslo", "violin", "paint", "garden", "bread", "letter", "winter", "train"]
NEEDLE = "The spare key hangs behind the boiler in the cellar."


@pytest.fixture
def ann(committed: World, people: People, actor_in: ActorIn) -> Iterator[Actor]:
    actor = actor_in(people.ann, committed.acme)
    with scope.tenant_scope(committed.acme), scope.actor_scope(actor), scope.correlation_scope():
        yield actor


def filled(subject_id: UUID | None, count: int) -> None:
    """Keep memories with vectors that mean nothing; one of them is worth finding."""
    assert subject_id is not None
    chance = random.Random(7)
    Memory.objects.bulk_create(
        Memory(
            subject_id=subject_id,
            text=f"{' '.join(chance.choices(WORDS, k=4))} number{number}",
            content_hash=f"{number:064x}",
            embedding=[chance.gauss(0, 0.05) for _ in range(384)],
            embedding_model=EMBEDDING_MODEL,
        )
        for number in range(count)
    )
    Memory.objects.create(subject_id=subject_id, text=NEEDLE, content_hash="f" * 64)
    index_waiting()
    services.embed_waiting()


def recalled(subject_id: UUID | None, query: str) -> tuple[RecalledMemory, ...]:
    assert subject_id is not None
    return recalling.recall(query=query, subject_id=subject_id, k=10, within_s=30)


@pytest.mark.parametrize(
    "query", ["where is the spare key?", "violin in the rain", "number17", "behind the boiler"]
)
def test_looking_at_the_likely_ones_only_finds_what_looking_at_all_finds(
    ann: Actor, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    filled(ann.id, 300)
    everything = recalled(ann.id, query)

    monkeypatch.setattr(recalling, "_ALL_MAX", 0)
    monkeypatch.setattr(recalling, "_LIKELY", 60)
    likely = recalled(ann.id, query)

    assert [each.id for each in likely[:3]] == [each.id for each in everything[:3]]


def test_very_many_vectors_get_an_index_of_their_own_and_lose_it_with_them(
    ann: Actor, committed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_indexes, "EXACT_MAX", 200)
    bob = new_id()
    filled(ann.id, 300)
    filled(bob, 20)

    assert services.keep_vector_indexes() == {"made": 1, "removed": 0}
    assert services.keep_vector_indexes() == {"made": 0, "removed": 0}
    assert uses_index(ann.id)
    assert not uses_index(bob)
    assert recalled(ann.id, "where is the spare key?")[0].text == NEEDLE
    with scope.tenant_scope(committed.globex):
        assert services.keep_vector_indexes() == {"made": 0, "removed": 0}

    services.forget_all(actor=ann, permission=MEMORY_WRITE)
    assert services.keep_vector_indexes() == {"made": 0, "removed": 1}


def test_an_index_that_was_left_unfinished_is_made_anew(
    ann: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_indexes, "EXACT_MAX", 50)
    filled(ann.id, 60)
    services.keep_vector_indexes()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid IN ("
            "SELECT oid FROM pg_class WHERE relname LIKE 'memory\\_hnsw\\_%'"
            " AND relnamespace = current_schema()::regnamespace)"
        )

    assert services.keep_vector_indexes() == {"made": 1, "removed": 1}
    services.forget_all(actor=ann, permission=MEMORY_WRITE)
    assert services.keep_vector_indexes() == {"made": 0, "removed": 1}


def test_one_keeper_at_a_time_makes_indexes(ann: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_indexes, "EXACT_MAX", 50)
    filled(ann.id, 60)
    context = copy_context()

    with vector_indexes._alone() as alone, ThreadPoolExecutor(1) as other:
        assert alone
        assert other.submit(context.run, meanwhile).result() == {"made": 0, "removed": 0}


def meanwhile() -> dict[str, int]:
    try:
        return services.keep_vector_indexes()
    finally:
        connections.close_all()


def uses_index(subject_id: UUID | None) -> bool:
    """Whether PostgreSQL may take the approximate index for the statement of recall."""
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        cursor.execute("SET enable_sort = off")
        cursor.execute(
            "EXPLAIN SELECT place FROM memory_memory WHERE subject_id = %s AND embedding_model = %s"
            " ORDER BY embedding <=> %s::halfvec, place LIMIT 40",
            [subject_id, EMBEDDING_MODEL, str([0.1] * 384)],
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute("RESET enable_seqscan")
        cursor.execute("RESET enable_sort")
    return "memory_hnsw_" in plan
