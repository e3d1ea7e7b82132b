"""Remarks about files that are no errors, by code."""

from collections.abc import Iterable

from django.utils.translation import gettext as _

from apps.conversations.attachments.contracts import Note

NOT_TRANSCRIBED = "not_transcribed"
EXTENSION_MISMATCH = "extension_mismatch"
TEXT_CUT = "text_cut"
NO_TEXT = "no_text"
ROWS_CUT = "rows_cut"
PAGES_CUT = "pages_cut"
JSON_INVALID = "json_invalid"
XML_INVALID = "xml_invalid"
FIRST_FRAME_ONLY = "first_frame_only"
MACROS = "contains_macros"
SUMMARY_SKIPPED = "summary_skipped"


def sentence(code: str) -> str:
    """Return what the note `code` says, in the reader's language."""
    sentences = {
        NOT_TRANSCRIBED: _("Kept, but not transcribed: no speech model is configured here."),
        EXTENSION_MISMATCH: _("The name promises another type than the content has."),
        TEXT_CUT: _("The text is long: only its beginning is read."),
        NO_TEXT: _("No text was found in it; it may consist of scanned pages."),
        ROWS_CUT: _("The table is long: only its first rows are read."),
        PAGES_CUT: _("The document is long: only its first pages are read."),
        JSON_INVALID: _("This is not valid JSON; it is read as plain text."),
        XML_INVALID: _("This is not well-formed XML; it is read as plain text."),
        FIRST_FRAME_ONLY: _("Only the first picture of the animation is kept."),
        MACROS: _("It contains macros. They are never run here."),
        SUMMARY_SKIPPED: _("No summary was made: no model could write it."),
    }
    return sentences.get(code, code)


def notes_of(codes: Iterable[str]) -> tuple[Note, ...]:
    """Return the notes of `codes` in order."""
    return tuple(Note(code=code, message=sentence(code)) for code in codes)
