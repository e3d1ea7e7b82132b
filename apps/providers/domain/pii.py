"""Personal data in texts: patterns with check digits, and how findings combine. Pure.

Each finding has a score from 0 to 1: how sure it is that the characters are what the kind says. A
number whose check digits fit by chance once in ten needs a word nearby (`context`) that says what
it is; a certain shape needs none. Names come from elsewhere (`apps.providers.nlp`) as findings of
the same kind.
"""

import re
from bisect import bisect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from apps.providers.domain.pii_patterns import PATTERNS, Pattern, PiiKind
from apps.providers.domain.sieve import Finder, Screen, Span

__all__ = [
    "PiiFinding",
    "PiiKind",
    "find_pii",
    "find_secrets",
    "secret_screens",
    "shifted",
    "sure_enough",
    "without_overlaps",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PiiFinding:
    """Where a text holds personal data.

    Attributes:
        kind: What it is.
        start: Its first character.
        end: Behind its last character.
        score: From 0 to 1, how sure that is.
        detail: Which pattern found it, such as `us_ssn`; for explanations.
    """

    kind: PiiKind
    start: int
    end: int
    score: float
    detail: str


_CONTEXT_BEFORE, _CONTEXT_AFTER = 40, 20  # characters in which a telling word is looked for
_CONTEXT_GAIN = 0.4
_OF_SECRETS = [each for each in PATTERNS if each.kind in {PiiKind.SECRET, PiiKind.CARD}]
_SEPARATORS = re.compile(r"[ .\-/()\u00a0]")


def find_pii(text: str) -> tuple[PiiFinding, ...]:
    """Return what the patterns find, in order and without overlaps; takes linear time."""
    return without_overlaps(_matches(text, PATTERNS))


def find_secrets(text: str) -> tuple[PiiFinding, ...]:
    """Return keys, passwords and numbers of cards, as `find_pii`; nothing else hides them."""
    return without_overlaps(_matches(text, _OF_SECRETS))


def _matches(text: str, patterns: Iterable[Pattern]) -> Iterator[PiiFinding]:
    for pattern in patterns:
        if pattern.hint and not any(character in text for character in pattern.hint):
            continue
        for match in pattern.shape.finditer(text):
            if _holds(pattern, match["value"]):
                start, end = match.span("value")
                score = _scored(pattern, text, start, end)
                yield PiiFinding(
                    kind=pattern.kind, start=start, end=end, score=score, detail=pattern.detail
                )


def _holds(pattern: Pattern, value: str) -> bool:
    if pattern.check is None:
        return True
    bare = value if pattern.raw else _SEPARATORS.sub("", value)
    return pattern.check(bare.upper())


def _scored(pattern: Pattern, text: str, start: int, end: int) -> float:
    if pattern.context is None:
        return pattern.score
    before = text[max(start - _CONTEXT_BEFORE, 0) : start]
    told = pattern.context.search(before) or pattern.context.search(
        text[end : end + _CONTEXT_AFTER]
    )
    return round(min(pattern.score + _CONTEXT_GAIN, 1.0), 2) if told else pattern.score


def without_overlaps(findings: Iterable[PiiFinding]) -> tuple[PiiFinding, ...]:
    """Return `findings` in order; of those that overlap the surest stays, then the longest."""
    kept: list[PiiFinding] = []  # by place
    starts: list[int] = []
    for finding in sorted(findings, key=lambda f: (-f.score, f.start - f.end, f.start, f.kind)):
        place = bisect(starts, finding.start)
        clear_before = place == 0 or kept[place - 1].end <= finding.start
        clear_behind = place == len(kept) or finding.end <= starts[place]
        if finding.start < finding.end and clear_before and clear_behind:
            kept.insert(place, finding)
            starts.insert(place, finding.start)
    return tuple(kept)


def sure_enough(findings: Iterable[PiiFinding], minimum: float) -> tuple[PiiFinding, ...]:
    """Return the findings with at least the score `minimum`."""
    return tuple(finding for finding in findings if finding.score >= minimum)


def shifted(findings: Iterable[PiiFinding], by: int) -> tuple[PiiFinding, ...]:
    """Return `findings` of a part of a text as findings of the whole."""
    return tuple(replace(f, start=f.start + by, end=f.end + by) for f in findings)


SECRET_MAX = 320  # characters of a key or password
_KEY_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY-----")
_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,30}PRIVATE KEY-----")
_JWT_BEGIN = re.compile(r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{8,300}\.eyJ")
_JWT_END = re.compile(r"(?=[^A-Za-z0-9_.-])")


def secret_screens() -> tuple[Screen, ...]:
    """Return what a stream is screened for so that keys and passwords do not get out."""
    found = [pattern for pattern in PATTERNS if pattern.detail in {"access_key", "password"}]
    return (
        _screen(
            "private_key", lambda t, s: (m.span() for m in _KEY_BEGIN.finditer(t, s)), _KEY_END
        ),
        _screen("token", lambda t, s: (m.span() for m in _JWT_BEGIN.finditer(t, s)), _JWT_END),
        *(_screen(pattern.detail, partial(_values, pattern)) for pattern in found),
    )


def _screen(name: str, find: Finder, until: re.Pattern[str] | None = None) -> Screen:
    return Screen(name=f"secret.{name}", find=find, replacement="[secret withheld]", until=until)


def _values(pattern: Pattern, text: str, start: int) -> Iterator[Span]:
    for match in pattern.shape.finditer(text, start):
        if _holds(pattern, match["value"]):
            # From the telling word on: what stands before a settled place is not read again.
            yield match.start(), match.end("value")
