"""Files that are text: plain, tables, markup."""

import csv
import io
import json
from html.parser import HTMLParser
from typing import BinaryIO
from xml.sax import SAXException  # only the exception; defusedxml parses
from xml.sax.handler import ContentHandler  # as above

from defusedxml import DefusedXmlException, sax
from typing_extensions import override

from apps.conversations.attachments.reading.report import (
    BROKEN,
    EMPTY,
    Options,
    Report,
    Unreadable,
)
from apps.conversations.attachments.sniffing import encoding_of, language_of

ROWS = 20_000
COLUMNS = 256
_SAMPLE = 64 * 1024
_SEPARATORS = ",;\t|"


def decoded(file: BinaryIO, options: Options) -> tuple[str, str, bool]:
    """Return (text, its encoding, whether it was cut).

    Raises:
        Unreadable: It is not text, or there is none.
    """
    # Four bytes are the longest character of any encoding we read.
    limit = options.characters * 4 + 4
    data = file.read(limit)
    encoding = encoding_of(data, complete=len(data) < limit) or encoding_of(data)
    if encoding is None:
        raise Unreadable(BROKEN, reason="binary")
    text = data.decode(encoding, errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise Unreadable(EMPTY)
    cut = len(text) > options.characters or len(data) == limit
    return text[: options.characters], encoding, cut


def _report(text: str, encoding: str, cut: bool) -> Report:
    meta: dict[str, object] = {"encoding": encoding, "lines": text.count("\n") + 1}
    return Report(text=text, meta=meta, notes=["text_cut"] if cut else [])


def read_text(file: BinaryIO, options: Options) -> Report:
    """Read prose or source code."""
    report = _report(*decoded(file, options))
    language = language_of(options.name)
    if language:
        report.meta["language"] = language
    return report


def read_json(file: BinaryIO, options: Options) -> Report:
    """Read JSON as it stands; what does not parse is plain text."""
    text, encoding, cut = decoded(file, options)
    report = _report(text, encoding, cut)
    if cut:
        return report
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        report.media_type = "text/plain"
        report.notes.append("json_invalid")
    return report


def read_xml(file: BinaryIO, options: Options) -> Report:
    """Read XML as it stands; entities are never expanded."""
    text, encoding, cut = decoded(file, options)
    report = _report(text, encoding, cut)
    if cut:
        return report
    try:
        sax.parseString(text.encode(), ContentHandler())
    except (SAXException, DefusedXmlException, ValueError):
        report.media_type = "text/plain"
        report.notes.append("xml_invalid")
    return report


def read_table(file: BinaryIO, options: Options) -> Report:
    """Read CSV in whatever dialect; rows come out separated by commas."""
    text, encoding, cut = decoded(file, options)
    try:
        dialect: type[csv.Dialect] | csv.Dialect = csv.Sniffer().sniff(text[:_SAMPLE], _SEPARATORS)
    except csv.Error:
        dialect = csv.excel_tab if "\t" in text[:_SAMPLE] else csv.excel
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    rows = columns = 0
    try:
        for row in csv.reader(io.StringIO(text), dialect):
            if rows == ROWS:
                cut = True
                break
            writer.writerow(row[:COLUMNS])
            rows += 1
            columns = max(columns, len(row))
    except csv.Error:  # quotes that never end: the lines as they stand say more than an error
        return _report(text, encoding, cut)
    meta: dict[str, object] = {
        "encoding": encoding,
        "rows": rows,
        "columns": columns,
        "delimiter": dialect.delimiter,
    }
    return Report(text=out.getvalue(), meta=meta, notes=["rows_cut"] if cut else [])


class _Words(HTMLParser):
    """Collects what a page shows."""

    _HIDDEN = frozenset({"script", "style", "noscript", "template", "head", "svg", "iframe"})
    _BLOCKS = frozenset(
        {
            "p", "div", "br", "li", "tr", "table", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6",
            "section", "article", "header", "footer", "blockquote", "pre", "hr", "dt", "dd", "main",
        }
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._hidden: list[str] = []
        self._in_title = False
        self.pieces: list[str] = []
        self.title = ""

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "body":  # a head without its end would hide the page
            self._hidden.clear()
        if tag in self._HIDDEN:
            self._hidden.append(tag)
        self._in_title = tag == "title"
        if tag in self._BLOCKS:
            self.pieces.append("\n")
        elif tag in {"td", "th"}:
            self.pieces.append("\t")

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag in self._hidden:
            while self._hidden.pop() != tag:
                pass
        self._in_title = False
        if tag in self._BLOCKS:
            self.pieces.append("\n")

    @override
    def handle_data(self, data: str) -> None:
        if self._in_title and not self.title:
            self.title = " ".join(data.split())[:300]
        elif not self._hidden:
            self.pieces.append(data)


def read_html(file: BinaryIO, options: Options) -> Report:
    """Read what a page shows, without scripts and styles."""
    source, encoding, cut = decoded(file, options)
    parser = _Words()
    parser.feed(source)
    parser.close()
    lines = (" ".join(line.split()) for line in "".join(parser.pieces).split("\n"))
    text = "\n".join(line for line in lines if line)
    meta: dict[str, object] = {"encoding": encoding}
    if parser.title:
        meta["title"] = parser.title
    notes = ["text_cut"] if cut else []
    return Report(text=text, meta=meta, notes=notes if text else [*notes, "no_text"])
