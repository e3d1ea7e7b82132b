"""What the reading process tells its parent."""

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

REPORT = "report.json"
REPORT_BYTES = 64 * 2**20

_ENOUGH = 0.7

# What may be wrong with a file: the parent turns each into its error.
ENCRYPTED = "encrypted"
BROKEN = "broken"
UNSAFE = "unsafe"
INFECTED = "infected"
EXECUTABLE = "executable"
TOO_COMPLEX = "too_complex"
EMPTY = "empty"


class Unreadable(Exception):  # a verdict on the file, not a KarenError: the process is not Karen
    """The file is refused; `detail` names what was found."""

    def __init__(self, problem: str, **detail: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the parent wants and allows.

    Attributes:
        media_type: As sniffed.
        name: Sanitised.
        memory_bytes: Address space.
        cpu_s: Processor seconds.
        characters: Most characters of text.
        unpacked_bytes: Most bytes that an archive may hold.
    """

    media_type: str
    name: str
    memory_bytes: int = 2**30
    cpu_s: int = 60
    characters: int = 400_000
    unpacked_bytes: int = 512 * 2**20

    def late(self) -> bool:
        """Say whether most of the processor time is used: better a part than nothing."""
        return time.process_time() > self.cpu_s * _ENOUGH


@dataclass(slots=True, kw_only=True)
class Report:
    """The outcome of one operation.

    Attributes:
        problem: One of the codes above; empty when all went well.
        detail: Strings for the error.
        media_type: A better one than the sniffed, or empty.
        text: What was read.
        meta: Facts.
        notes: Codes of remarks.
        files: Derived files: purpose → (name in the folder, media type).
    """

    problem: str = ""
    detail: dict[str, str] = field(default_factory=dict)
    media_type: str = ""
    text: str = ""
    meta: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    files: dict[str, tuple[str, str]] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Leave the report where the parent looks for it."""
        # Lone surrogates come out of broken encodings and go into no database.
        text = json.dumps(asdict(self), ensure_ascii=True)
        (folder / REPORT).write_text(text, encoding="ascii")


def read_report(folder: Path) -> Report | None:
    """Return the report in `folder`, or None when the process left none that makes sense."""
    path = folder / REPORT
    try:
        if path.is_symlink() or path.stat().st_size > REPORT_BYTES:
            return None
        values = json.loads(path.read_bytes())
        report = Report(**values)
        report.text = storable(report.text)
        report.meta = {str(k): _storable_value(v) for k, v in report.meta.items()}
        report.detail = {str(k): storable(str(v)) for k, v in report.detail.items()}
        report.files = {str(k): (str(n), str(t)) for k, (n, t) in report.files.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return report


def storable(text: str) -> str:
    """Return `text` without what PostgreSQL takes in no string: NUL and lone surrogates."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _storable_value(value: Any) -> Any:  # noqa: ANN401  # any JSON value
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [_storable_value(item) for item in value]
    return value
