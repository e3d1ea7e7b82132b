"""PDF."""

import logging
from typing import BinaryIO

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from apps.conversations.attachments.reading.report import (
    BROKEN,
    ENCRYPTED,
    Options,
    Report,
    Unreadable,
)

PAGES = 2000
_FACTS = {"/Title": "title", "/Author": "author"}


def read_pdf(file: BinaryIO, options: Options) -> Report:
    """Read the text of each page behind a mark with its number.

    Raises:
        Unreadable: It needs a password, is broken or has no pages.
    """
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it remarks on every oddity
    try:
        reader = PdfReader(file)
        # Many files are encrypted only against changes: the empty password opens them.
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable(ENCRYPTED)
        count = len(reader.pages)
    except PyPdfError as error:
        raise Unreadable(BROKEN, reason=type(error).__name__) from None
    if count == 0:
        raise Unreadable(BROKEN, reason="no pages")
    report = Report(meta={"pages": count, **_facts(reader)})
    read, found = _pages(reader, report, options)
    report.text = "\n\n".join(read)
    if count > PAGES:
        report.notes.append("pages_cut")
    if not found:
        report.text = ""
        report.notes.append("no_text")
    return report


def _pages(reader: PdfReader, report: Report, options: Options) -> tuple[list[str], bool]:
    read: list[str] = []
    size, found, broken = 0, False, []
    for number, page in enumerate(reader.pages[:PAGES], start=1):
        if options.late():
            report.notes.append("pages_cut")
            break
        try:
            text = page.extract_text().strip()
        except (PyPdfError, KeyError, ValueError, TypeError, AttributeError, IndexError):
            broken.append(number)  # the other pages are worth having
            continue
        found = found or bool(text)
        read.append(f"[Page {number}]\n{text}")
        size += len(read[-1]) + 2
        if size > options.characters:
            report.notes.append("text_cut")
            break
    if broken:
        report.meta["unreadable_pages"] = broken[:100]
    if broken and not read:
        raise Unreadable(BROKEN, reason="pages")
    return read, found


def _facts(reader: PdfReader) -> dict[str, str]:
    try:
        info = dict(reader.metadata or {})
        return {name: str(info[key])[:300] for key, name in _FACTS.items() if info.get(key)}
    except (PyPdfError, KeyError, ValueError, TypeError, AttributeError):
        return {}
