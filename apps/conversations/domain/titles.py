"""Titles: the first one from the first message, a better one from what the model writes. Pure."""

import re
import unicodedata

TITLE_MAX = 60


def title_from(text: str) -> str:
    """Return the first line of `text`, cut at a word to at most `TITLE_MAX` characters."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    line = " ".join(line.split())
    if len(line) <= TITLE_MAX:
        return line
    cut = line[: TITLE_MAX - 1]
    head, _space, tail = cut.rpartition(" ")
    return (head if len(tail) < len(cut) // 2 and head else cut).rstrip(" ,.;:") + "…"


_WORDS_MAX = 6
_RAMBLING = 12  # so many words are a sentence, and its first six would be no title
_LABEL = re.compile(r"^(?:title|titel|titre|título)\s*[:–-]\s*", re.IGNORECASE)
_MARKS = "\"'`*_# \t" + "«»“”„\u2018’"
_REFUSAL = re.compile(r"^(?:i'?m sorry|i cannot|i can'?t|sorry|as an ai)\b", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_DANGLING = frozenset(
    """
    a an the of for and or to in on at with by from is are
    der die das und oder für mit von
    """.split()  # noqa: SIM905  # a list of so many strings reads worse
)


def title_of(written: str, *, asked: str = "") -> str:
    """Return the title in what a model wrote, or an empty text when there is none to use.

    One line of at most six words and `TITLE_MAX` characters, without quotation marks, labels,
    markup, control characters or a full stop at its end. A small model may repeat what it was
    `asked` instead of answering: a title of such words alone is none.
    """
    printable = "".join(
        " " if unicodedata.category(character).startswith("C") and character != "\n" else character
        for character in written
    )
    line = next((line for line in printable.splitlines() if line.strip(_MARKS)), "")
    line = _LABEL.sub("", line.strip(_MARKS)).strip(_MARKS)
    words = line.rstrip(" .,;:…").split()
    if not words or len(words) > _RAMBLING or _REFUSAL.match(line):
        return ""
    if len(words) > _WORDS_MAX:
        words = words[:_WORDS_MAX]
        while len(words) > 1 and words[-1].casefold() in _DANGLING:
            words.pop()
    title = " ".join(words).rstrip(" .,;:…").strip(_MARKS)
    usable = len(title) <= TITLE_MAX and any(character.isalnum() for character in title)
    return title if usable and not _repeats(title, asked) else ""


def _repeats(title: str, asked: str) -> bool:
    said = set(_WORD.findall(title.casefold()))
    return bool(said) and said <= set(_WORD.findall(asked.casefold()))
