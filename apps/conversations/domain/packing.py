"""What a model gets to see of everything that could be of use, within a token budget. Pure.

`assemble` is a function of its arguments and nothing else: equal input, equal output. Sources come
in the order of their priority. Each has a floor, which the others cannot take from it, and a cap;
both are shares of what is left beside the parts that every prompt has.
"""

import re
import unicodedata
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

# Without a model's own tokenizer at hand: English averages four characters a token, other scripts
# fewer. Three keeps the estimate on the safe side.
_CHARACTERS_PER_TOKEN = 3
_TOKENS_PER_MESSAGE = 6  # role markers of common chat templates

_WORD = re.compile(r"\w+")
_ALIKE = 0.85  # of two texts' words (Jaccard): the second says nothing new
_ALIKE_MIN_WORDS = 5  # shorter texts differ by the one word that matters


def estimated_tokens(text: str) -> int:
    """Return a cautious estimate of the tokens of one message with `text`."""
    return len(text) // _CHARACTERS_PER_TOKEN + 1 + _TOKENS_PER_MESSAGE


class Source(StrEnum):
    """Where a part of a prompt comes from."""

    STANDING = "standing"
    PROFILE = "profile"
    PIN = "pin"
    SUMMARY = "summary"
    THREAD = "thread"
    ATTACHMENT = "attachment"
    PAST = "past"
    MEMORY = "memory"


class Reason(StrEnum):
    """Why a candidate was taken or left out."""

    FITS = "fits"
    BUDGET = "over the budget"
    CAP = "over the cap of its source"
    GAP = "older than what was cut"
    DUPLICATE = "said already"
    SUMMARISED = "covered by the summary"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A text that could become part of the prompt.

    Attributes:
        id: What it is, such as a message's or a memory's id.
        tokens: What taking it costs, its wrapping included.
        score: How relevant its source finds it; None where that makes no sense.
        why: What its source says about it, for the explanation.
        label: What the prompt says before the text, such as who said it when.
    """

    id: str
    text: str
    tokens: int
    score: float | None = None
    why: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """The candidates of one source, best first.

    Attributes:
        floor: Share of the budget, 0 to 1, that is kept for this source.
        cap: Share that it may take at most.
        contiguous: After the first candidate that does not fit none is taken: a conversation has
            no holes.
        unique: Leave out what another source, or a better candidate, says already.
    """

    source: Source
    candidates: Sequence[Candidate]
    floor: float
    cap: float
    contiguous: bool = False
    unique: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What became of one candidate."""

    source: Source
    candidate: Candidate
    taken: bool
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """The outcome.

    Attributes:
        decisions: One for each candidate, in the order of the supplies and their candidates.
        budget: Tokens there were to spend.
        used: Tokens of what was taken; never more than the budget.
    """

    decisions: tuple[Decision, ...]
    budget: int
    used: int

    def taken(self, source: Source) -> tuple[Candidate, ...]:
        """Return what was taken from a source, best first."""
        return tuple(d.candidate for d in self.decisions if d.taken and d.source is source)


def assemble(supplies: Sequence[Supply], *, budget: int) -> Assembly:
    """Choose from `supplies`, most important source first, what fits into `budget` tokens.

    First every source takes up to its floor, then each, in order, up to its cap of what is left.
    What says the same as something taken is left out. Floors together should not exceed 1; where
    they do, the more important sources are served first.

    Args:
        supplies: One for each source, most important first.
        budget: Tokens for all of them together; below zero counts as none.
    """
    packing = _Packing(supplies, max(budget, 0))
    for at, supply in enumerate(supplies):
        packing.fill(at, limit=int(supply.floor * packing.budget), cap=False)
    for at, supply in enumerate(supplies):
        packing.fill(at, limit=int(supply.cap * packing.budget), cap=True)
    packing.drop_repeated()
    return packing.outcome()


