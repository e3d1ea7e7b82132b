"""What an evaluation demands of an answer. Pure."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from apps.providers.domain.patterns import PatternFault, linear_pattern
from apps.providers.domain.schemas import (
    SCHEMA_CHARACTERS,
    SchemaFault,
    check_schema,
    json_problems,
)

TEXT_CHARACTERS = 10_000
TOKENS_MAX = 1_000_000


class AssertionKind(StrEnum):
    """What is demanded."""

    EQUALS = "equals"
    CONTAINS = "contains"
    NOT_CONTAINS = "not_contains"
    REGEX = "regex"
    JSON_SCHEMA = "json_schema"
    MAX_TOKENS = "max_tokens"
    SIMILAR = "similar"


class AssertionFault(ValueError):
    """A demand that cannot be checked; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One demand.

    Attributes:
        kind: What is demanded.
        text: The text, pattern, or JSON text of a schema it is about.
        number: The most tokens, or the least likeness.
    """

    kind: AssertionKind
    text: str = ""
    number: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer with what was measured of it.

    Attributes:
        text: What the model answered, without its thinking.
        tokens: How many tokens that is.
        likeness: Returns how like it is to a text, -1 to 1.
    """

    text: str
    tokens: int
    likeness: Callable[[str], float]


def demand_from(raw: object) -> Demand:
    """Return the demand that a JSON value describes.

    Raises:
        AssertionFault: It describes none.
    """
    if not isinstance(raw, Mapping):
        raise AssertionFault("an assertion is an object")
    try:
        kind = AssertionKind(str(raw.get("kind")))
    except ValueError:
        known = ", ".join(kind.value for kind in AssertionKind)
        raise AssertionFault(f"kind must be one of {known}") from None
    unknown = sorted(str(key) for key in raw if key not in {"kind", "value", "at_least"})
    if unknown:
        raise AssertionFault(f"{unknown[0]} is not known")
    value = raw.get("value")
    match kind:
        case AssertionKind.MAX_TOKENS:
            return Demand(kind=kind, number=_whole(value))
        case AssertionKind.JSON_SCHEMA:
            return Demand(kind=kind, text=_schema(value))
        case AssertionKind.SIMILAR:
            return Demand(kind=kind, text=_text(value), number=_share(raw.get("at_least", 0.8)))
        case AssertionKind.REGEX:
            return Demand(kind=kind, text=_pattern(value))
    return Demand(kind=kind, text=_text(value))


def why_not(demand: Demand, answer: Answer) -> str:
    """Return why an answer does not meet a demand; empty where it does."""
    met, otherwise = True, ""
    match demand.kind:
        case AssertionKind.EQUALS:
            met, otherwise = answer.text.strip() == demand.text.strip(), "it is another text"
        case AssertionKind.CONTAINS:
            met, otherwise = demand.text in answer.text, "the text is not in it"
        case AssertionKind.NOT_CONTAINS:
            met, otherwise = demand.text not in answer.text, "the text is in it"
        case AssertionKind.REGEX:
            met, otherwise = linear_pattern(demand.text)(answer.text), "nothing in it matches"
        case AssertionKind.JSON_SCHEMA:
            problems = json_problems(demand.text, answer.text)
            met, otherwise = not problems, "; ".join(problems)
        case AssertionKind.MAX_TOKENS:
            met, otherwise = answer.tokens <= demand.number, f"it has {answer.tokens} tokens"
        case AssertionKind.SIMILAR:
            likeness = answer.likeness(demand.text)
            met, otherwise = likeness >= demand.number, f"its likeness is {likeness:.2f}"
    return "" if met else otherwise


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise AssertionFault("value must be text")
    if len(value) > TEXT_CHARACTERS:
        raise AssertionFault(f"value has more than {TEXT_CHARACTERS} characters")
    return value


def _pattern(value: object) -> str:
    try:
        linear_pattern(value)
    except (PatternFault, TypeError) as fault:  # TypeError: a value that cannot be hashed
        raise AssertionFault(f"value {fault}") from None
    return str(value)


def _whole(value: object) -> float:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= TOKENS_MAX:
        raise AssertionFault(f"value must be a whole number from 1 to {TOKENS_MAX}")
    return value


def _share(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise AssertionFault("at_least must be a number from 0 to 1")
    return float(value)


def _schema(value: object) -> str:
    try:
        check_schema(value)
        text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    except (SchemaFault, TypeError, ValueError) as fault:
        raise AssertionFault(f"value: {fault}") from None
    if len(text) > SCHEMA_CHARACTERS:
        raise AssertionFault(f"value has more than {SCHEMA_CHARACTERS} characters")
    return text
