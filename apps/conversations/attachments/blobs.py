"""Blobs and the rows that refer to them, kept in step.

A row that begins to refer to a digest, and whoever deletes the bytes of one, hold the same lock of
the database: either the row is seen and the bytes stay, or they are gone before the row's writer
looks whether they are there.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from django.db import connection, transaction

from apps.conversations.attachments.selectors import unused_digests
from apps.conversations.attachments.storage import blob_store
from apps.core import scope
from apps.core.logging import get_logger

logger = get_logger(__name__)


def lock(*names: str) -> None:
    """Lock names of the tenant in scope until the transaction ends; in an order that is safe."""
    with connection.cursor() as cursor:
        for name in sorted(names):
            seed = f"attachments|{scope.require().id}|{name}".encode()
            number = int.from_bytes(hashlib.sha256(seed).digest()[:8], signed=True)
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])


def keep(files: Iterable[tuple[Path, str]]) -> None:
    """Store complete files under their digests, inside the transaction that writes their row."""
    listed = list(files)
    lock(*{digest for _path, digest in listed})
    for path, digest in listed:
        blob_store().put(path, digest=digest)


def release(digests: Iterable[str]) -> int:
    """Delete the bytes of those `digests` that no row refers to any more.

    Called after the commit that removed a reference. What a crash leaves behind, the sweeper finds.

    Returns:
        How many were deleted.
    """
    deleted = 0
    for digest in sorted({digest for digest in digests if digest}):
        with transaction.atomic():
            lock(digest)
            if unused_digests([digest]):
                deleted += blob_store().delete(digest)
    return deleted
