"""The step of guardrails behind a model: what streams back to the person.

    guard = OutputGuard(policy, verdict.values, request.response_format)
    async for batch in …:
        events = guard.feed(batch)          # may raise GuardrailRefused
    if guard.problems:                      # the answer is not the JSON that was asked for
        …feed the events of guard.reask(request) as well, once…
    events = guard.finish()                 # what was held back; afterwards guard.report

Rules and patterns see what the model wrote; then the person's own values come back. Text is held
back only as far as one match may reach, and as a whole only where it has to be JSON.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from apps.providers.contracts import (
    Finished,
    FinishReason,
    ModelRequest,
    ProviderEvent,
    ReasoningDelta,
    TextDelta,
    ToolCall,
)
from apps.providers.domain.answers import (
    Confidence,
    ConfidenceNote,
    RefusalSign,
    SourceNote,
    confidence_note,
    refusal_in,
    source_note,
)
from apps.providers.domain.content_rules import (
    find_matches,
    longest_match,
    matched_decisions,
    rule_decision,
    rules_for,
    screens_of,
)
from apps.providers.domain.guarding import (
    ContentRule,
    Decision,
    GuardrailSettings,
    Outcome,
    RuleAction,
    Stage,
)
from apps.providers.domain.pii import SECRET_MAX, secret_screens
from apps.providers.domain.redaction import StreamRestorer, inside_json, restore
from apps.providers.domain.sieve import Caught, Screen, StreamSieve
from apps.providers.domain.structured import (
    StructureVerdict,
    check_structure,
    reask_messages,
    wanted_structure,
)
from apps.providers.errors import GuardrailRefused

_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputReport:
    """What is known about a finished answer.

    Attributes:
        decisions: What was decided, for the log and the trace.
        structure: Whether it is the JSON that was asked for; None where none was, or unchecked.
        refusal: The model refused; None if not, or where the workspace wants no notes.
        confidence: How sure it sounds; None where the workspace wants no notes.
        sources: Which sources it names; None where the workspace wants no notes.
    """

    decisions: tuple[Decision, ...] = ()
    structure: StructureVerdict | None = None
    refusal: RefusalSign | None = None
    confidence: ConfidenceNote | None = None
    sources: SourceNote | None = None


class _Channel:
    """One kind of text of an answer: screened, then with the person's values."""

    def __init__(self, screens: Sequence[Screen], window: int, values: Mapping[str, str]) -> None:
        self._sieve = StreamSieve(screens, window=window) if screens else None
        self._restorer = StreamRestorer(values)

    def feed(self, piece: str) -> tuple[str, tuple[Caught, ...]]:
        caught: tuple[Caught, ...] = ()
        if self._sieve is not None:
            piece, caught = self._sieve.feed(piece)
        return self._restorer.feed(piece), caught

    def finish(self) -> tuple[str, tuple[Caught, ...]]:
        caught: tuple[Caught, ...] = ()
        rest = ""
        if self._sieve is not None:
            rest, caught = self._sieve.finish()
        return self._restorer.feed(rest) + self._restorer.finish(), caught


