"""Suite `memory`: recall over many memories, and writing one.

In this process, as a worker does it. Every query is new, so its vector is computed each time; the
baseline is the same embedding with the two bare statements that nobody can do without.
"""

import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from uuid import UUID

import django
import numpy as np

from tests.bench.processes import karen_environment, prepare
from tests.bench.rows import BenchError, Budget, Figure, Row, p95

RECALL = Figure(
    name="recall_p95_ms",
    unit="ms",
    baseline="embedding, bare full text and bare vector scan",
    budget=Budget(at_most=50, ratio_at_most=2.5),
)
RECALL_100K = Figure(
    name="recall_100k_p95_ms",
    unit="ms",
    baseline="the same statements",
    budget=Budget(at_most=80),
)
RECALL_MANY = Figure(
    name="recall_many_p95_ms",
    unit="ms",
    baseline="the same statements",
    budget=Budget(at_most=80),
)
WRITE = Figure(
    name="memory_write_p95_ms",
    unit="ms",
    baseline="bare INSERT and commit",
    budget=Budget(at_most=10, ratio_at_most=15),
)
SEARCHABLE = Figure(name="memory_searchable_p95_s", unit="s", baseline="", budget=Budget(at_most=1))
FIGURES = (RECALL, RECALL_100K, RECALL_MANY, WRITE, SEARCHABLE)

_ONE, _MANY, _OTHERS = 10_000, 60_000, 3  # and three more people with as many as the first
_TENANT = _ONE + _MANY + _OTHERS * _ONE
_WARM_UP, _SAMPLES, _WRITES = 10, 200, 100
_SYLLABLES = ("ba", "ke", "lo", "mi", "nu", "ra", "si", "to", "ve", "za")


def measure(folder: Path) -> list[Row]:
    """Return the suite's rows."""
    prepare(karen_environment(folder))
    django.setup()
    from apps.core import scope  # Django is set up only now
    from apps.core.ids import new_id
    from apps.tenants import services as tenants

    with scope.actor_scope(scope.SYSTEM), scope.correlation_scope():
        tenant = tenants.provision_tenant(name="Bench", slug=f"bench-{new_id().hex[-12:]}")
        with scope.tenant_scope(tenant):
            return list(_rows())


def _rows() -> list[Row]:
    from apps.core.ids import new_id
    from apps.memory import services

    chance = random.Random(11)
    words = ["".join(chance.choices(_SYLLABLES, k=3)) for _ in range(1_000)]

    def text(count: int) -> str:
        return " ".join(chance.choices(words, k=count))

    one, many = new_id(), new_id()
    _fill(one, _ONE, text)
    rows = [_recalled(RECALL, one, text, f"{_ONE:,} memories of one person")]
    _fill(many, _MANY, text)
    for _ in range(_OTHERS):
        _fill(new_id(), _ONE, text)
    there = f"{_TENANT:,} memories of {_OTHERS + 2} people in the workspace"
    rows.append(_recalled(RECALL_100K, one, text, f"{there}, one with {_ONE:,} asks"))
    services.keep_vector_indexes()
    rows.append(_recalled(RECALL_MANY, many, text, f"{there}, one with {_MANY:,} asks"))
    return [*rows, *_written(text)]


def _fill(person: UUID, count: int, text: Callable[[int], str]) -> None:
    """Keep memories as an import does; their vectors are about a few hundred things."""
    from django.db import connection

    from apps.memory.models import Memory
    from apps.memory.services.indexing import index_waiting
    from apps.providers.catalogue import EMBEDDING_MODEL

    chance = np.random.default_rng(11)
    topics = chance.normal(0, 0.05, (300, 384))
    for start in range(0, count, 2_000):
        numbers = range(start, min(start + 2_000, count))
        vectors = topics[chance.integers(0, 300, len(numbers))]
        vectors = vectors + chance.normal(0, 0.03, vectors.shape)
        Memory.objects.bulk_create(
            [
                Memory(
                    subject_id=person,
                    text=text(12),
                    content_hash=f"{number:064x}",
                    embedding=vector.round(4).tolist(),
                    embedding_model=EMBEDDING_MODEL,
                )
                for number, vector in zip(numbers, vectors, strict=True)
            ],
            batch_size=500,
        )
    index_waiting()
    with connection.cursor() as cursor:
        for table in ("memory_memory", "memory_posting", "memory_subject"):
            # As a database is after a minute; else its own cleaning falls into the measurement.
            cursor.execute(f"VACUUM (ANALYZE) {table}")
        cursor.execute("CHECKPOINT")


def _recalled(figure: Figure, person: UUID, text: Callable[[int], str], note: str) -> Row:
    from apps.memory.recall import recall

    times: list[float] = []
    bare: list[float] = []
    for number in range(_WARM_UP + _SAMPLES):
        took = _timed(partial(_bare, person, text(8)))
        spent = _timed(partial(recall, query=text(8), subject_id=person, k=12, within_s=30))
        if number >= _WARM_UP:
            bare.append(took)
            times.append(spent)
    return figure.row(p95(times), n=len(times), baseline_value=p95(bare), note=note)


def _bare(person: UUID, query: str) -> None:
    from django.db import connection

    from apps.core.concurrency import run_async
    from apps.providers import gateway
    from apps.providers.contracts import Flow

    (embedding,) = run_async(gateway.embed(flow=Flow.EMBED_TEXT, texts=[query]))
    wanted = " | ".join(query.split())
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, text FROM memory_memory WHERE subject_id = %s AND status = 'active'"
            " AND embedding_model = %s ORDER BY embedding <=> %s LIMIT 50",
            [person, embedding.model, str(list(embedding.vector))],
        )
        cursor.fetchall()
        cursor.execute(
            "SELECT id, text FROM memory_memory WHERE subject_id = %s AND status = 'active'"
            " AND words @@ to_tsquery('english', %s)"
            " ORDER BY ts_rank(words, to_tsquery('english', %s)) DESC LIMIT 50",
            [person, wanted, wanted],
        )
        cursor.fetchall()


def _written(text: Callable[[int], str]) -> list[Row]:
    from django.db import connection

    from apps.core.clock import now
    from apps.core.ids import new_id
    from apps.memory.contracts import Said
    from apps.memory.recall import recall
    from apps.memory.services import embed_waiting, take_in

    person, conversation = new_id(), new_id()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bare_note (id uuid PRIMARY KEY, text text)")
    times: list[float] = []
    bare: list[float] = []
    searchable: list[float] = []
    for number in range(_WRITES):
        said = Said(
            message_id=new_id(),
            conversation_id=conversation,
            speaker="Ann",
            by_assistant=False,
            text=f"{text(12)} landmark{number}",
            said_at=now(),
        )
        bare.append(_timed(partial(_insert, said.text)))
        started = time.perf_counter()
        times.append(_timed(partial(take_in, subject_id=person, said=[said])))
        embed_waiting()
        found = recall(query=f"landmark{number}", subject_id=person, k=3, within_s=30)
        if said.message_id not in {each.id for each in found}:
            raise BenchError(f"what was said as number {number} is not found")
        searchable.append(time.perf_counter() - started)
    return [
        WRITE.row(p95(times), n=len(times), baseline_value=p95(bare), note="one message taken in"),
        SEARCHABLE.row(
            p95(searchable),
            n=len(searchable),
            note="until recall finds it by words and meaning, without the worker's queue",
        ),
    ]


def _insert(text: str) -> None:
    from django.db import connection

    from apps.core.ids import new_id

    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO bare_note VALUES (%s, %s)", [new_id(), text])


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000
