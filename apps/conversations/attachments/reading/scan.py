"""Looking for what must not be kept: the EICAR test file, programs, archives that explode."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

from apps.conversations.attachments.reading.report import (
    BROKEN,
    ENCRYPTED,
    EXECUTABLE,
    INFECTED,
    UNSAFE,
    Options,
    Report,
    Unreadable,
)
from apps.conversations.attachments.sniffing import is_executable

_CHUNK = 256 * 1024
# https://www.eicar.org/download-anti-malware-testfile/: 68 bytes that every scanner reports. In two
# halves, so that scanners leave this source alone.
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-" + rb"ANTIVIRUS-TEST-FILE!$H+H*"
EICAR_NAME = "Eicar-Test-Signature"

MEMBERS = 10_000
DEPTH = 3
RATIO = 200
RATIO_FROM_BYTES = 8 * 2**20  # small files compress absurdly well without any harm
_NESTED_BYTES = 64 * 2**20


class _Budget:
    """How much may still be unpacked from one file, archives inside archives included."""

    def __init__(self, unpacked_bytes: int, packed_bytes: int) -> None:
        self._left = unpacked_bytes
        self._packed = packed_bytes
        self._members = MEMBERS
        self.unpacked = 0

    def member(self) -> None:
        self._members -= 1
        if self._members < 0:
            raise Unreadable(UNSAFE, reason="members")

    def take(self, size: int) -> None:
        self.unpacked += size
        if self.unpacked > self._left:
            raise Unreadable(UNSAFE, reason="size")
        if self.unpacked > RATIO_FROM_BYTES and self.unpacked > RATIO * self._packed:
            raise Unreadable(UNSAFE, reason="ratio")


def scan(file: BinaryIO, folder: Path, options: Options) -> Report:
    """Report a harmless file as such.

    Raises:
        Unreadable: It is infected, a program, an unsafe or encrypted archive, or a broken one.
    """
    del folder  # nothing is derived
    packed = _search(_chunks(file), member="")
    budget = _Budget(options.unpacked_bytes, packed)
    file.seek(0)
    macros = zipfile.is_zipfile(file) and _scan_archive(file, budget, depth=1)
    return Report(
        meta={"unpacked_bytes": budget.unpacked} if budget.unpacked else {},
        notes=["contains_macros"] if macros else [],
    )


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _search(chunks: Iterator[bytes], *, member: str) -> int:
    """Return the size of what is free of signatures."""
    size, tail = 0, b""
    for chunk in chunks:
        if not size and is_executable(chunk):
            raise Unreadable(EXECUTABLE, member=member)
        window = tail + chunk
        if EICAR in window:
            raise Unreadable(INFECTED, signature=EICAR_NAME, member=member)
        tail = window[-len(EICAR) :]
        size += len(chunk)
    return size


def _scan_archive(file: BinaryIO, budget: _Budget, *, depth: int) -> bool:
    """Scan every member; return whether one of them holds Office macros."""
    if depth > DEPTH:
        raise Unreadable(UNSAFE, reason="nesting")
    macros = False
    try:
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                budget.member()
                if info.is_dir():
                    continue
                if info.flag_bits & 1:
                    raise Unreadable(ENCRYPTED)
                macros |= info.filename.lower().endswith("vbaproject.bin")
                with archive.open(info) as member:
                    _scan_member(member, info, budget, depth=depth)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, ValueError, OSError) as error:
        raise Unreadable(BROKEN, reason=type(error).__name__) from None
    return macros


def _scan_member(member: IO[bytes], info: zipfile.ZipInfo, budget: _Budget, *, depth: int) -> None:
    name = info.filename[:200]
    head = member.read(4)
    kept: list[bytes] | None = [] if head == b"PK\x03\x04" else None

    def counted() -> Iterator[bytes]:
        nonlocal kept
        total = len(head)
        budget.take(total)
        yield head + (first := member.read(_CHUNK))
        pieces = [head, first]
        budget.take(len(first))
        total += len(first)
        for chunk in _chunks(member):
            budget.take(len(chunk))
            total += len(chunk)
            if kept is not None:
                if total > _NESTED_BYTES:
                    raise Unreadable(UNSAFE, reason="nesting")
                pieces.append(chunk)
            yield chunk
        if kept is not None:
            kept.extend(pieces)

    _search(counted(), member=name)
    if kept:
        nested = io.BytesIO(b"".join(kept))
        if zipfile.is_zipfile(nested):
            _scan_archive(nested, budget, depth=depth + 1)
