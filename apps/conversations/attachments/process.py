"""Starting the reading process: no secrets in its environment, killed when its time is over."""

import contextlib
import json
import os
import signal
import subprocess  # the point of this module
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from apps.conversations.attachments import errors
from apps.conversations.attachments.reading import report as codes
from apps.conversations.attachments.reading.report import Options, Report, read_report
from apps.conversations.attachments.storage import blob_store
from apps.core.errors import KarenError
from apps.core.logging import get_logger
from apps.jobs.task import remaining_s

logger = get_logger(__name__)

_MODULE = "apps.conversations.attachments.reading"
_PROJECT = Path(__file__).resolve().parents[3]
_UNPACKED_PER_MEMORY = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the process found, with the folder its derived files lie in."""

    report: Report
    folder: Path

    def derived(self, purpose: str) -> tuple[Path, str] | None:
        """Return (path, media type) of a derived file, if it was made."""
        entry = self.report.files.get(purpose)
        if entry is None:
            return None
        path = self.folder / Path(entry[0]).name
        return (path, entry[1]) if path.is_file() and not path.is_symlink() else None


@contextlib.contextmanager
def reading(operation: str, file: BinaryIO, *, media_type: str, name: str) -> Iterator[Reading]:
    """Run `operation` (`scan`, `extract`, `thumbnail`) over an open file in its own process.

    Raises:
        KarenError: The file is refused, with the reason.
    """
    with blob_store().workplace() as folder:
        report = _run(operation, file, folder, media_type=media_type, name=name)
        if report.problem:
            raise _error(report)
        yield Reading(report=report, folder=folder)


def _run(operation: str, file: BinaryIO, folder: Path, *, media_type: str, name: str) -> Report:
    options = Options(
        media_type=media_type,
        name=name,
        memory_bytes=settings.ATTACHMENT_READ_BYTES,
        cpu_s=settings.ATTACHMENT_READ_S,
        characters=settings.ATTACHMENT_TEXT_CHARACTERS,
        unpacked_bytes=int(settings.ATTACHMENT_READ_BYTES * _UNPACKED_PER_MEMORY),
    )
    command = [
        sys.executable, "-B", "-s", "-m", _MODULE, operation, str(folder),
        json.dumps(asdict(options)),
    ]  # fmt: skip
    file.seek(0)
    with (folder / "stderr").open("wb") as complaints:
        process = subprocess.Popen(  # noqa: S603  # our own module; the file is only its input
            command,
            stdin=file,
            stdout=complaints,
            stderr=complaints,
            cwd=folder,
            env=_environment(folder),
            start_new_session=True,
        )
        try:
            process.wait(timeout=max(1.0, min(settings.ATTACHMENT_READ_S, remaining_s() - 5)))
        except subprocess.TimeoutExpired:
            logger.warning("attachment.reading_timed_out", operation=operation, type=media_type)
            return Report(problem=codes.TOO_COMPLEX)
        finally:
            _end(process)
    report = read_report(folder)
    if report is not None:
        return report
    return _without_report(process.returncode, operation, folder)


def _environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": "",
        "PYTHONPATH": str(_PROJECT),
        "LANG": "C.UTF-8",
        "TMPDIR": str(folder),
        "HOME": str(folder),
        "OPENPYXL_LXML": "False",  # so that it reads through defusedxml
        # Threads that nobody needs reserve address space that counts against the limit.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _without_report(code: int, operation: str, folder: Path) -> Report:
    """Judge a process that died: by its limits, or by a mistake of ours."""
    with (folder / "stderr").open("rb") as complaints:
        complaints.seek(max(0, os.fstat(complaints.fileno()).st_size - 2000))
        last = complaints.read().decode(errors="replace")
    killed = code < 0
    if killed or "MemoryError" in last or "OSError: [Errno 12]" in last:
        logger.warning("attachment.reading_killed", operation=operation, code=code)
        return Report(problem=codes.TOO_COMPLEX)
    raise ReadingFailed(operation, code, last)


class ReadingFailed(RuntimeError):
    """The reading process ended without a verdict: a mistake of ours, to be seen in the log."""

    def __init__(self, operation: str, code: int, last: str) -> None:
        super().__init__(f"{operation} ended with {code}: {last[-500:]}")


_ERRORS: dict[str, Callable[[dict[str, str]], KarenError]] = {
    codes.ENCRYPTED: lambda _detail: errors.AttachmentEncrypted(),
    codes.UNSAFE: lambda detail: errors.AttachmentUnsafe(detail.get("reason", "")),
    codes.INFECTED: lambda detail: errors.AttachmentInfected(
        signature=detail.get("signature", ""), member=detail.get("member")
    ),
    codes.EXECUTABLE: lambda detail: errors.AttachmentExecutable(detail.get("member")),
    codes.TOO_COMPLEX: lambda _detail: errors.AttachmentTooComplex(),
    codes.EMPTY: lambda _detail: errors.AttachmentEmpty(),
    codes.BROKEN: lambda detail: errors.AttachmentBroken(detail.get("reason")),
}


def _error(report: Report) -> KarenError:
    return _ERRORS[report.problem](report.detail)