class _Packing:
    def __init__(self, supplies: Sequence[Supply], budget: int) -> None:
        self.supplies = supplies
        self.budget = budget
        self.used = 0
        self._used_by = [0] * len(supplies)
        self._reasons: list[list[Reason | None]] = [
            [None] * len(supply.candidates) for supply in supplies
        ]
        # Whether what was taken has to be compared at all: most prompts are a thread alone.
        self._compares = any(supply.unique and supply.candidates for supply in supplies)
        self._said = _Said()

    def fill(self, at: int, *, limit: int, cap: bool) -> None:
        """Take candidates of one source while it stays within `limit` tokens of its own."""
        supply, reasons = self.supplies[at], self._reasons[at]
        for number, candidate in enumerate(supply.candidates):
            if reasons[number] is not None:
                continue
            if supply.unique and self._repeats(candidate):
                reasons[number] = Reason.DUPLICATE
                continue
            if self.used + candidate.tokens > self.budget:
                refusal = Reason.BUDGET
            elif self._used_by[at] + candidate.tokens > limit:
                refusal = Reason.CAP
            else:
                self._take(at, number, candidate)
                continue
            if supply.contiguous or not cap:
                # A floor is served in order: a smaller, less important candidate does not pass.
                self._refuse_rest(at, number, refusal if cap else None)
                return
            reasons[number] = refusal

    def _take(self, at: int, number: int, candidate: Candidate) -> None:
        self._reasons[at][number] = Reason.FITS
        self._used_by[at] += candidate.tokens
        self.used += candidate.tokens
        if self._compares:
            self._said.add(normalised(candidate.text))

    def _refuse_rest(self, at: int, number: int, refusal: Reason | None) -> None:
        if refusal is None:
            return
        reasons = self._reasons[at]
        reasons[number] = refusal
        for later in range(number + 1, len(reasons)):
            reasons[later] = Reason.GAP

    def _repeats(self, candidate: Candidate) -> bool:
        return self._said.says(normalised(candidate.text))

    def drop_repeated(self) -> None:
        """Leave out again what a source that may repeat itself came to say afterwards."""
        if not self._compares:
            return
        free = [at for at, supply in enumerate(self.supplies) if not supply.unique]
        said = _Said(normalised(text) for at in free for text in self._texts_of(at))
        for at, supply in enumerate(self.supplies):
            if supply.unique:
                for number, candidate in enumerate(supply.candidates):
                    taken = self._reasons[at][number] is Reason.FITS
                    if taken and said.says(normalised(candidate.text)):
                        self._reasons[at][number] = Reason.DUPLICATE
                        self._used_by[at] -= candidate.tokens
                        self.used -= candidate.tokens

    def _texts_of(self, at: int) -> list[str]:
        pairs = zip(self.supplies[at].candidates, self._reasons[at], strict=True)
        return [candidate.text for candidate, reason in pairs if reason is Reason.FITS]

    def outcome(self) -> Assembly:
        """Return what was decided."""
        decisions = [
            Decision(
                source=supply.source,
                candidate=candidate,
                taken=reason is Reason.FITS,
                reason=reason or Reason.BUDGET,
            )
            for supply, reasons in zip(self.supplies, self._reasons, strict=True)
            for candidate, reason in zip(supply.candidates, reasons, strict=True)
        ]
        return Assembly(decisions=tuple(decisions), budget=self.budget, used=self.used)


@lru_cache(maxsize=8192)
def normalised(text: str) -> str:
    """Return the text without what makes no difference: case, blanks, punctuation at its end."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.split()).rstrip(" .!?…")


@lru_cache(maxsize=8192)
def _words(plain: str) -> frozenset[str]:
    return frozenset(_WORD.findall(plain))


def alike(one: str, other: str) -> bool:
    """Say whether two normalised texts have nearly all their words in common."""
    if not 0.5 <= (len(one) + 1) / (len(other) + 1) <= 2:
        return False  # so different in length that it is not worth counting
    words, others = _words(one), _words(other)
    if min(len(words), len(others)) < _ALIKE_MIN_WORDS:
        return False
    if min(len(words), len(others)) < _ALIKE * max(len(words), len(others)):
        return False
    return len(words & others) >= _ALIKE * len(words | others)


class _Said:
    """Normalised texts, by length: only texts of like length are compared word by word."""

    def __init__(self, plains: Iterable[str] = ()) -> None:
        self._plains: set[str] = set()
        self._by_length: list[tuple[int, str]] = []
        for plain in plains:
            self.add(plain)

    def add(self, plain: str) -> None:
        """Remember a text."""
        if plain not in self._plains:
            self._plains.add(plain)
            insort(self._by_length, (len(plain), plain))

    def says(self, plain: str) -> bool:
        """Say whether one of the texts is this one, or nearly."""
        if plain in self._plains:
            return True
        start = bisect_left(self._by_length, ((len(plain) + 1) // 2 - 1, ""))
        end = bisect_left(self._by_length, (2 * len(plain) + 2, ""))
        return any(alike(plain, other) for _length, other in self._by_length[start:end])
