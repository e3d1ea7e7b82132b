"""Word and Excel files of the XML kind."""

import warnings
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import BinaryIO

import docx
import openpyxl
from docx.opc.exceptions import OpcError
from docx.table import Table
from openpyxl.utils.exceptions import InvalidFileException

from apps.conversations.attachments.reading.plain import COLUMNS, ROWS
from apps.conversations.attachments.reading.report import BROKEN, Options, Report, Unreadable

_SHEETS = 100


def read_docx(file: BinaryIO, options: Options) -> Report:
    """Read paragraphs and tables in their order.

    Raises:
        Unreadable: It is broken.
    """
    try:
        document = docx.Document(file)
    except (OpcError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise Unreadable(BROKEN, reason=type(error).__name__) from None
    lines: list[str] = []
    notes: list[str] = []
    paragraphs = tables = size = 0
    for block in document.iter_inner_content():
        if isinstance(block, Table):
            tables += 1
            found = [" | ".join(_cells(row.cells)) for row in block.rows]
        else:
            paragraphs += 1
            found = [_paragraph(block.text, block.style.name if block.style else "")]
        lines += found
        size += sum(map(len, found))
        if size > options.characters or options.late():
            notes.append("text_cut")
            break
    text = "\n".join(line for line in lines if line)
    return Report(
        text=text,
        meta={"paragraphs": paragraphs, "tables": tables},
        notes=notes if text else [*notes, "no_text"],
    )


def _paragraph(text: str, style: str | None) -> str:
    level = (style or "").removeprefix("Heading ")
    heading = (style or "").startswith("Heading ") and level.isdigit()
    return f"{'#' * min(int(level), 6)} {text}" if heading and text else text


def _cells(cells: tuple[object, ...]) -> Iterator[str]:
    before = None
    for cell in cells:
        inner = getattr(cell, "_tc", None)
        if inner is not before:  # a merged cell stands in the row once for each column
            yield " ".join(str(getattr(cell, "text", "")).split())
        before = inner


def read_xlsx(file: BinaryIO, options: Options) -> Report:
    """Read the values of each sheet, cells separated by tabs.

    Raises:
        Unreadable: It is broken.
    """
    warnings.simplefilter("ignore")  # openpyxl remarks on features that it does not know
    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
    except (InvalidFileException, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise Unreadable(BROKEN, reason=type(error).__name__) from None
    lines: list[str] = []
    rows = size = 0
    sheets: list[str] = []
    cut = False
    for sheet in book.worksheets[:_SHEETS]:
        sheets.append(sheet.title)
        lines.append(f"## {sheet.title}")
        for row in sheet.iter_rows(max_col=COLUMNS, values_only=True):
            line = "\t".join(map(_value, row)).rstrip("\t")
            if not line:
                continue
            if rows >= ROWS or size > options.characters or options.late():
                cut = True
                break
            lines.append(line)
            rows += 1
            size += len(line) + 1
    book.close()
    notes = ["rows_cut"] if cut else []
    return Report(
        text="\n".join(lines) if rows else "",
        meta={"sheets": sheets, "rows": rows},
        notes=notes if rows else [*notes, "no_text"],
    )


def _value(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime | date | time):
        return cell.isoformat()
    return " ".join(str(cell).split())
