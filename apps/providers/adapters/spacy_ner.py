"""Names of people, places and organisations, read by spaCy; the one module that imports it.

What spaCy's vocabulary learns of a text (each new word) is let go with the text, so a process
neither grows nor keeps the words of its tenants. Only the recogniser is loaded, not tagger,
parser and lemmatiser: 40 ms for 1,000 characters on one busy core, about 110 MB with spaCy itself.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import spacy

from apps.providers.domain.pii import PiiFinding, PiiKind, shifted, without_overlaps

if TYPE_CHECKING:
    from spacy.language import Language

_UNNEEDED = ["tok2vec", "tagger", "parser", "senter", "attribute_ruler", "lemmatizer"]
_PIECE = 4_000  # characters read together; longer pieces only take more memory
# The recogniser gives no probabilities; these are how often it is right about plain prose.
_KINDS = {
    "PERSON": (PiiKind.PERSON, 0.6),
    "GPE": (PiiKind.PLACE, 0.4),
    "LOC": (PiiKind.PLACE, 0.35),
    "FAC": (PiiKind.PLACE, 0.35),
    "ORG": (PiiKind.ORGANISATION, 0.4),
}
_NAME = re.compile(r"[^\W\d_](?:[^\W\d_]|[ .,'’&-]){1,79}")
_OURSELVES = frozenset({"karen", "assistant", "ai"})


@cache
def _loaded(folder: Path) -> "Language":
    return spacy.load(folder, exclude=_UNNEEDED)


def read_names(folder: Path, text: str) -> tuple[PiiFinding, ...]:
    """Return the names in `text`; on the reader's thread only."""
    reader = _loaded(folder)
    found: list[PiiFinding] = []
    for start, piece in _pieces(text):
        with reader.memory_zone():
            names = [
                finding
                for entity in reader(piece).ents
                if (finding := _finding(entity.label_, entity.text, entity.start_char))
            ]
        found += shifted(names, start)
    return without_overlaps(found)


def _finding(label: str, text: str, start: int) -> PiiFinding | None:
    known = _KINDS.get(label)
    if known is None:
        return None
    kind, score = known
    name = text.split("\n", 1)[0].strip(" .,'’&-")
    if _NAME.fullmatch(name) is None or name.lower() in _OURSELVES:
        return None  # code and tables look like names to a model of prose
    start += text.index(name)
    return PiiFinding(
        kind=kind, start=start, end=start + len(name), score=score, detail=f"name_{label.lower()}"
    )


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Cut a long text at the ends of lines or words."""
    start = 0
    while start < len(text):
        end = start + _PIECE
        if end < len(text):
            cut = max(text.rfind("\n", start, end), text.rfind(" ", start, end))
            end = cut + 1 if cut > start else end
        yield start, text[start:end]
        start = end
