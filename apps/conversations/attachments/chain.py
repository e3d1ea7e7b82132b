"""Running the hooks over one file: claimed by attempt, taken over when a worker dies."""

import os
import threading
import time
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from apps.audit import services as audit
from apps.conversations.attachments import blobs, metrics, summaries
from apps.conversations.attachments.announcing import announce
from apps.conversations.attachments.errors import AttachmentNotProcessed
from apps.conversations.attachments.hooks import Changes, Hook, Work, hooks_for
from apps.conversations.attachments.services import LEASE_KIND, enqueue
from apps.conversations.attachments.sniffing import kind_of
from apps.conversations.attachments.storage import digest_of
from apps.conversations.domain.attachment_states import (
    MAX_ATTEMPTS,
    UNFINISHED,
    AttachmentKind,
    AttachmentState,
)
from apps.conversations.models.attachments import Attachment
from apps.core.clock import now
from apps.core.envelope import ErrorBody, error_body
from apps.core.errors import KarenError
from apps.core.logging import get_logger
from apps.jobs import services as jobs
from apps.jobs.leases import LEASE_TTL_S, kept_alive, new_owner

logger = get_logger(__name__)

_places = threading.BoundedSemaphore(max(1, os.cpu_count() or 1))
_BUSY_S = 1.0
_LATER_S = 15.0  # first pause when a scanner is away; doubled each time

# Which column holds the digest of a derived file.
_COLUMNS = {
    "content": "digest",
    "vision": "vision_digest",
    "thumbnail": "thumbnail_digest",
}


class FencedOff(Exception):  # flow inside this module, no error of anybody
    """The row is gone, or another attempt has it."""


def process(*, attachment_id: UUID, attempt: int) -> None:
    """Run all hooks over a file, if it is still waiting for this attempt.

    Args:
        attachment_id: The row.
        attempt: How many attempts there were when this one was enqueued: of two deliveries of one
            task, only the first finds it so.
    """
    # Readers take a core and much memory each, and chat answers run in this process too: what
    # finds no place does not hold a thread, it comes back in a moment.
    if not _places.acquire(blocking=False):
        _come_back(attachment_id, attempt)
        return
    try:
        _process(attachment_id, attempt)
    finally:
        _places.release()


@transaction.atomic(durable=True)
def _come_back(attachment_id: UUID, attempt: int) -> None:
    waiting = Attachment.objects.filter(pk=attachment_id, attempt=attempt, state__in=UNFINISHED)
    if waiting.exists():
        jobs.hold_lease(kind=LEASE_KIND, key=attachment_id, owner="busy", ttl_s=_BUSY_S)


def _process(attachment_id: UUID, attempt: int) -> None:
    owner = new_owner()
    row = _claim(attachment_id, attempt, owner)
    if row is None:
        return
    with kept_alive(owner):
        run = _Run(row, owner)
        try:
            run.hooks()
            run.finish()
        except FencedOff:
            logger.info("attachment.fenced_off", attachment_id=str(attachment_id))
        except KarenError as error:
            if error.retryable and row.attempt < MAX_ATTEMPTS:
                run.postpone(error)
            else:
                refuse(row, error)


@transaction.atomic(durable=True)
def _claim(attachment_id: UUID, attempt: int, owner: str) -> Attachment | None:
    claimed = Attachment.objects.filter(
        pk=attachment_id, attempt=attempt, state__in=UNFINISHED
    ).update(attempt=F("attempt") + 1, updated_at=now())
    if not claimed:
        return None
    jobs.hold_lease(kind=LEASE_KIND, key=attachment_id, owner=owner, ttl_s=LEASE_TTL_S)
    return Attachment.objects.defer("text").get(pk=attachment_id)


