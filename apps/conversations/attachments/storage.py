"""Where the bytes of files lie: per tenant, under their SHA-256.

`BlobStore` is all that the rest knows, so that an object store can take the folder's place. The
folder: `FILES_ROOT/<tenant id>/ab/cd/<digest>`; what is being written stands in `incoming` beside
it until it is complete, so that a name never leads to half a file.
"""

import contextlib
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from django.conf import settings
from typing_extensions import override

from apps.core import scope
from apps.core.errors import ProgrammingFault
from apps.core.ids import new_id

_DIGEST = re.compile(r"[0-9a-f]{64}")
_INCOMING = "incoming"
_CHUNK = 256 * 1024


class OutsideTheStore(ProgrammingFault):
    """A path would leave the tenant's folder."""

    def __init__(self) -> None:
        super().__init__("a path leaves the store of its tenant")


class BlobStore(Protocol):
    """Keeps bytes of the tenant in scope by their digest."""

    def put(self, source: Path, *, digest: str) -> bool:
        """Take over the complete file `source`; return whether it was new."""
        ...

    def open(self, digest: str) -> BinaryIO:
        """Return a seekable file opened for reading.

        Raises:
            FileNotFoundError: Nothing is stored under it.
        """
        ...

    def delete(self, digest: str) -> bool:
        """Forget it; return whether it was there."""
        ...

    def stale(self, *, older_than_s: float) -> Iterator[str]:
        """Yield the digests of what was stored more than so many seconds ago."""
        ...


class FolderStore(BlobStore):
    """Blobs in a folder of this machine, or of a network file system that all processes see."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def _tenant_root(self) -> Path:
        return self._root / str(scope.require().id)

    def _path(self, digest: str) -> Path:
        """Build the path of a blob: the only place that does."""
        if not _DIGEST.fullmatch(digest):
            raise OutsideTheStore
        root = self._tenant_root()
        path = root / digest[:2] / digest[2:4] / digest
        # A link somebody put in the way must not lead elsewhere.
        if not path.parent.resolve().is_relative_to(root.resolve()):
            raise OutsideTheStore
        return path

    @contextlib.contextmanager
    def workplace(self) -> Iterator[Path]:
        """Make a folder on the store's file system, closed to others; removed afterwards."""
        folder = self._tenant_root() / _INCOMING / new_id().hex
        folder.mkdir(parents=True, mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def new_incoming(self) -> Path:
        """Return the path for a file that is about to be received."""
        folder = self._tenant_root() / _INCOMING
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder / f"{new_id().hex}.part"

    @override
    def put(self, source: Path, *, digest: str) -> bool:
        target = self._path(digest)
        if target.exists():
            source.unlink(missing_ok=True)
            os.utime(target)  # young again: the sweeper leaves it to the row that follows
            return False
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with source.open("rb") as complete:
            os.fsync(complete.fileno())
        source.chmod(0o600)
        source.replace(target)
        for folder in (target.parent, target.parent.parent, target.parent.parent.parent):
            _sync_folder(folder)  # the folders may be as new as the file
        return True

    @override
    def open(self, digest: str) -> BinaryIO:
        return self._path(digest).open("rb")

    @override
    def delete(self, digest: str) -> bool:
        try:
            self._path(digest).unlink()
        except FileNotFoundError:
            return False
        return True

    @override
    def stale(self, *, older_than_s: float) -> Iterator[str]:
        border = time.time() - older_than_s
        root = self._tenant_root()
        for path in root.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/*"):
            if _DIGEST.fullmatch(path.name) and _modified(path) < border:
                yield path.name

    def clear_incoming(self, *, older_than_s: float) -> int:
        """Remove what uploads and workers that died left behind; return how much."""
        border = time.time() - older_than_s
        removed = 0
        for path in (self._tenant_root() / _INCOMING).glob("*"):
            if _modified(path) >= border:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
            removed += 1
        return removed


def _modified(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except FileNotFoundError:  # somebody else removed it meanwhile
        return float("inf")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def blob_store() -> FolderStore:
    """Return the store of this installation."""
    return FolderStore(settings.FILES_ROOT)
