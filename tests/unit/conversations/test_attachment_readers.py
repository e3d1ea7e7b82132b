"""Readers called directly: what they do when time runs out."""

import io

from apps.conversations.attachments.reading.office import read_docx, read_xlsx
from apps.conversations.attachments.reading.pdf import read_pdf
from apps.conversations.attachments.reading.report import Options
from tests import corpus

_NO_TIME = Options(media_type="x", name="x", cpu_s=0)


def test_a_reader_whose_time_is_over_returns_what_it_has_and_says_so() -> None:
    pdf = read_pdf(io.BytesIO(corpus.pdf("one", "two")), _NO_TIME)
    word = read_docx(io.BytesIO(corpus.word("one", "two")), _NO_TIME)
    sheet = read_xlsx(io.BytesIO(corpus.excel({"A": [["one"], ["two"]]})), _NO_TIME)

    assert pdf.meta["pages"] == 2
    assert "pages_cut" in pdf.notes
    assert (word.text, word.notes) == ("## A heading", ["text_cut"])
    assert sheet.notes[0] == "rows_cut"
