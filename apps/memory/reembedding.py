"""Memories whose vector another embedding model made: made anew, and read meanwhile."""

from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, Q, QuerySet

from apps.core.concurrency import run_async
from apps.core.errors import KarenError
from apps.core.logging import get_logger
from apps.jobs import services as jobs
from apps.jobs.task import remaining_s
from apps.memory.contracts import MemoryStatus
from apps.memory.models import Memory
from apps.providers import gateway, registry
from apps.providers.contracts import Flow
from apps.providers.errors import NoModelAvailable

logger = get_logger(__name__)

REEMBED_TASK = "memory.reembed"
_BATCH = 64
_RESERVE_S = 10.0

# The nearest other models before and after the present one in the index of the subject's models:
# cheap where there is none, and of three models at once the third is found by its words.
_LOOK = """
SELECT
    EXISTS (SELECT FROM memory_memory WHERE subject_id = %(subject)s AND status = 'active'),
    (SELECT max(embedding_model) FROM memory_memory WHERE subject_id = %(subject)s
        AND status = 'active' AND embedding_model < %(model)s AND embedding_model > ''),
    (SELECT min(embedding_model) FROM memory_memory WHERE subject_id = %(subject)s
        AND status = 'active' AND embedding_model > %(model)s)
"""


def look(subject_id: UUID) -> tuple[bool, tuple[str, ...]]:
    """Say whether anything is remembered about a person, and which old models made vectors of it.

    Only models that can still be asked are named. One statement.
    """
    present = _present_model()
    with connection.cursor() as cursor:
        cursor.execute(_LOOK, {"subject": subject_id, "model": present})
        anything, before, after = cursor.fetchone()
    if not present:
        return bool(anything), ()
    found = (model for model in (before, after) if model)
    return bool(anything), tuple(m for m in found if registry.find_embedder(m) is not None)


def count_by_model() -> dict[str, int]:
    """Return how many active memories there are by the model of their vector."""
    active = Memory.objects.filter(status=MemoryStatus.ACTIVE).order_by()
    return dict(active.values_list("embedding_model").annotate(count=Count("pk")))


def reembed() -> int:
    """Make the vectors anew that another model made, newest first; those without one as well.

    Harmless when it runs twice: a vector is written only while the text is the one that was read.
    Stops before the task's deadline; what is left is enqueued again.

    Returns:
        How many were written.
    """
    written = 0
    while (present := _present_model()) and (batch := list(_stale(present)[:_BATCH])):
        if remaining_s() < _RESERVE_S:
            with transaction.atomic():
                jobs.enqueue_on_commit(REEMBED_TASK)
            break
        texts = [text for _pk, text, _digest in batch]
        try:
            vectors = run_async(gateway.embed(flow=Flow.EMBED_TEXT, texts=texts))
        except KarenError as error:
            logger.warning("memory.not_embedded", waiting=len(batch), reason=error.code)
            break  # the schedule tries again
        done = 0
        for (pk, _text, digest), embedding in zip(batch, vectors, strict=True):
            done += Memory.objects.filter(pk=pk, content_hash=digest).update(
                embedding=list(embedding.vector), embedding_model=embedding.model
            )
        written += done
        if not done:
            break  # all of them changed under our hands: the schedule looks again
    return written


def _stale(present: str) -> QuerySet[Memory, tuple[UUID, str, str]]:
    other = Q(embedding__isnull=True) | ~Q(embedding_model=present)
    rows = Memory.objects.filter(other, status=MemoryStatus.ACTIVE).order_by("-id")
    return rows.values_list("pk", "text", "content_hash")


def _present_model() -> str:
    try:
        return registry.embedder().model
    except NoModelAvailable:
        return ""
