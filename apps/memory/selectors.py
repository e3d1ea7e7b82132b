"""Reading memories: the gate, lists, and recall."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from uuid import UUID

from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db import DatabaseError, connection, transaction
from django.db.models import F, QuerySet
from pgvector.django import CosineDistance

from apps.core.concurrency import start_async
from apps.core.errors import KarenError, NotAuthenticated, PermissionDenied
from apps.core.logging import get_logger
from apps.core.scope import Actor
from apps.memory import metrics, reembedding
from apps.memory.contracts import (
    MemoryKind,
    MemoryStatus,
    MemoryView,
    RecalledMemory,
    Signal,
)
from apps.memory.domain.fusion import fuse_rankings
from apps.memory.domain.texts import query_words
from apps.memory.errors import MemoryNotFound, RecallUnavailable
from apps.memory.models import Memory
from apps.providers import gateway
from apps.providers.contracts import Embedding, Flow

logger = get_logger(__name__)

RECALL_S = 0.15
_CANDIDATES = 50  # of each signal, before they are fused
_QUERY_CHARACTERS = 2_000
_FARTHEST = 0.8  # cosine distance; what is farther has nothing to do with the query
_PINNED_MAX = 50

# By hand: these two are asked before every answer.
_PINNED = (
    "SELECT id, text FROM memory_memory WHERE subject_id = %s AND status = 'active'"
    " AND pinned_at IS NOT NULL ORDER BY pinned_at, id LIMIT %s"
)


def require_subject(actor: Actor, permission: str) -> UUID:
    """Return whose memories the actor may handle, if the actor holds `permission`.

    Raises:
        NotAuthenticated: The actor is nobody in particular.
        PermissionDenied: The actor lacks the permission.
    """
    if actor.id is None:
        raise NotAuthenticated
    if not actor.may(permission):
        raise PermissionDenied(permission)
    return actor.id


def access_memory(*, actor: Actor, memory_id: UUID, permission: str, lock: bool = False) -> Memory:
    """Return a memory about the actor, if the actor holds `permission`: the only gate.

    Raises:
        PermissionDenied: The actor lacks the permission.
        MemoryNotFound: It does not exist, or it is about somebody else.
    """
    subject_id = require_subject(actor, permission)
    rows = Memory.objects.select_for_update(no_key=True) if lock else Memory.objects
    found = rows.filter(subject_id=subject_id, pk=memory_id).first()
    if found is None:
        raise MemoryNotFound
    return found


def list_memories(*, actor: Actor, permission: str) -> QuerySet[Memory]:
    """Return the memories about the actor.

    Raises:
        PermissionDenied: The actor lacks the permission.
    """
    return Memory.objects.filter(subject_id=require_subject(actor, permission)).defer("embedding")


def memory_view(row: Memory) -> MemoryView:
    """Map a row; does not touch its vector."""
    return MemoryView(
        id=row.pk,
        text=row.text,
        kind=MemoryKind(row.kind),
        importance=row.importance,
        confidence=row.confidence,
        pinned=row.pinned_at is not None,
        status=MemoryStatus(row.status),
        source_message_ids=tuple(row.source_message_ids),
        embedded=bool(row.embedding_model),
        use_count=row.use_count,
        created_at=row.created_at,
        updated_at=row.updated_at,
        last_used_at=row.last_used_at,
    )


def list_texts(*, subject_id: UUID, memory_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the texts of those of `memory_ids` that are about this person."""
    rows = Memory.objects.filter(subject_id=subject_id, pk__in=list(memory_ids))
    return dict(rows.values_list("pk", "text"))


