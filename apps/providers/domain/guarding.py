"""The words of guardrails: what a workspace has chosen, and what was decided. Pure."""

from dataclasses import dataclass, field
from enum import StrEnum

TEXT_MAX = 200  # characters of a rule's pattern
RULES_MAX = 100  # of one workspace


class Level(StrEnum):
    """How strictly texts are looked at."""

    LOOSE = "loose"
    MEDIUM = "medium"
    STRICT = "strict"


class PiiAction(StrEnum):
    """What happens to personal data that goes to a model."""

    OFF = "off"
    FLAG = "flag"
    REDACT = "redact"
    LOCAL_ONLY = "local_only"
    REFUSE = "refuse"


class InjectionAction(StrEnum):
    """The most that is done about an attempt to take over the assistant."""

    OFF = "off"
    REPORT = "report"
    FLAG = "flag"
    REFUSE = "refuse"


class RuleKind(StrEnum):
    """How a rule's pattern is read."""

    WORD = "word"
    PHRASE = "phrase"
    REGEX = "regex"


class RuleAction(StrEnum):
    """What happens where a rule matches."""

    FLAG = "flag"
    REDACT = "redact"
    REFUSE = "refuse"


class Stage(StrEnum):
    """Where a rule looks: at what goes to the model, at what comes back."""

    INPUT = "input"
    OUTPUT = "output"
    BOTH = "both"


class Origin(StrEnum):
    """Who wrote a text: the person, or somebody unknown through a file or a tool."""

    USER = "user"
    CONTENT = "content"


class Outcome(StrEnum):
    """What was done."""

    REPORTED = "reported"
    FLAGGED = "flagged"
    REDACTED = "redacted"
    LOCAL_ONLY = "local_only"
    WITHHELD = "withheld"
    REFUSED = "refused"
    REPAIRED = "repaired"
    NOTED = "noted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentRule:
    """One rule of a workspace.

    Attributes:
        name: What people call it; decisions name it.
        kind: How `pattern` is read.
        pattern: At most `TEXT_MAX` characters.
        action: What happens where it matches.
        stage: Where it looks.
        enabled: Whether it is in force.
    """

    name: str
    kind: RuleKind
    pattern: str
    action: RuleAction
    stage: Stage = Stage.BOTH
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardrailSettings:
    """What a workspace has chosen; the defaults do nothing.

    Attributes:
        level: How strictly texts are looked at.
        pii: What happens to personal data on its way to a model.
        injection: The most that is done about an attempt to take over the assistant.
        secrets_in_answers: Keys and passwords are taken out of answers.
        repair_structure: Answers that are to be JSON are checked, repaired, and asked for again.
        answer_notes: Answers get notes: refused, unsure, which sources.
        rules: The workspace's own rules.
        version: Grows with each change; 0 where nothing was ever chosen.
    """

    level: Level = Level.MEDIUM
    pii: PiiAction = PiiAction.OFF
    injection: InjectionAction = InjectionAction.OFF
    secrets_in_answers: bool = False
    repair_structure: bool = False
    answer_notes: bool = False
    rules: tuple[ContentRule, ...] = ()
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One thing that was decided, without what it was decided about.

    Attributes:
        rule: Dotted name, such as `pii.email`, `injection.override`, `content.<name>`.
        stage: Before or behind the model.
        outcome: What was done.
        explanation: One sentence for people; never quotes the text.
        excerpts: The characters that were found. They never leave the process: the log keeps a
            keyed hash.
        score: How sure it is, from 0 to 1.
        count: How often.
    """

    rule: str
    stage: Stage
    outcome: Outcome
    explanation: str
    excerpts: tuple[str, ...] = field(default=(), repr=False)
    score: float = 1.0
    count: int = 1


PII_MINIMUM = {Level.LOOSE: 0.75, Level.MEDIUM: 0.5, Level.STRICT: 0.3}
