"""Reading text and facts, by media type."""

import wave
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from apps.conversations.attachments.reading import plain
from apps.conversations.attachments.reading.report import Options, Report
from apps.conversations.attachments.sniffing import DOCX, XLSX

Reader = Callable[[BinaryIO, Options], Report]
Operation = Callable[[BinaryIO, Path, Options], Report]
_LISTED = 2000


def extractor(media_type: str) -> Operation:
    """Return what reads files of a type; its parser is loaded then, before the doors close.

    What it returns raises `Unreadable` for files that are broken, encrypted or empty.
    """
    if media_type.startswith("image/"):
        # lint: allow function-import: Pillow is needed for pictures only
        from apps.conversations.attachments.reading.images import clean

        return clean
    read = _audio if media_type.startswith("audio/") else _reader(media_type)
    return lambda file, _folder, options: read(file, options)


def _reader(media_type: str) -> Reader:
    if media_type == "application/pdf":
        # lint: allow function-import: a text file needs no PDF reader in memory
        from apps.conversations.attachments.reading.pdf import read_pdf

        return read_pdf
    if media_type == DOCX:
        # lint: allow function-import: as above
        from apps.conversations.attachments.reading.office import read_docx

        return read_docx
    if media_type == XLSX:
        # lint: allow function-import: as above
        from apps.conversations.attachments.reading.office import read_xlsx

        return read_xlsx
    return {
        "application/zip": _archive,
        "text/csv": plain.read_table,
        "text/tab-separated-values": plain.read_table,
        "text/html": plain.read_html,
        "application/json": plain.read_json,
        "application/xml": plain.read_xml,
    }.get(media_type, plain.read_text)


def _audio(file: BinaryIO, options: Options) -> Report:
    if options.media_type != "audio/wav":
        return Report()
    try:
        with wave.open(file) as sound:
            seconds = sound.getnframes() / (sound.getframerate() or 1)
    except (wave.Error, EOFError):  # compressed inside: its length is not worth a decoder
        return Report()
    return Report(meta={"seconds": round(seconds, 2)})


def _archive(file: BinaryIO, options: Options) -> Report:
    del options  # lists have no options
    with zipfile.ZipFile(file) as archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
    lines = [f"{info.filename}\t{info.file_size} bytes" for info in members[:_LISTED]]
    if len(members) > _LISTED:
        lines.append(f"… and {len(members) - _LISTED} more")
    return Report(text="\n".join(lines), meta={"members": len(members)})
