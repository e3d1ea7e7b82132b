"""What can be told about a finished answer: refused, unsure, which sources. Pure.

Words are weak witnesses. So each result names what it was concluded from, a note says "sounds"
rather than "is", and without probabilities of the tokens no number is claimed.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

_OPENING = 400  # characters in which a refusal stands, if there is one
_NAMED_MAX = 5
_REFUSAL_LENGTH = 1_200  # a long answer that opens like a refusal goes on to help

_APOLOGY = r"(?:i(?:'m| am)\s+(?:really\s+|very\s+)?sorry|sorry|i apologi[sz]e|unfortunately)"
_CANNOT = (
    r"(?:can(?:'t|not|\s+not)|(?:am|'m)\s+(?:not\s+able|unable)\s+to|won't|will\s+not"
    r"|(?:must|have\s+to)\s+(?:decline|refuse)|(?:am|'m)\s+not\s+(?:allowed|permitted|comfortable))"
)
_DO = (
    r"(?:help|assist|provide|comply|fulfil+|create|write|generate|discuss|share|support|answer"
    r"|engage|do\s+that|continue\s+with|give|offer|produce|participate|decline|refuse|allowed)"
)
_REFUSALS = (
    ("policy", re.compile(
        r"\b(?:against|violates?|violating|not\s+(?:permitted|allowed)\s+(?:by|under))\s+(?:\w+\s+){0,3}"
        r"(?:guidelines|polic(?:y|ies)|terms|rules|principles)", re.IGNORECASE)),
    ("cannot", re.compile(
        rf"(?:{_APOLOGY},?\s+(?:but\s+)?)?\bi\s*{_CANNOT}\s*(?:\w+\s+){{0,4}}{_DO}?\b",
        re.IGNORECASE)),
    ("cannot", re.compile(
        r"\b(?:ich\s+kann|das\s+kann\s+ich)\s+(?:\w+\s+){0,6}nicht\s+(?:\w+\s+){0,3}"
        r"(?:helfen|unterstützen|erstellen|schreiben|beantworten)", re.IGNORECASE)),
    ("cannot", re.compile(
        r"\bje\s+ne\s+(?:peux|suis)\s+pas\s+(?:\w+\s+){0,4}(?:aider|fournir|répondre|écrire)"
        r"|\bno\s+puedo\s+(?:\w+\s+){0,4}(?:ayudar|proporcionar|responder|escribir)",
        re.IGNORECASE)),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalSign:
    """The model did not do what it was asked.

    Attributes:
        reason: `policy`, `cannot`, or `content_filter` where the provider says so itself.
        sure: The provider said so; otherwise the words sound so.
    """

    reason: str
    sure: bool


def refusal_in(text: str, *, filtered: bool = False) -> RefusalSign | None:
    """Return that the model refused, if it did.

    Args:
        text: The whole answer.
        filtered: The provider ended it as filtered.
    """
    if filtered:
        return RefusalSign(reason="content_filter", sure=True)
    opening = text.strip().replace("’", "'")
    if not opening or len(opening) > _REFUSAL_LENGTH:
        return None
    opening = opening[:_OPENING]
    for reason, shape in _REFUSALS:
        match = shape.search(opening)
        if match is not None and match.start() <= _OPENING // 2:
            return RefusalSign(reason=reason, sure=False)
    return None


class Confidence(StrEnum):
    """How sure an answer sounds, or is by its probabilities."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidenceNote:
    """How far the answer itself says it may be trusted.

    Attributes:
        level: `unknown` where nothing speaks for or against.
        probability: Geometric mean of the tokens' probabilities; None where none were given.
        hedges: Words of doubt in the answer, at most a few.
        reason: One sentence for people.
    """

    level: Confidence
    probability: float | None
    hedges: tuple[str, ...]
    reason: str


_HEDGES = re.compile(
    r"\b(?:i(?:'m| am) not (?:entirely |completely |quite |really )?(?:sure|certain)"
    r"|i(?:'m| am) unsure|i do(?:n't| not) know|i believe|i think|i guess|it seems|as far as i know"
    r"|might be|may be|could be|possibly|perhaps|probably|presumably|likely|roughly|approximately"
    r"|to the best of my knowledge|cannot verify|can't verify|without (?:more|further) (?:context"
    r"|information)|not (?:entirely )?clear|unclear|uncertain"
    r"|vielleicht|vermutlich|wahrscheinlich|möglicherweise|ich glaube|nicht sicher"
    r"|peut-être|probablement|je crois|quizás|probablemente|creo que)\b",
    re.IGNORECASE,
)
_STRONG = re.compile(r"not|n't|unsure|uncertain|unclear|nicht|cannot|without", re.IGNORECASE)
_WORDS = re.compile(r"\w+")
_LOW_PROBABILITY, _HIGH_PROBABILITY = 0.6, 0.9


