"""Removing what nobody needs: files never sent, bytes without a row, halves of uploads."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction

from apps.conversations.attachments import blobs
from apps.conversations.attachments.selectors import unused_digests
from apps.conversations.attachments.services import remove
from apps.conversations.attachments.storage import blob_store
from apps.conversations.models.attachments import Attachment
from apps.core import scope
from apps.core.clock import now
from apps.core.logging import get_logger
from apps.jobs import services as jobs
from apps.tenants import selectors as tenants

logger = get_logger(__name__)

SWEEP_TASK = "conversations.sweep_attachments"
_BATCH = 200
_ORPHAN_S = 3600.0  # younger bytes may belong to a row that is about to be committed
_INCOMING_S = 6 * 3600.0


def sweep_all() -> None:
    """Have every workspace swept, each in a task of its own."""
    for ref in tenants.list_refs():
        with scope.tenant_scope(ref), transaction.atomic():
            jobs.enqueue_on_commit(SWEEP_TASK)


def sweep() -> None:
    """Sweep the tenant in scope."""
    expired = _expire_unsent()
    orphans = _delete_orphans()
    halves = blob_store().clear_incoming(older_than_s=_INCOMING_S)
    if expired or orphans or halves:
        logger.info("attachments.swept", expired=expired, orphans=orphans, halves=halves)


def _expire_unsent() -> int:
    border = now() - timedelta(seconds=settings.ATTACHMENT_UNSENT_S)
    removed = 0
    while True:
        with transaction.atomic():
            ids = list(
                Attachment.objects.filter(message__isnull=True, created_at__lt=border)
                .order_by("pk")
                .values_list("pk", flat=True)[:_BATCH]
            )
            # Asked again under lock: somebody may be sending one of them right now.
            gone = remove(Attachment.objects.filter(pk__in=ids, message__isnull=True))
        removed += gone
        if gone < _BATCH:
            return removed


def _delete_orphans() -> int:
    deleted = 0
    batch: list[str] = []
    for digest in blob_store().stale(older_than_s=_ORPHAN_S):
        batch.append(digest)
        if len(batch) == _BATCH:
            deleted += blobs.release(unused_digests(batch))
            batch.clear()
    return deleted + (blobs.release(unused_digests(batch)) if batch else 0)