class OutputGuard:
    """Watches one answer; use `feed` for what arrives, then `finish`."""

    def __init__(
        self,
        policy: GuardrailSettings,
        values: Mapping[str, str] = _NOTHING,
        response_format: str = "",
        *,
        sources: Sequence[str] = (),
    ) -> None:
        """Begin an answer.

        Args:
            policy: What the workspace has chosen.
            values: Placeholder → value, from `InputVerdict`.
            response_format: As in `ModelRequest`.
            sources: Addresses or titles of what the answer may rest on, for its note.
        """
        self.report = OutputReport()
        self.problems: tuple[str, ...] = ()
        self._policy = policy
        rules = rules_for(policy.rules, Stage.OUTPUT) if policy.rules else ()
        self._idle = not (
            values
            or rules
            or policy.secrets_in_answers
            or policy.answer_notes
            or (policy.repair_structure and response_format)
        )
        if self._idle:
            return
        self._rules: dict[str, ContentRule] = {f"content.{rule.name}": rule for rule in rules}
        self._flagging = tuple(rule for rule in rules if rule.action is RuleAction.FLAG)
        self._values = values
        self._in_json = inside_json(values)
        self._sources = tuple(sources)
        self._structure = wanted_structure(response_format)
        self._holds = policy.repair_structure and self._structure is not None
        screens = [*screens_of(rules), *(secret_screens() if policy.secrets_in_answers else ())]
        window = max(longest_match(rules), SECRET_MAX if policy.secrets_in_answers else 0)
        shown = self._in_json if self._structure is not None else values
        self._answer = _Channel(screens, window, shown)
        self._thinking = _Channel(screens, window, values)
        self._caught: dict[str, list[str]] = {}
        self._text: list[str] = []  # as the model wrote it
        self._held: list[str] = []  # an answer that has to be JSON, as it will be shown
        self._ending: Finished | None = None  # held back with it
        self._reason: FinishReason | None = None
        self._verdict: StructureVerdict | None = None
        self._called = False
        self._asked_again = False

    def feed(self, events: list[ProviderEvent]) -> list[ProviderEvent]:
        """Return what of `events` may be passed on now.

        Raises:
            GuardrailRefused: A rule stops the answer; what it found was not passed on.
        """
        if self._idle:
            return events
        passed: list[ProviderEvent] = []
        for event in events:
            if isinstance(event, TextDelta):
                self._text.append(event.text)
                self._say(passed, *self._thinking.finish(), thinking=True)
                self._say(passed, *self._answer.feed(event.text))
            elif isinstance(event, ReasoningDelta):
                self._say(passed, *self._thinking.feed(event.text), thinking=True)
            elif isinstance(event, ToolCall):
                self._called = True
                self._flush(passed)
                passed.append(self._with_values(event))
            elif isinstance(event, Finished):
                self._flush(passed)
                self._end(passed, event)
            else:
                passed.append(event)
        return passed

    def reask(self, request: ModelRequest) -> ModelRequest:
        """Return the request that asks once more, after `feed` has left `problems`.

        Feed its events into this guard too; the first answer is forgotten.
        """
        assert self.problems, "nothing to ask again"
        answer, problems = "".join(self._text), self.problems
        self._asked_again = True
        self._text, self._held, self.problems, self._ending = [], [], (), None
        self._reason = self._verdict = None
        messages = reask_messages(request.messages, answer=answer, problems=problems)
        return replace(request, messages=messages)

    def finish(self) -> list[ProviderEvent]:
        """Return what was still held back, and make the report; also after a stream that was cut.

        Raises:
            GuardrailRefused: A rule stops the answer.
        """
        if self._idle:
            return []
        passed: list[ProviderEvent] = []
        self._flush(passed)
        self._release(passed, "".join(self._held))
        if self._ending is not None:
            passed.append(self._ending)
        self.report = self._made_report()
        return passed

    # -- text

    def _say(
        self,
        passed: list[ProviderEvent],
        text: str,
        caught: Sequence[Caught],
        *,
        thinking: bool = False,
    ) -> None:
        if caught:
            self._note_caught(caught)
        if thinking:
            if text:
                passed.append(ReasoningDelta(text=text))
        elif self._holds:
            self._held.append(text)
        else:
            self._release(passed, text)

    def _note_caught(self, caught: Sequence[Caught]) -> None:
        for found in caught:
            self._caught.setdefault(found.name, []).append(found.text)
        refused = [
            name
            for name in self._caught
            if (rule := self._rules.get(name)) and rule.action is RuleAction.REFUSE
        ]
        if refused:
            raise GuardrailRefused(refused, stage=Stage.OUTPUT.value, decisions=self._decisions())

    def _release(self, passed: list[ProviderEvent], text: str) -> None:
        if text:
            passed.append(TextDelta(text=text))

    def _flush(self, passed: list[ProviderEvent]) -> None:
        self._say(passed, *self._thinking.finish(), thinking=True)
        self._say(passed, *self._answer.finish())

    def _with_values(self, call: ToolCall) -> ToolCall:
        if not self._values:
            return call
        return replace(call, arguments=restore(call.arguments, self._in_json))

    # -- the end

    def _end(self, passed: list[ProviderEvent], event: Finished) -> None:
        text = "".join(self._held)
        self._reason = event.reason
        self._verdict = verdict = self._checked(text)
        if verdict is None or verdict.ok or self._asked_again or self._refused():
            self._release(passed, text if verdict is None else verdict.text)
            self._held = []
            passed.append(event)
        else:
            self.problems = tuple(self._private(problem) for problem in verdict.problems)
            self._ending = event  # text and end wait for `reask` or `finish`

    def _private(self, problem: str) -> str:
        for placeholder, value in self._values.items():
            problem = problem.replace(value, placeholder)
        return problem

    def _checked(self, text: str) -> StructureVerdict | None:
        """Judge an answer that has to be JSON; one cut at its limit is nobody's to mend."""
        if not self._holds or self._structure is None or self._reason is FinishReason.LENGTH:
            return None
        if self._called and not text.strip():
            return None
        return check_structure(text, self._structure)

    def _refused(self) -> RefusalSign | None:
        filtered = self._reason is FinishReason.CONTENT_FILTER
        return refusal_in("".join(self._text), filtered=filtered)

    def _made_report(self) -> OutputReport:
        text = "".join(self._text)
        notes = self._policy.answer_notes and bool(text)
        report = OutputReport(
            structure=self._verdict,
            refusal=self._refused() if self._policy.answer_notes else None,
            confidence=confidence_note(text) if notes else None,
            sources=source_note(text, sources=self._sources) if notes else None,
        )
        return replace(report, decisions=(*self._decisions(), *_noted(report)))

    def _decisions(self) -> tuple[Decision, ...]:
        made = [
            rule_decision(
                self._rules[name], stage=Stage.OUTPUT, refusal=Outcome.REFUSED, excerpts=found
            )
            if name in self._rules
            else _secret_decision(name, found)
            for name, found in self._caught.items()
        ]
        if self._flagging:
            text = "".join(self._text)
            made += matched_decisions(
                text,
                find_matches(text, self._flagging),
                stage=Stage.OUTPUT,
                refusal=Outcome.REFUSED,
            )
        return tuple(made)