def confidence_note(text: str, *, logprobs: Sequence[float] = ()) -> ConfidenceNote:
    """Return how sure an answer is by its tokens' probabilities, or sounds by its words.

    Args:
        text: The whole answer.
        logprobs: Natural logarithms of the tokens' probabilities, if the provider gave them.
    """
    found = [match.group() for match in _HEDGES.finditer(text.replace("’", "'"))]
    hedges = tuple(dict.fromkeys(word.lower() for word in found))[:_NAMED_MAX]
    usable = [min(value, 0.0) for value in logprobs if not math.isnan(value)]
    if usable:
        probability = math.exp(math.fsum(usable) / len(usable))
        if probability < _LOW_PROBABILITY:
            level = Confidence.LOW
        else:
            level = Confidence.HIGH if probability >= _HIGH_PROBABILITY else Confidence.MEDIUM
        reason = f"The model gave its words a probability of {probability:.0%} on average."
        return ConfidenceNote(level=level, probability=probability, hedges=hedges, reason=reason)
    if not found:
        reason = "Nothing in the answer says how sure it is."
        return ConfidenceNote(level=Confidence.UNKNOWN, probability=None, hedges=(), reason=reason)
    words = max(len(_WORDS.findall(text)), 1)
    strong = any(_STRONG.search(word) for word in found)
    level = Confidence.LOW if strong or len(found) / words > 0.05 else Confidence.MEDIUM
    reason = "The answer sounds unsure: " + ", ".join(f"“{word}”" for word in hedges) + "."
    return ConfidenceNote(level=level, probability=None, hedges=hedges, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceNote:
    """Which sources an answer names.

    Attributes:
        cited: Those of the given sources that it names, by number from 1.
        unused: Those it does not name.
        unknown: Numbers and addresses it names that are not among the sources.
        reason: One sentence for people.
    """

    cited: tuple[int, ...]
    unused: tuple[int, ...]
    unknown: tuple[str, ...]
    reason: str


_NUMBERED = re.compile(r"(?<![\w\]])\[(\d{1,3}(?:\s{0,2}[,–-]\s{0,2}\d{1,3}){0,9})\](?!\()")
_ADDRESS = re.compile(r"https?://[^\s<>()\[\]\"'`]{3,500}")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)


def source_note(text: str, *, sources: Sequence[str] = ()) -> SourceNote:
    """Return which of `sources` (addresses or titles, in their order) an answer names.

    They are named as `[1]`, `[1, 3]`, `[2-4]`, or by their address or title. What stands in code
    is none.
    """
    prose = _CODE.sub(" ", text)
    numbers = sorted({n for match in _NUMBERED.finditer(prose) for n in _numbers(match.group(1))})
    addresses = {match.group().rstrip(".,;:!?") for match in _ADDRESS.finditer(prose)}
    cited = {number for number in numbers if 1 <= number <= len(sources)}
    known: set[str] = set()
    for number, source in enumerate(sources, 1):
        if source in addresses or (len(source) >= 4 and source.lower() in prose.lower()):
            cited.add(number)
            known.add(source)
    unknown = [f"[{number}]" for number in numbers if not 1 <= number <= len(sources)]
    unknown += sorted(addresses - known - set(sources))
    unused = tuple(number for number in range(1, len(sources) + 1) if number not in cited)
    return SourceNote(
        cited=tuple(sorted(cited)),
        unused=unused,
        unknown=tuple(unknown[:_NAMED_MAX]),
        reason=_source_reason(len(cited), len(sources), len(unknown)),
    )


def _numbers(text: str) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        ends = [int(number) for number in re.split(r"[–-]", part)]
        found |= set(range(ends[0], ends[-1] + 1)) if len(ends) > 1 else {ends[0]}
    return found


def _source_reason(cited: int, given: int, unknown: int) -> str:
    if not given:
        named = "It names addresses that nobody gave it: check them." if unknown else ""
        return f"The answer rests on no source that Karen gave it. {named}".strip()
    said = f"The answer names {cited} of {given} sources."
    return f"{said} {unknown} more are not among them: check them." if unknown else said
