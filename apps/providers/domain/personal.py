"""What is done about the personal data of one prompt. Pure.

A value that was found in one message is replaced wherever else it stands in the prompt, also where
the reader of names did not see it: half a redaction tells as much as none.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from apps.providers.domain.content_rules import WITHHELD
from apps.providers.domain.guarding import (
    PII_MINIMUM,
    Decision,
    Level,
    Outcome,
    PiiAction,
    Stage,
)
from apps.providers.domain.pii import PiiFinding, PiiKind, sure_enough, without_overlaps
from apps.providers.domain.redaction import Redactor, placeholders_in
from apps.providers.domain.sieve import Span

_KNOWN_SHORTEST = 3  # characters of a value that is looked for elsewhere
_KNOWN_MOST = 100  # values
_OUTCOMES = {
    PiiAction.FLAG: Outcome.FLAGGED,
    PiiAction.REDACT: Outcome.REDACTED,
    PiiAction.LOCAL_ONLY: Outcome.LOCAL_ONLY,
    PiiAction.REFUSE: Outcome.REFUSED,
}
_TOLD = {
    Outcome.FLAGGED: "It holds personal data (%(kind)s, %(count)d times).",
    Outcome.REDACTED: "Personal data (%(kind)s, %(count)d times) was replaced by placeholders.",
    Outcome.LOCAL_ONLY: "It holds personal data (%(kind)s, %(count)d times): local models only.",
    Outcome.REFUSED: "It holds personal data (%(kind)s, %(count)d times), which may not be sent.",
}


@dataclass(slots=True)
class _Told:
    excerpts: list[str] = field(default_factory=list)
    score: float = 0.0


class Personal:
    """Treats the texts of one prompt and remembers what it did."""

    def __init__(
        self,
        *,
        action: PiiAction,
        level: Level,
        texts: Sequence[str],
        findings: Mapping[str, Sequence[PiiFinding]],
        names_max: int,
    ) -> None:
        """Begin a prompt.

        Args:
            action: What the workspace wants.
            level: How sure a finding has to be.
            texts: All texts of the prompt: placeholders that stand in them are not given out.
            findings: What was found in each of them.
            names_max: How much of a text was searched for names.
        """
        self._action = action
        self._findings = {
            text: sure_enough(found, PII_MINIMUM[level]) for text, found in findings.items()
        }
        self._names_max = names_max
        self._redacts = action in {PiiAction.REDACT, PiiAction.REFUSE}
        self._redactor = Redactor(taken=placeholders_in(texts) if self._redacts else frozenset())
        self._known = self._known_values() if self._redacts else {}
        self._shape = _shape_of(self._known)
        self._told: dict[tuple[PiiKind, Outcome], _Told] = {}
        self._unread = 0
        self.left = False  # some of it is still there, as far as is known

    @property
    def values(self) -> Mapping[str, str]:
        """Placeholder → value."""
        return self._redactor.values

    def treated(
        self, text: str, *, withheld: Sequence[Span] = (), new: bool, said_now: bool = False
    ) -> str:
        """Return `text` as the model may see it.

        Args:
            text: One of the prompt's texts.
            withheld: Places that a rule takes out, in order.
            new: It was not part of the prompt before, so it is told about.
            said_now: It is what the person says now, and may be refused.
        """
        found = self._found(text)
        if self._action is PiiAction.OFF or (not found and not withheld):
            return text if not withheld else self._replaced(text, withheld, ())
        refused = self._action is PiiAction.REFUSE and said_now
        redacts = self._redacts and not refused
        if found:
            outcome = _OUTCOMES[self._action]
            if outcome is Outcome.REFUSED and not refused:
                outcome = Outcome.REDACTED
            if new or outcome is not Outcome.FLAGGED:
                self._tell(text, found, outcome)
            self.left = self.left or not redacts
        return self._replaced(text, withheld, found if redacts else ())

    def decisions(self) -> tuple[Decision, ...]:
        """Return what was done, one decision for each kind."""
        made = [
            Decision(
                rule=f"pii.{kind.value.lower()}",
                stage=Stage.INPUT,
                outcome=outcome,
                explanation=_TOLD[outcome]
                % {"kind": kind.value.lower(), "count": len(told.excerpts)},
                excerpts=tuple(dict.fromkeys(told.excerpts)),
                score=told.score,
                count=len(told.excerpts),
            )
            for (kind, outcome), told in self._told.items()
        ]
        if self._unread:
            local = self._action is PiiAction.LOCAL_ONLY
            made.append(
                Decision(
                    rule="pii.unread",
                    stage=Stage.INPUT,
                    outcome=Outcome.LOCAL_ONLY if local else Outcome.REPORTED,
                    explanation="A text is long: names were looked for in its first "
                    f"{self._names_max} characters only.",
                    count=self._unread,
                )
            )
        return tuple(made)

    def _found(self, text: str) -> tuple[PiiFinding, ...]:
        if self._action is PiiAction.OFF:
            return ()
        if len(text) > self._names_max:
            self._unread += 1
            self.left = self.left or self._action is PiiAction.LOCAL_ONLY
        found = self._findings.get(text, ())
        if self._shape is None:
            return tuple(found)
        again = [
            PiiFinding(
                kind=self._known[match.group()],
                start=match.start(),
                end=match.end(),
                score=0.0,  # what was found here itself goes first
                detail="known_value",
            )
            for match in self._shape.finditer(text)
        ]
        return without_overlaps([*found, *again])

    def _known_values(self) -> dict[str, PiiKind]:
        known: dict[str, PiiKind] = {}
        for text, found in self._findings.items():
            for finding in found:
                if finding.end - finding.start >= _KNOWN_SHORTEST and len(known) < _KNOWN_MOST:
                    known.setdefault(text[finding.start : finding.end], finding.kind)
        return known

    def _tell(self, text: str, found: Sequence[PiiFinding], outcome: Outcome) -> None:
        for finding in found:
            told = self._told.setdefault((finding.kind, outcome), _Told())
            told.excerpts.append(text[finding.start : finding.end])
            told.score = max(told.score, finding.score)

    def _replaced(self, text: str, withheld: Sequence[Span], found: Sequence[PiiFinding]) -> str:
        """Replace both at once; what a rule takes out swallows a finding that it touches."""
        places = [(start, end, None) for start, end in withheld]
        wanted = sorted(
            [*places, *((f.start, f.end, f) for f in found)], key=lambda place: place[:2]
        )
        merged: list[tuple[int, int, PiiFinding | None]] = []
        for start, end, finding in wanted:
            if merged and start < merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]), None)
            else:
                merged.append((start, end, finding))
        pieces: list[str] = []
        done = 0
        for start, end, finding in merged:
            put = WITHHELD if finding is None else self._placeholder(text, finding)
            pieces += [text[done:start], put]
            done = end
        return "".join([*pieces, text[done:]])

    def _placeholder(self, text: str, finding: PiiFinding) -> str:
        return self._redactor.placeholder(finding.kind, text[finding.start : finding.end])


def _shape_of(values: Mapping[str, PiiKind]) -> re.Pattern[str] | None:
    if not values:
        return None
    longest_first = sorted(values, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")
