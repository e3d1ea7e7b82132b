"""Approximate indexes (HNSW) for those few whose vectors are too many for a scan.

A scan of ten thousand vectors takes about ten milliseconds and finds exactly the nearest. Above
`EXACT_MAX` vectors of one subject an index of its own is made: partial, so that filtering by
subject costs no accuracy, and small subjects beside it pay nothing. PostgreSQL uses it by itself
for `recall`'s ORDER BY; while there is none, recall is slower and right all the same.

HNSW: Malkov and Yashunin, 2018 (arXiv 1603.09320), as pgvector builds it.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q

from apps.core.logging import get_logger
from apps.jobs import services as jobs
from apps.jobs.task import remaining_s
from apps.memory.models import Memory, Subject, Utterance

logger = get_logger(__name__)

INDEX_VECTORS_TASK = "memory.index_vectors"
EXACT_MAX = 20_000  # vectors of one subject in one table, up to which all are compared
_INDEXES_MAX = 16  # in one workspace: each is asked when a row is written or a statement planned
_RESERVE_S = 60.0
_TABLES = {Memory._meta.db_table: "memory_count", Utterance._meta.db_table: "said_count"}

_EXISTING = """
SELECT relname, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE relname LIKE 'memory\\_hnsw\\_%%' AND relnamespace = current_schema()::regnamespace
"""
_CREATE = """
CREATE INDEX CONCURRENTLY {name} ON {table} USING hnsw (embedding halfvec_cosine_ops)
WHERE subject_id = %(subject)s AND embedding_model = %(model)s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    name: str
    table: str
    subject_id: UUID
    model: str
    count: int


def is_crowded() -> bool:
    """Whether in the workspace in scope somebody has, or had, more than a scan is good for."""
    many = Q(memory_count__gt=EXACT_MAX) | Q(said_count__gt=EXACT_MAX)
    return Subject.objects.filter(many).exists() or bool(_existing())


def enqueue_vector_indexes() -> None:
    """Have the indexes of the workspace in scope made or removed in the background."""
    with transaction.atomic():
        jobs.enqueue_on_commit(INDEX_VECTORS_TASK)


def keep_vector_indexes() -> dict[str, int]:
    """Make the indexes that the workspace in scope wants, remove those that nobody wants any more.

    Nothing is locked against writing meanwhile. One that was left unfinished is made anew; a
    second call at the same time does nothing.

    Returns:
        How many were `made` and `removed`.
    """
    done = {"made": 0, "removed": 0}
    with _alone() as alone:
        if not alone:
            return done
        wanted = {each.name: each for each in _wanted()}
        existing = _existing()
        for name, is_valid in existing.items():
            if name not in wanted or not is_valid:
                _run(f"DROP INDEX CONCURRENTLY IF EXISTS {name}", {})
                done["removed"] += 1
        for name, each in wanted.items():
            if existing.get(name) or remaining_s() < _RESERVE_S:
                continue
            _run(
                _CREATE.format(name=name, table=each.table),
                {"subject": each.subject_id, "model": each.model},
            )
            done["made"] += 1
            logger.info("memory.vectors_indexed", table=each.table, vectors=each.count)
    return done


def _wanted() -> list[_Wanted]:
    found: list[_Wanted] = []
    for table, counted in _TABLES.items():
        crowded = Subject.objects.filter(**{f"{counted}__gt": EXACT_MAX}).order_by("pk")
        for subject_id in crowded.values_list("pk", flat=True):
            found += _models_of(table, subject_id)
    largest = sorted(found, key=lambda each: (-each.count, each.name))
    return largest[:_INDEXES_MAX]


def _models_of(table: str, subject_id: UUID) -> Iterator[_Wanted]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT embedding_model, count(*) FROM {table}"  # noqa: S608  # of this module
            " WHERE subject_id = %s AND embedding IS NOT NULL GROUP BY 1 HAVING count(*) > %s",
            [subject_id, EXACT_MAX],
        )
        rows = cursor.fetchall()
    for model, count in rows:
        digest = hashlib.sha256(f"{table} {subject_id} {model}".encode()).hexdigest()[:24]
        yield _Wanted(
            name=f"memory_hnsw_{digest}",
            table=table,
            subject_id=subject_id,
            model=model,
            count=count,
        )


def _existing() -> dict[str, bool]:
    """Return by name whether each is valid."""
    with connection.cursor() as cursor:
        cursor.execute(_EXISTING)
        return dict(cursor.fetchall())


def _run(statement: str, arguments: dict[str, UUID | str]) -> None:
    """Run what PostgreSQL allows in no transaction, for as long as the task has."""
    seconds = min(remaining_s() - _RESERVE_S / 2, 3_600.0)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('statement_timeout', %s, false)", [str(int(seconds * 1000))]
        )
        try:
            cursor.execute(statement, arguments)
        finally:
            cursor.execute("RESET statement_timeout")


@contextmanager
def _alone() -> Iterator[bool]:
    """Yield whether nobody else keeps the indexes of this workspace now."""
    key = "SELECT {}(hashtext('memory.vector_indexes'), hashtext(current_schema()))"
    with connection.cursor() as cursor:
        cursor.execute(key.format("pg_try_advisory_lock"))
        (alone,) = cursor.fetchone() or (False,)
        try:
            yield bool(alone)
        finally:
            if alone:
                cursor.execute(key.format("pg_advisory_unlock"))
