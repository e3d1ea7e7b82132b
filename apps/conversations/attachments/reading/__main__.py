"""Run one operation on the file on standard input."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from apps.conversations.attachments.reading import guard
from apps.conversations.attachments.reading.report import (
    BROKEN,
    TOO_COMPLEX,
    Options,
    Report,
    Unreadable,
)

Operation = Callable[[BinaryIO, Path, Options], Report]


def _operation(name: str, media_type: str) -> Operation:
    # Each operation imports its parsers only where it needs them: a scan starts in no time.
    if name == "scan":
        # lint: allow function-import: see above
        from apps.conversations.attachments.reading.scan import scan

        return scan
    if name == "extract":
        # lint: allow function-import: see above
        from apps.conversations.attachments.reading.extract import extractor

        return extractor(media_type)
    # lint: allow function-import: see above
    from apps.conversations.attachments.reading.images import thumbnail

    return {"thumbnail": thumbnail}[name]


def run(operation: Operation, file: BinaryIO, folder: Path, options: Options) -> Report:
    """Return the report of `operation`, also where the parser fails on the file."""
    try:
        report = operation(file, folder, options)
    except Unreadable as refusal:
        report = Report(problem=refusal.problem, detail=refusal.detail)
    except (MemoryError, RecursionError):
        report = Report(problem=TOO_COMPLEX)
    # lint: allow broad-except: parsers of foreign files raise anything; the class is reported
    except Exception as error:  # noqa: BLE001
        report = Report(problem=BROKEN, detail={"reason": type(error).__name__})
    report.text = report.text.replace("\x00", "")[: options.characters]
    return report


def main(arguments: list[str]) -> None:
    """Parse the command line, close the doors, run, write the report."""
    name, folder, values = arguments
    options = Options(**json.loads(values))
    operation = _operation(name, options.media_type)
    guard.limit(memory_bytes=options.memory_bytes, cpu_s=options.cpu_s)
    guard.close_doors()
    with Path("/dev/stdin").open("rb") as file:
        run(operation, file, Path(folder), options).write(Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
