"""Words of a text, the same way for what is indexed and what is asked. Pure.

PostgreSQL's own parser depends on the database's locale and keeps addresses and paths in one
piece; people search for the pieces. So words are cut here: letters and digits with the marks that
belong to them, without accents, case folded. Scripts that do not part words by blanks are indexed
character by character.
"""

import re
import unicodedata
import zlib
from collections.abc import Iterator
from functools import cache
from itertools import combinations
from typing import NamedTuple

WORD_LENGTH_MAX = 64
SPELLED_LENGTH_MIN, SPELLED_LENGTH_MAX = 4, 32
_ACCENTS = (0x300, 0x36F)
_KEY_PREFIX = 7  # letters that spelling keys are made from
_SHORT_WORD = 5  # up to here one mistake is forgiven, above two

# Ideographs and kana: a run of them holds several words.
_UNSPACED = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f]"
)


class Token(NamedTuple):
    """A word as it is compared, and where it stands in the text it was cut from."""

    word: str
    start: int
    end: int


@cache
def _word_pattern() -> re.Pattern[str]:
    # `\w` leaves out the vowel signs of Indic scripts and combining accents.
    marks: list[str] = []
    run: list[int] = []
    for code in range(0x300, 0x10000):
        if unicodedata.category(chr(code)).startswith("M"):
            if run and code == run[-1] + 1:
                run[1:] = [code]
                continue
            marks += _range(run)
            run = [code]
    marks += _range(run)
    return re.compile(rf"(?:[^\W_]|[{''.join(marks)}])+")


def _range(run: list[int]) -> list[str]:
    return [f"\\u{run[0]:04x}-\\u{run[-1]:04x}"] if run else []


def folded(word: str) -> str:
    """Return `word` without case and accents, only letters, digits and marks that are left."""
    if word.isascii():
        return word.lower()[:WORD_LENGTH_MAX]
    decomposed = unicodedata.normalize("NFKD", word)
    bare = "".join(c for c in decomposed if not _ACCENTS[0] <= ord(c) <= _ACCENTS[1])
    kept = "".join(_word_pattern().findall(bare.casefold()))
    return unicodedata.normalize("NFC", kept)[:WORD_LENGTH_MAX]


def cut_words(text: str) -> Iterator[Token]:
    """Yield the words of `text` in order."""
    for found in _word_pattern().finditer(text):
        run, start = found.group(), found.start()
        if run.isascii() or not _UNSPACED.search(run):
            word = folded(run)
            if word:
                yield Token(word, start, found.end())
            continue
        last = 0
        for sign in _UNSPACED.finditer(run):
            yield from _piece(run, start, last, sign.start())
            yield from _piece(run, start, sign.start(), sign.end())
            last = sign.end()
        yield from _piece(run, start, last, len(run))


def _piece(run: str, offset: int, start: int, end: int) -> Iterator[Token]:
    word = folded(run[start:end])
    if word:
        yield Token(word=word, start=offset + start, end=offset + end)


def is_unspaced(word: str) -> bool:
    """Say whether `word` is one character of a script without blanks."""
    return _UNSPACED.fullmatch(word) is not None


# -- spelling


def may_be_misspelled(word: str) -> bool:
    """Say whether looking for similar words makes sense: letters only, not too short or long."""
    return SPELLED_LENGTH_MIN <= len(word) <= SPELLED_LENGTH_MAX and word.isalpha()


def mistakes_allowed(word: str) -> int:
    """Return how many letters may be wrong in a word of this length."""
    return 1 if len(word) <= _SHORT_WORD else 2


def spelling_keys(word: str) -> list[int]:
    """Return 32-bit hashes of the word's beginning with some letters left out, sorted.

    Two words whose beginnings differ by no more letters than may be wrong share at least one
    (symmetric deletion: leaving out letters on both sides undoes any insertion, omission,
    replacement or swap).
    """
    beginning = word[:_KEY_PREFIX]
    forms = {
        "".join(beginning[i] for i in range(len(beginning)) if i not in left_out)
        for count in range(mistakes_allowed(word) + 1)
        for left_out in combinations(range(len(beginning)), count)
    }
    return sorted({_signed(zlib.crc32(form.encode())) for form in forms})


def _signed(value: int) -> int:
    return value - (1 << 32) if value >= 1 << 31 else value


def mistakes(left: str, right: str) -> int:
    """Return how many letters must be inserted, left out, replaced or swapped with a neighbour."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        above, row = row, [i]
        for j, b in enumerate(right, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before = above
    return row[-1]
