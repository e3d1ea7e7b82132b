"""Bringing the index to Elasticsearch: what waits, how much, everything again."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Min, QuerySet

from apps.conversations.models.search import MessageIndex, SearchExport
from apps.conversations.search import elastic, metrics
from apps.conversations.search.indexing import searchable_text
from apps.conversations.search.words import cut_words
from apps.core import scope
from apps.core.clock import now
from apps.core.scope import TenantRef
from apps.jobs.task import remaining_s

_BATCH = 500
_RESERVE_S = 40.0  # longer than one bulk request may take


def export_waiting() -> int:
    """Send what Elasticsearch does not know yet, oldest first, until nothing waits.

    Each entry is sent as it is now, or forgotten when it is gone, so order and repetition do not
    matter. What cannot be sent stays for the next run.

    Returns:
        How many entries were sent.

    Raises:
        ElasticUnavailable: It does not answer.
    """
    tenant_id = scope.require().id
    sent = 0
    while remaining_s() > _RESERVE_S:
        with transaction.atomic():
            waiting = list(SearchExport.objects.select_for_update(skip_locked=True)[:_BATCH])
            if not waiting:
                break
            ids = {row.entry_id for row in waiting}
            documents = list(_documents(MessageIndex.objects.filter(pk__in=ids)))
            present = {UUID(document["entry_id"]) for document in documents}
            elastic.write_documents(
                tenant_id=tenant_id, documents=documents, gone=sorted(ids - present)
            )
            SearchExport.objects.filter(pk__in=[row.pk for row in waiting]).delete()
            sent += len(ids)
    return sent


def measure_lag(tenants: Iterable[TenantRef]) -> tuple[int, float]:
    """Measure how far Elasticsearch is behind, over all `tenants`, and publish it.

    Returns:
        (rows that wait, age of the oldest in seconds).
    """
    rows, seconds = 0, 0.0
    for ref in tenants:
        with scope.tenant_scope(ref):
            oldest = SearchExport.objects.aggregate(at=Min("created_at"))["at"]
            if oldest is not None:
                rows += SearchExport.objects.count()
                seconds = max(seconds, (now() - oldest).total_seconds())
    metrics.publish_lag(rows=rows, seconds=seconds)
    return rows, seconds


def refill_tenant(*, index: str, tell: Callable[[int], None]) -> int:
    """Write everything of the tenant in scope to an index that is being rebuilt.

    Args:
        index: What `elastic.begin_rebuild` returned.
        tell: Told how many documents were written, now and then.

    Returns:
        How many documents were written.

    Raises:
        ElasticUnavailable: It does not answer.
    """
    tenant_id = scope.require().id
    written = 0
    documents = _documents(MessageIndex.objects.order_by("pk"))
    while batch := list(islice(documents, _BATCH)):
        elastic.fill_index(name=index, tenant_id=tenant_id, documents=batch)
        written += len(batch)
        tell(written)
    return written


def export_again() -> int:
    """Send everything of the tenant in scope, as it is now.

    Returns:
        How many entries were sent.

    Raises:
        ElasticUnavailable: It does not answer.
    """
    with transaction.atomic():
        ids = MessageIndex.objects.order_by("pk").values_list("pk", flat=True)
        rows = (SearchExport(entry_id=pk) for pk in ids.iterator(chunk_size=_BATCH))
        while batch := list(islice(rows, _BATCH)):
            SearchExport.objects.bulk_create(batch)
    return export_waiting()


def _documents(rows: QuerySet[MessageIndex]) -> Iterator[dict[str, Any]]:
    tenant_id = str(scope.require().id)
    rows = rows.select_related("conversation", "message").defer("words")
    for row in rows.iterator(chunk_size=_BATCH):
        text = row.conversation.title if row.message is None else searchable_text(row.message.parts)
        yield {
            "tenant_id": tenant_id,
            "entry_id": str(row.pk),
            "conversation_id": str(row.conversation_id),
            "owner_id": str(row.conversation.owner_id),
            "kind": "title" if row.message_id is None else "message",
            "role": row.role,
            "model": row.model,
            "author_id": str(row.author_id) if row.author_id else None,
            "has_file": row.has_file,
            "created_at": row.created_at.isoformat(),
            "words": " ".join(token.word for token in cut_words(text)),
        }