def list_pinned(*, subject_id: UUID) -> tuple[RecalledMemory, ...]:
    """Return what a person wants in every prompt, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(_PINNED, [subject_id, _PINNED_MAX])
        rows = cursor.fetchall()
    return tuple(RecalledMemory(id=pk, text=text, score=1.0, why="pinned") for pk, text in rows)


def recall(
    *,
    query: str,
    subject_id: UUID,
    k: int,
    within_s: float = RECALL_S,
    is_sensitive: bool = False,
) -> tuple[RecalledMemory, ...]:
    """Return the `k` memories about a person that fit a query best, best first.

    Two rankings, by words (PostgreSQL's full text) and by meaning (an exact scan of the vectors),
    are fused by rank. Either may be missing; what is left answers.

    Args:
        query: What it is about; its beginning, if it is very long.
        subject_id: Whose memories.
        k: Most results.
        within_s: Seconds after which what is not there yet is done without.
        is_sensitive: The query goes to no embedding model outside this installation.

    Raises:
        RecallUnavailable: Neither ranking could be asked.
    """
    started = time.monotonic()
    deadline = started + within_s
    anything, old_models = _look(subject_id, deadline)
    if not anything:
        return ()
    asked = query[:_QUERY_CHARACTERS]
    # Vectors are computed on another thread while PostgreSQL looks for the words. Those that an
    # old model made are compared with the old model's, in a ranking of their own.
    vectors = {
        _meaning_of(model): start_async(_embedded(asked, deadline, model, is_sensitive))
        for model in ("", *old_models)
    }
    found = {
        Signal.WORDS.value: _ranking(Signal.WORDS, lambda: _by_words(asked, subject_id, deadline))
    }
    for name, vector in vectors.items():
        found[name] = _ranking(
            Signal.MEANING, partial(_by_coming_vector, vector, subject_id, deadline)
        )
    rankings = {name: rows for name, rows in found.items() if rows is not None}
    if not rankings:
        raise RecallUnavailable
    texts = {pk: text for rows in rankings.values() for pk, text in rows}
    fused = fuse_rankings(
        {name: [pk for pk, _text in rows] for name, rows in rankings.items()}, k=k
    )
    note = "".join(f", without {name}" for name in found if name not in rankings)
    metrics.recall_seconds.observe(time.monotonic() - started)
    return tuple(
        RecalledMemory(id=item, text=texts[item], score=score, why=why + note)
        for item, score, why in fused
    )


_Rows = list[tuple[UUID, str]]


def _ranking(signal: Signal, ranked: Callable[[], _Rows]) -> _Rows | None:
    """Return a ranking, or None where it cannot be asked now."""
    try:
        return ranked()
    except (DatabaseError, KarenError, TimeoutError) as error:
        metrics.recall_missing_total.labels(signal.value).inc()
        logger.warning("recall.signal_missing", signal=signal.value, reason=type(error).__name__)
        return None


def _meaning_of(model: str) -> str:
    return f"{Signal.MEANING.value} by {model}" if model else Signal.MEANING.value


def _look(subject_id: UUID, deadline: float) -> tuple[bool, tuple[str, ...]]:
    # One look into an index, for the many who have none; not worth a transaction with a time limit.
    if time.monotonic() >= deadline:
        raise RecallUnavailable
    try:
        return reembedding.look(subject_id)
    except DatabaseError as error:
        raise RecallUnavailable from error


def _active(subject_id: UUID) -> QuerySet[Memory]:
    return Memory.objects.filter(subject_id=subject_id, status=MemoryStatus.ACTIVE)


def _limit_statements(deadline: float) -> None:
    """Let PostgreSQL itself stop what would take longer; inside a transaction."""
    left_ms = int((deadline - time.monotonic()) * 1000)
    if left_ms <= 0:
        raise TimeoutError
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(left_ms)])


def _by_words(query: str, subject_id: UUID, deadline: float) -> _Rows:
    words = query_words(query)
    if not words:
        return []
    # Any of the words: a question shares few of them with what answers it.
    wanted = SearchQuery(
        " | ".join(f"'{word}'" for word in words), config="english", search_type="raw"
    )
    with transaction.atomic():
        _limit_statements(deadline)
        rows = (
            _active(subject_id)
            .filter(words=wanted)
            .order_by(SearchRank(F("words"), wanted, normalization=1).desc(), "pk")
        )
        return list(rows.values_list("pk", "text")[:_CANDIDATES])


def _by_meaning(embedding: Embedding | None, subject_id: UUID, deadline: float) -> _Rows:
    if embedding is None:
        return []
    distance = CosineDistance("embedding", list(embedding.vector))
    with transaction.atomic():
        _limit_statements(deadline)
        rows = (
            _active(subject_id)
            .filter(embedding_model=embedding.model)
            .annotate(distance=distance)
            .order_by("distance", "pk")
            .values_list("pk", "text", "distance")[:_CANDIDATES]
        )
        return [(pk, text) for pk, text, far in rows if far <= _FARTHEST]


def _by_coming_vector(vector: Future[Embedding | None], subject: UUID, deadline: float) -> _Rows:
    return _by_meaning(vector.result(), subject, deadline)


async def _embedded(
    query: str, deadline: float, model: str, is_sensitive: bool
) -> Embedding | None:
    if not query.strip():
        return None
    async with asyncio.timeout(max(deadline - time.monotonic(), 0)):
        (embedding,) = await gateway.embed(
            flow=Flow.EMBED_TEXT, texts=[query], model=model, is_sensitive=is_sensitive
        )
    return embedding