class _Run:
    """One attempt."""

    def __init__(self, row: Attachment, owner: str) -> None:
        self._id = row.pk
        self._attempt = row.attempt
        self._owner = owner
        self._work = Work(
            attachment_id=row.pk,
            kind=AttachmentKind(row.kind),
            media_type=row.media_type,
            name=row.name,
            digest=row.digest,
        )

    def hooks(self) -> None:
        for hook in hooks_for(self._work.kind):
            self._write(state=hook.state, problem=None)
            self._run(hook)

    def _run(self, hook: Hook) -> None:
        labels = (hook.name, self._work.kind.value)
        started, outcome = time.perf_counter(), "failed"
        try:
            with hook.run(self._work) as changes:
                self._apply(changes)
            outcome = "ok"
        except KarenError as error:
            outcome = error.code
            raise
        except FileNotFoundError:
            outcome = "gone"
            if Attachment.objects.filter(pk=self._id, attempt=self._attempt).exists():
                raise
            raise FencedOff from None
        finally:
            metrics.hooks_total.labels(*labels, outcome).inc()
            metrics.hook_seconds.labels(*labels).observe(time.perf_counter() - started)

    @transaction.atomic(durable=True)
    def _write(self, **fields: Any) -> None:  # columns
        mine = Attachment.objects.filter(pk=self._id, attempt=self._attempt, state__in=UNFINISHED)
        if not mine.update(updated_at=now(), **fields):
            raise FencedOff
        announce(self._id)

    def _apply(self, changes: Changes) -> None:
        digests = {purpose: digest_of(path) for purpose, path in changes.files.items()}
        sizes = {purpose: path.stat().st_size for purpose, path in changes.files.items()}
        before = self._work.digest
        try:
            with transaction.atomic(durable=True):
                blobs.keep((changes.files[purpose], digest) for purpose, digest in digests.items())
                self._write_changes(changes, digests, sizes)
        except FencedOff:
            blobs.release(digests.values())
            raise
        self._work = replace(
            self._work,
            digest=digests.get("content", before),
            media_type=changes.media_type or self._work.media_type,
        )
        if self._work.digest != before:
            blobs.release([before])

    def _write_changes(
        self, changes: Changes, digests: dict[str, str], sizes: dict[str, int]
    ) -> None:
        row = (
            Attachment.objects.select_for_update()
            .filter(pk=self._id, attempt=self._attempt, state__in=UNFINISHED)
            .defer("text")
            .first()
        )
        if row is None:
            raise FencedOff
        notes = list(dict.fromkeys([*row.meta.get("notes", []), *changes.notes]))
        fields: dict[str, Any] = {_COLUMNS[purpose]: value for purpose, value in digests.items()}
        fields["meta"] = {**row.meta, **changes.meta, **({"notes": notes} if notes else {})}
        if changes.text is not None:
            fields["text"] = changes.text
            fields["meta"]["characters"] = len(changes.text)
        if changes.media_type:
            fields["media_type"] = changes.media_type
            fields["kind"] = kind_of(changes.media_type)
        if "content" in sizes:
            fields["size"] = sizes["content"]
        Attachment.objects.filter(pk=self._id).update(updated_at=now(), **fields)

    @transaction.atomic(durable=True)
    def finish(self) -> None:
        mine = Attachment.objects.filter(pk=self._id, attempt=self._attempt, state__in=UNFINISHED)
        if not mine.update(state=AttachmentState.READY, problem=None, updated_at=now()):
            raise FencedOff
        jobs.release_lease(kind=LEASE_KIND, key=self._id, owner=self._owner)
        announce(self._id)
        summaries.plan(self._id)

    def postpone(self, error: KarenError) -> None:
        """Try again later; meanwhile the row says what is being waited for."""
        pause_s = _LATER_S * 2 ** (self._attempt - 1)
        logger.warning("attachment.postponed", attachment_id=str(self._id), cause=error.code)
        with transaction.atomic(durable=True):
            mine = Attachment.objects.filter(pk=self._id, attempt=self._attempt)
            if not mine.update(problem=error_body(error), updated_at=now()):
                return
            jobs.hold_lease(kind=LEASE_KIND, key=self._id, owner="later", ttl_s=pause_s)
            announce(self._id)


def refuse(row: Attachment, error: KarenError) -> None:
    """Refuse a file: its bytes go, the row stays and says why."""
    _refuse(row, error_body(error))


def _refuse(row: Attachment, problem: ErrorBody) -> None:
    with transaction.atomic():
        refused = Attachment.objects.filter(
            pk=row.pk, attempt=row.attempt, state__in=UNFINISHED
        ).first()
        if refused is None:
            return
        digests = [refused.digest, refused.thumbnail_digest, refused.vision_digest]
        Attachment.objects.filter(pk=row.pk).update(
            state=AttachmentState.REFUSED,
            problem=problem,
            digest="",
            thumbnail_digest="",
            vision_digest="",
            text="",
            size=0,
            updated_at=now(),
        )
        jobs.release_lease(kind=LEASE_KIND, key=row.pk)
        audit.record(
            action="attachment.refused",
            target_type="attachment",
            target_id=row.pk,
            target_label=str(row.pk),
            data={"reason": problem["type"], "digest": row.source_digest},
        )
        announce(row.pk)
        transaction.on_commit(lambda: blobs.release(digests))
    logger.info("attachment.refused", attachment_id=str(row.pk), reason=problem["type"])


def recover(attachment_id: UUID) -> None:
    """Handle a file whose lease ran out: enqueue it again, or give up.

    Called by the reaper inside the tenant and a transaction.
    """
    row = (
        Attachment.objects.select_for_update()
        .filter(pk=attachment_id, state__in=UNFINISHED)
        .defer("text")
        .first()
    )
    if row is None:
        return
    if row.attempt >= MAX_ATTEMPTS:
        _refuse(row, row.problem or error_body(AttachmentNotProcessed()))
        return
    enqueue(row)
