"""The vectors of what is remembered and said: computed after the commit, in batches."""

from collections.abc import Sequence
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q

from apps.core.concurrency import run_async
from apps.core.errors import KarenError
from apps.core.logging import get_logger
from apps.jobs.task import remaining_s
from apps.memory.models import Memory, Utterance
from apps.memory.models.memories import LIVE
from apps.memory.services.indexing import index_waiting
from apps.providers import gateway
from apps.providers.contracts import Embedding, Flow

logger = get_logger(__name__)

EMBED_TASK = "memory.embed_waiting"
# A turn's vector also changes how its neighbours within two places hang together.
_COHERE = """
WITH written AS (
    SELECT subject_id, place FROM memory_utterance WHERE id = ANY(%s)
), touched AS (
    SELECT DISTINCT written.subject_id, near.place
    FROM written CROSS JOIN LATERAL generate_series(written.place - 2, written.place + 2)
        AS near(place)
)
UPDATE memory_utterance AS turn SET cohesion = coalesce((
    SELECT avg(1 - (turn.embedding <=> near.embedding)) FROM memory_utterance AS near
    WHERE near.subject_id = turn.subject_id
        AND near.place BETWEEN turn.place - 2 AND turn.place + 2 AND near.place <> turn.place
        AND near.embedding_model = turn.embedding_model
), 0)
FROM touched
WHERE turn.subject_id = touched.subject_id AND turn.place = touched.place
    AND turn.embedding IS NOT NULL
"""
_BATCH = 64
RESERVE_S = 10.0  # seconds before the deadline of a task after which no batch is begun


def embed_waiting() -> int:
    """Compute the vectors that are missing, newest first, of memories before what was said.

    Memories that are not in the index of words yet come into it first. Harmless when it runs
    twice: a vector is written only while the text is the one that was read.

    Returns:
        How many vectors were written; none while no embedding model is installed.
    """
    index_waiting()
    written = 0
    while remaining_s() > RESERVE_S:
        done = embed_stale(Q(embedding__isnull=True))
        if not done:
            break
        written += done
    return written


def embed_stale(stale: Q) -> int:
    """Compute one batch of vectors, newest first, of memories before what was said.

    Args:
        stale: Which rows want one.

    Returns:
        How many were written.
    """
    memories = list(
        Memory.objects.filter(LIVE, stale)
        .order_by("-id")
        .values_list("pk", "text", "content_hash")[:_BATCH]
    )
    said = list(
        Utterance.objects.filter(stale)
        .order_by("-id")
        .values_list("pk", "text")[: _BATCH - len(memories)]
    )
    texts = [text for _pk, text, _hash in memories] + [text for _pk, text in said]
    if not texts:
        return 0
    try:
        vectors = run_async(gateway.embed(flow=Flow.EMBED_TEXT, texts=texts))
    except KarenError as error:  # the schedule tries again
        logger.warning("memory.not_embedded", waiting=len(texts), reason=error.code)
        return 0
    written = 0
    for (pk, _text, digest), embedding in zip(memories, vectors, strict=False):
        written += Memory.objects.filter(LIVE, pk=pk, content_hash=digest).update(
            embedding=list(embedding.vector), embedding_model=embedding.model
        )
    if said:
        written += _keep_said([pk for pk, _text in said], vectors[len(memories) :])
    return written


@transaction.atomic
def _keep_said(ids: Sequence[UUID], vectors: Sequence[Embedding]) -> int:
    rows = [
        Utterance(pk=pk, embedding=list(embedding.vector), embedding_model=embedding.model)
        for pk, embedding in zip(ids, vectors, strict=True)
    ]
    written = Utterance.objects.bulk_update(rows, ["embedding", "embedding_model"])
    with connection.cursor() as cursor:
        cursor.execute(_COHERE, [list(ids)])
    return written
