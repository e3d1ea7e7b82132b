"""Receiving a file: streamed to the store's disk while it is counted and hashed."""

import hashlib
from collections.abc import Mapping
from io import FileIO
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from typing_extensions import override

from apps.conversations.attachments.errors import AttachmentMissing, AttachmentTooLarge
from apps.conversations.attachments.names import safe_name
from apps.conversations.attachments.sniffing import HEAD_BYTES, TAIL_BYTES
from apps.conversations.attachments.storage import blob_store

if TYPE_CHECKING:
    from pathlib import Path

_OVERHEAD = 64 * 1024  # boundaries, headers and the other fields of the form


class IncomingFile(UploadedFile):  # type: ignore[type-arg]  # generic only in stubs
    """A file that is arriving or has arrived; closing it removes what was not taken over.

    Attributes:
        path: Where it lies.
        digest: SHA-256 of its bytes, once complete.
    """

    def __init__(self, *, name: str) -> None:
        self.path: Path = blob_store().new_incoming()
        self._hash = hashlib.sha256()
        self._written = 0
        self._raw = FileIO(self.path, "xb")
        super().__init__(file=None, name=name, size=0)

    def take(self, chunk: bytes) -> None:
        """Append `chunk`.

        Raises:
            AttachmentTooLarge: The file is larger than any may be.
        """
        self._written += len(chunk)
        if self._written > settings.ATTACHMENT_MAX_BYTES:
            raise AttachmentTooLarge(limit_bytes=settings.ATTACHMENT_MAX_BYTES)
        self._hash.update(chunk)
        rest = memoryview(chunk)
        while rest:
            rest = rest[self._raw.write(rest) or 0 :]

    def complete(self) -> None:
        """Say that all of it has arrived."""
        self._raw.close()
        self.size = self._written

    @property
    def digest(self) -> str:
        """SHA-256 of what was received so far, in hexadecimal."""
        return self._hash.hexdigest()

    def ends(self) -> tuple[bytes, bytes]:
        """Return the first and the last bytes, as `sniffing` wants them."""
        with self.path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            file.seek(max(0, self._written - TAIL_BYTES))
            return head, file.read(TAIL_BYTES)

    @override
    def close(self) -> None:
        """Remove the file unless the store took it over."""
        self._raw.close()
        self.path.unlink(missing_ok=True)


class IncomingFileHandler(FileUploadHandler):
    """Django's upload handler that lets exactly one file through to an `IncomingFile`."""

    incoming: IncomingFile | None = None

    @override
    def handle_raw_input(
        self,
        input_data: object,
        META: Mapping[str, str],  # Django's name
        content_length: int,
        boundary: str,
        encoding: str | None = None,
    ) -> None:
        """Refuse by the announced length before anything is read."""
        limit = settings.ATTACHMENT_MAX_BYTES
        if content_length > limit + _OVERHEAD:
            raise AttachmentTooLarge(limit_bytes=limit)

    @override
    def new_file(self, *args: object, **kwargs: object) -> None:
        """Begin a file."""
        if self.incoming is not None:
            raise AttachmentMissing
        super().new_file(*args, **kwargs)  # type: ignore[arg-type]  # passed on as given
        self.incoming = IncomingFile(name=safe_name(self.file_name or ""))

    @override
    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        """Write a piece; nothing is left for other handlers."""
        if self.incoming is not None:
            self.incoming.take(raw_data)
        return None

    @override
    def file_complete(self, file_size: int) -> IncomingFile | None:
        """Hand the file over."""
        if self.incoming is not None:
            self.incoming.complete()
        return self.incoming

    @override
    def upload_interrupted(self) -> None:
        """Remove what arrived of a file that did not."""
        if self.incoming is not None:
            self.incoming.close()