def _secret_decision(name: str, found: Sequence[str]) -> Decision:
    return Decision(
        rule=name,
        stage=Stage.OUTPUT,
        outcome=Outcome.REDACTED,
        explanation="The answer held what looks like a key or a password; it was taken out.",
        excerpts=tuple(dict.fromkeys(found)),
        count=len(found),
    )


def _noted(report: OutputReport) -> list[Decision]:
    """Return what the notes and the structure amount to."""
    made: list[Decision] = []
    structure = report.structure
    if structure is not None and structure.repaired:
        made.append(
            _note("structure.repaired", Outcome.REPAIRED, "The answer's JSON was repaired.")
        )
    elif structure is not None and not structure.ok:
        said = f"The answer does not have the structure asked for ({len(structure.problems)})."
        made.append(_note("structure.invalid", Outcome.FLAGGED, said))
    if report.refusal is not None:
        said = (
            "The provider filtered the answer."
            if report.refusal.sure
            else ("The model seems to have refused.")
        )
        made.append(_note(f"answer.{report.refusal.reason}", Outcome.NOTED, said))
    if report.confidence is not None and report.confidence.level is Confidence.LOW:
        made.append(_note("answer.unsure", Outcome.NOTED, report.confidence.reason))
    if report.sources is not None and report.sources.unknown:
        made.append(_note("answer.unknown_sources", Outcome.NOTED, report.sources.reason))
    return made


def _note(rule: str, outcome: Outcome, explanation: str) -> Decision:
    return Decision(rule=rule, stage=Stage.OUTPUT, outcome=outcome, explanation=explanation)
