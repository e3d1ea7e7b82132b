"""A workspace's own rules: words, phrases and regular expressions. Pure.

Regular expressions are RE2's: it takes linear time whatever pattern and text are, so nobody's rule
can hold up a process, and no attacker can write a text that makes a rule give up. Words and
phrases are literal and go through Python's `re`, which knows the letters of all languages.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import re2

from apps.providers.domain.guarding import (
    TEXT_MAX,
    ContentRule,
    Decision,
    Outcome,
    RuleAction,
    RuleKind,
    Stage,
)
from apps.providers.domain.sieve import Screen, Span

WITHHELD = "[withheld]"
MATCH_MAX = 400  # characters behind which the match of a stream is no longer waited for
_GAP = 20  # white space between the words of a phrase
_MEMORY_MAX = 1 << 20  # bytes that one compiled pattern may take


class RuleInvalid(ValueError):
    """The pattern of a rule cannot be used; the text says why."""


class _Matcher(Protocol):
    @property
    def longest(self) -> int: ...

    def spans(self, text: str, start: int = 0) -> Iterator[Span]: ...


@dataclass(frozen=True, slots=True)
class _Literal:
    shape: re.Pattern[str]
    longest: int

    def spans(self, text: str, start: int = 0) -> Iterator[Span]:
        return (match.span() for match in self.shape.finditer(text, start))


@dataclass(frozen=True, slots=True)
class _Regex:
    shape: Any  # RE2 has no stubs
    longest: int = MATCH_MAX

    def spans(self, text: str, start: int = 0) -> Iterator[Span]:
        spans: Iterator[Span] = (match.span() for match in self.shape.finditer(text, start))
        return (span for span in spans if span[0] < span[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleMatch:
    """Where a rule matched."""

    rule: ContentRule
    start: int
    end: int


def check_rule(kind: RuleKind, pattern: str) -> None:
    """Say whether a pattern can be used.

    Raises:
        RuleInvalid: It cannot; the text says why.
    """
    _matcher(kind, pattern)


@lru_cache(maxsize=2048)
def _matcher(kind: RuleKind, pattern: str) -> _Matcher:
    if not pattern.strip():
        raise RuleInvalid("It is empty.")
    if len(pattern) > TEXT_MAX:
        raise RuleInvalid(f"It is longer than {TEXT_MAX} characters.")
    if "\x00" in pattern:
        raise RuleInvalid("It holds the character NUL.")
    return _regex(pattern) if kind is RuleKind.REGEX else _literal(kind, pattern)


def _literal(kind: RuleKind, pattern: str) -> _Literal:
    words = pattern.split()
    if kind is RuleKind.WORD and len(words) > 1:
        raise RuleInvalid("A word has no spaces: make it a phrase.")
    inner = rf"\s{{1,{_GAP}}}".join(map(re.escape, words))
    before = r"(?<!\w)" if words[0][0].isalnum() else ""
    behind = r"(?!\w)" if words[-1][-1].isalnum() else ""
    # One more: the character behind it decides whether it is a whole word.
    longest = sum(map(len, words)) + _GAP * (len(words) - 1) + 1
    return _Literal(re.compile(f"{before}{inner}{behind}", re.IGNORECASE), longest)


def _regex(pattern: str) -> _Regex:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = _MEMORY_MAX
    try:
        shape = re2.compile(pattern, options=options)
    except re2.error as error:
        said = error.args[0] if error.args else b""
        text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise RuleInvalid(f"It is no pattern that can be used here: {text}.") from error
    if shape.fullmatch("") is not None:
        raise RuleInvalid("It matches the empty text.")
    return _Regex(shape)


def rules_for(rules: Sequence[ContentRule], stage: Stage) -> tuple[ContentRule, ...]:
    """Return the rules in force at a stage."""
    return tuple(rule for rule in rules if rule.enabled and rule.stage in {stage, Stage.BOTH})


def find_matches(text: str, rules: Sequence[ContentRule]) -> tuple[RuleMatch, ...]:
    """Return where `rules` match, by place.

    Raises:
        RuleInvalid: A rule was never checked.
    """
    found = [
        RuleMatch(rule=rule, start=start, end=end)
        for rule in rules
        for start, end in _matcher(rule.kind, rule.pattern).spans(text)
    ]
    return tuple(sorted(found, key=lambda match: (match.start, match.end)))


def withhold(text: str, matches: Sequence[RuleMatch]) -> str:
    """Return `text` with `WITHHELD` where a rule that redacts matches; overlaps become one."""
    spans: list[tuple[int, int]] = []
    for match in matches:
        if match.rule.action is not RuleAction.REDACT:
            continue
        if spans and match.start < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], match.end))
        else:
            spans.append((match.start, match.end))
    pieces: list[str] = []
    done = 0
    for start, end in spans:
        pieces += [text[done:start], WITHHELD]
        done = end
    return "".join([*pieces, text[done:]])


_OUTCOMES = {RuleAction.FLAG: Outcome.FLAGGED, RuleAction.REDACT: Outcome.REDACTED}
_TOLD = {
    Outcome.FLAGGED: "The rule “%s” matches.",
    Outcome.REDACTED: "The rule “%s” takes out what it matches.",
    Outcome.REFUSED: "The rule “%s” does not let this pass.",
    Outcome.WITHHELD: "The rule “%s” keeps this text from the model.",
}


def rule_decision(
    rule: ContentRule, *, stage: Stage, refusal: Outcome, excerpts: Sequence[str]
) -> Decision:
    """Return what a rule decided; `refusal` is what a rule that refuses amounts to here."""
    outcome = _OUTCOMES.get(rule.action, refusal)
    return Decision(
        rule=f"content.{rule.name}",
        stage=stage,
        outcome=outcome,
        explanation=_TOLD[outcome] % rule.name,
        excerpts=tuple(dict.fromkeys(excerpts)),
        count=len(excerpts),
    )


def matched_decisions(
    text: str, matches: Sequence[RuleMatch], *, stage: Stage, refusal: Outcome
) -> list[Decision]:
    """Return one decision for each rule among `matches`."""
    excerpts: dict[ContentRule, list[str]] = {}
    for match in matches:
        excerpts.setdefault(match.rule, []).append(text[match.start : match.end])
    return [
        rule_decision(rule, stage=stage, refusal=refusal, excerpts=found)
        for rule, found in excerpts.items()
    ]


def screens_of(rules: Sequence[ContentRule]) -> tuple[Screen, ...]:
    """Return what a stream is screened for: the rules that redact or refuse."""
    return tuple(
        Screen(
            name=f"content.{rule.name}",
            find=_matcher(rule.kind, rule.pattern).spans,
            replacement=WITHHELD if rule.action is RuleAction.REDACT else "",
        )
        for rule in rules
        if rule.action is not RuleAction.FLAG
    )


def longest_match(rules: Sequence[ContentRule]) -> int:
    """Return how many characters of a stream must be seen to judge one place."""
    return max((_matcher(rule.kind, rule.pattern).longest for rule in rules), default=0)
