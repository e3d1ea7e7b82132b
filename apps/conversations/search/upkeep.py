"""What tasks and commands ask of the index: one entrance, so that edges stay thin."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import Count

from apps.conversations.models.search import MessageIndex
from apps.conversations.search import elastic, export, indexing, meaning
from apps.conversations.search.outbox import EMBED_TASK
from apps.core import scope
from apps.core.logging import get_logger
from apps.core.scope import TenantRef
from apps.jobs import services as jobs
from apps.providers.registry import Collection, register_collection
from apps.tenants import selectors as tenants

logger = get_logger(__name__)

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What a rebuild wrote: texts in PostgreSQL, documents in Elasticsearch (None: not used)."""

    workspaces: int
    texts: int
    documents: int | None


def index_conversations(*, conversation_ids: Sequence[UUID]) -> None:
    """Bring the index up to date with conversations of the tenant in scope."""
    indexing.index_conversations(conversation_ids=conversation_ids)


def embed_waiting() -> None:
    """Write the vectors that the tenant in scope lacks."""
    indexing.embed_waiting()


def count_by_model() -> dict[str, int]:
    """Return how many messages may have a vector, by its model; none: the empty name."""
    rows = meaning.embeddable(MessageIndex.objects.filter(message__isnull=False))
    counted = rows.order_by().values_list("vector__model").annotate(count=Count("pk"))
    return {model or "": count for model, count in counted}


def register_vectors() -> None:
    """Tell the gateway of the messages' vectors: it sees to them when the model changes."""
    register_collection(Collection(name="messages", count_by_model=count_by_model, task=EMBED_TASK))


def export_waiting() -> None:
    """Send Elasticsearch what it does not know of the tenant in scope; wait when it is away."""
    if not elastic.is_configured():
        return
    try:
        export.export_waiting()
    except elastic.ElasticUnavailable as error:
        # The rows stay; the schedule enqueues this task again, and the lag shows meanwhile.
        logger.warning("search.export_waits", reason=str(error))


def catch_up() -> None:
    """Enqueue what every workspace's index misses; measure how far Elasticsearch is behind."""
    refs = tenants.list_refs()
    for ref in refs:
        with scope.tenant_scope(ref):
            missed = indexing.enqueue_missed()
        if missed:
            logger.info("search.missed", tenant=ref.slug, conversations=missed)
    if elastic.is_configured():
        export.measure_lag(refs)


def tidy() -> None:
    """Forget words that no message of a workspace holds any more."""
    for ref in tenants.list_refs():
        with scope.tenant_scope(ref):
            indexing.forget_unused_words()


def rebuild(*, slug: str | None, tell: Tell) -> Rebuilt:
    """Write the index again, of one workspace or of all; searches go on meanwhile.

    Elasticsearch: for all workspaces a new index is filled and takes over in one step; for one
    workspace its documents are written again in place.

    Args:
        slug: Only this workspace; None for all.
        tell: Told what is being done, a line at a time.

    Raises:
        LookupError: There is no such workspace.
        ElasticUnavailable: Elasticsearch does not answer; the old index stays in use.
    """
    refs = [ref for ref in tenants.list_refs() if slug in {None, ref.slug}]
    if not refs and slug is not None:
        raise LookupError(slug)
    texts = 0
    for ref in refs:
        with scope.tenant_scope(ref):
            texts += indexing.rebuild(tell=_counting(tell, ref, "conversations"))
    documents = _rebuild_elastic(refs, whole=slug is None, tell=tell)
    for ref in refs:
        with scope.tenant_scope(ref), transaction.atomic():
            if indexing.can_embed():
                jobs.enqueue_on_commit(EMBED_TASK)
    return Rebuilt(workspaces=len(refs), texts=texts, documents=documents)


def _counting(tell: Tell, ref: TenantRef, what: str) -> Callable[[int], None]:
    def said(done: int) -> None:
        tell(f"{ref.slug}: {done} {what}")

    return said


def _rebuild_elastic(refs: list[TenantRef], *, whole: bool, tell: Tell) -> int | None:
    if not elastic.is_configured():
        return None
    index = elastic.begin_rebuild() if whole else ""
    documents = 0
    for ref in refs:
        with scope.tenant_scope(ref):
            if whole:
                progress = _counting(tell, ref, "documents")
                documents += export.refill_tenant(index=index, tell=progress)
            else:
                elastic.forget_tenant(tenant_id=ref.id)
                documents += export.export_again()
    if whole:
        for old in elastic.finish_rebuild(name=index):
            tell(f"Elasticsearch: dropped {old}")
    return documents
