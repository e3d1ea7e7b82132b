"""Telling several memories in one: which say the same, and what a list of them reads. Pure."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np

from apps.memory.contracts import TEXT_MAX

ALIKE = 0.9  # cosine from which two texts may say the same
GROUP_MIN, GROUP_MAX = 3, 12  # memories that one digest tells
_PIECE_MAX = 140  # characters of one of them
_STEM = 4  # letters by which a word is known again: "sailed", "sailing"
_ROWS = 1_024  # compared at once: a block of 1,024 × 20,000 cosines is 80 MB

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_SENTENCE = re.compile(r"(?:^|[.!?]\s+)(\w+)")
_DENIALS = frozenset(
    "no not never none nobody nothing neither nor without stopped quit cannot hardly".split()  # noqa: SIM905  # reads better than thirteen strings
)
_OPPOSITES = (
    ("before", "after"), ("first", "last"), ("more", "less"), ("most", "least"), ("up", "down"),
    ("in", "out"), ("on", "off"), ("like", "dislike"), ("likes", "dislikes"), ("love", "hate"),
    ("loves", "hates"), ("left", "right"), ("morning", "evening"), ("old", "new"),
    ("always", "sometimes"), ("started", "finished"), ("bought", "sold"), ("mother", "father"),
    ("sister", "brother"), ("son", "daughter"), ("husband", "wife"), ("he", "she"), ("his", "her"),
    ("this", "next"), ("yesterday", "tomorrow"), ("today", "tomorrow"), ("today", "yesterday"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A memory that may be told with others.

    Attributes:
        rank: The better one stays; compared as tuples are.
        bucket: What it is about: only equal ones are compared.
        value: What it says of its slot.
        stays: It may not be superseded: pinned, persistent or critical.
    """

    id: UUID
    text: str
    rank: tuple[Any, ...]
    bucket: tuple[Any, ...]
    value: str = ""
    stays: bool = False


def may_say_the_same(first: str, second: str) -> bool:
    """Say whether nothing that a vector overlooks sets two texts apart.

    Vectors of "at 9" and "at 10", of "Ada" and "Eve", of "likes" and "does not like" are nearly
    equal. So numbers, names, denials and pairs of opposites must agree.
    """
    if _marks(first) != _marks(second):
        return False
    one, other = (set(map(str.casefold, _WORD.findall(text))) for text in (first, second))
    return not any(
        (a in one and b in other and a not in other) or (b in one and a in other and b not in other)
        for a, b in _OPPOSITES
    )


def _marks(text: str) -> tuple[Counter[str], frozenset[str], bool]:
    words = _WORD.findall(text)
    beginnings = {match.start(1) for match in _SENTENCE.finditer(text)}
    names = {
        match.group().casefold()
        for match in _WORD.finditer(text)
        if match.group()[0].isupper() and match.start() not in beginnings and match.group() != "I"
    }
    denied = sum(
        word.casefold() in _DENIALS or word.casefold().endswith(("n't", "n’t")) for word in words
    )
    numbers = Counter(word for word in words if any(letter.isdigit() for letter in word))
    return numbers, frozenset(names), bool(denied % 2)


def same_sayings(
    candidates: Sequence[Candidate], vectors: "np.ndarray[Any, np.dtype[np.float32]]"
) -> list[tuple[UUID, tuple[UUID, ...]]]:
    """Return (what stays, what says the same) for each group, the best ones first.

    Everything in a group is like the one that stays, not only like another that is.

    Args:
        candidates: Of one subject and one embedding model.
        vectors: Theirs, of unit length, one a row.
    """
    buckets: dict[tuple[Any, ...], list[int]] = {}
    for at, candidate in enumerate(candidates):
        buckets.setdefault(candidate.bucket, []).append(at)
    groups = []
    for members in buckets.values():
        order = sorted(members, key=lambda at: (candidates[at].rank, str(candidates[at].id)))
        groups += _groups([candidates[at] for at in order[::-1]], vectors[order[::-1]])
    return groups


def _groups(
    best_first: Sequence[Candidate], vectors: "np.ndarray[Any, np.dtype[np.float32]]"
) -> list[tuple[UUID, tuple[UUID, ...]]]:
    taken: set[int] = set()
    groups = []
    for start in range(0, len(best_first), _ROWS):
        near = vectors[start : start + _ROWS] @ vectors.T >= ALIKE
        for row in range(len(near)):
            at = start + row
            if at in taken:
                continue
            same = [
                int(other)
                for other in np.flatnonzero(near[row])
                if other > at
                and int(other) not in taken
                and _says_the_same(best_first[at], best_first[int(other)])
            ]
            if same:
                taken.update([at, *same])
                groups.append((best_first[at].id, tuple(best_first[each].id for each in same)))
    return groups


def _says_the_same(stays: Candidate, other: Candidate) -> bool:
    return (
        not other.stays and stays.value == other.value and may_say_the_same(stays.text, other.text)
    )


def tells(summary: str, texts: Sequence[str]) -> bool:
    """Say whether a summary may stand for texts: every number, name and text is found in it.

    Of each text at least half of the longer words must be there, as far as their beginnings go:
    a small model repeats its instruction, or tells one thing and forgets the others.
    """
    told = {word.casefold()[:_STEM] for word in _WORD.findall(summary)}
    for text in texts:
        numbers, names, _denied = _marks(text)
        if not {word.casefold()[:_STEM] for word in (*numbers, *names)} <= told:
            return False
        longer = {word.casefold()[:_STEM] for word in _WORD.findall(text) if len(word) >= _STEM}
        if len(longer & told) * 2 < len(longer):
            return False
    return True


def digest(when: Sequence[datetime], texts: Sequence[str], about: str = "") -> str:
    """Return one text that tells several memories briefly, in their order.

    Args:
        when: When each of them was.
        texts: What each of them says.
        about: Whom or what all of them are about; empty where it is a month.
    """
    months = sorted((moment.year, moment.month) for moment in when)
    first, last = (f"{datetime(year, month, 1):%B %Y}" for year, month in (months[0], months[-1]))  # noqa: DTZ001  # a month's name
    period = first if first == last else f"{first} to {last}"
    heading = f"{about}, {period}: " if about else f"{period}: "
    pieces = dict.fromkeys(_brief(text) for text in texts)
    return f"{heading}{'; '.join(pieces)}."[:TEXT_MAX]


def _brief(text: str) -> str:
    plain = text.strip().rstrip(".!;")
    if len(plain) <= _PIECE_MAX:
        return plain
    return f"{plain[: _PIECE_MAX - 1].rsplit(' ', 1)[0]}…"
