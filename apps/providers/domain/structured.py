"""Answers that were asked to be JSON: is it what was asked for, and how to ask again. Pure.

A schema comes from outside. So nothing it refers to is fetched, its patterns run in RE2 (linear
time), and it may be followed only so many steps.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeAlias

import re2
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from apps.providers.contracts import ChatMessage, Role
from apps.providers.domain.json_repair import repair_json

SCHEMA_MAX = 100_000  # characters
_STEPS_MAX = 20_000  # places of a schema that one answer may be compared with by reference
_PROBLEMS_MAX = 5
_VALUE_MAX = 200  # characters of a message about one problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """What an answer has to be: JSON, and perhaps of a schema."""

    schema: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StructureVerdict:
    """Whether an answer is what was asked for.

    Attributes:
        ok: It is; `text` fits.
        text: The answer, repaired where that helped.
        repaired: It is not what the model wrote.
        problems: What does not fit, for a model or a person to mend.
    """

    ok: bool
    text: str
    repaired: bool
    problems: tuple[str, ...] = ()


# The library's validators are made at run time and have no type.
_Any: TypeAlias = Any


class _TooManySteps(Exception):
    """A schema refers to itself without end."""


_steps: ContextVar[int] = ContextVar("structured_steps")


def _counted() -> None:
    left = _steps.get()
    if left <= 0:
        raise _TooManySteps
    _steps.set(left - 1)


def _ref(validator: _Any, ref: str, instance: object, schema: object) -> Iterator[ValidationError]:
    _counted()
    yield from Draft202012Validator.VALIDATORS["$ref"](validator, ref, instance, schema) or ()


def _dynamic_ref(
    validator: _Any, ref: str, instance: object, schema: object
) -> Iterator[ValidationError]:
    _counted()
    follow = Draft202012Validator.VALIDATORS["$dynamicRef"]
    yield from follow(validator, ref, instance, schema) or ()


def _search(pattern: str, text: str) -> bool:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        return re2.compile(pattern, options=options).search(text) is not None
    except re2.error as error:
        raise SchemaError(f"The pattern {pattern[:60]!r} cannot be used here.") from error


def _pattern(_validator: object, pattern: str, instance: object, _schema: object) -> Iterator[Any]:
    if isinstance(instance, str) and not _search(pattern, instance):
        yield ValidationError(f"{instance[:60]!r} does not match {pattern!r}")


def _pattern_properties(
    validator: _Any, patterns: Mapping[str, object], instance: object, _schema: object
) -> Iterator[Any]:
    if not isinstance(instance, dict):
        return
    for pattern, schema in patterns.items():
        for key, value in instance.items():
            if _search(pattern, key):
                yield from validator.descend(value, schema, path=key, schema_path=pattern)


def _additional(
    validator: _Any, allowed: object, instance: object, schema: Mapping[str, _Any]
) -> Iterator[Any]:
    if not isinstance(instance, dict):
        return
    patterns = schema.get("patternProperties", {})
    known = schema.get("properties", {})
    more = [
        key
        for key in instance
        if key not in known and not any(_search(pattern, key) for pattern in patterns)
    ]
    if allowed is False and more:
        yield ValidationError(f"Not allowed: {', '.join(map(repr, more[:5]))}")
    elif isinstance(allowed, dict):
        for key in more:
            yield from validator.descend(instance[key], allowed, path=key)


_Validator: Any = extend(  # type: ignore[no-untyped-call]  # the stubs leave it open
    Draft202012Validator,
    {
        "$ref": _ref,
        "$dynamicRef": _dynamic_ref,
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional,
    },
)
# Without this an unknown reference would be fetched from the network.
_NOTHING_ELSE: Any = Registry()


def wanted_structure(response_format: str) -> Structure | None:
    """Return what OpenAI's `response_format` (as JSON text) asks for; None for free text."""
    if not response_format:
        return None
    wanted = json.loads(response_format)
    if wanted.get("type") == "json_object":
        return Structure(schema=None)
    if wanted.get("type") != "json_schema":
        return None
    schema = wanted.get("json_schema", {}).get("schema")
    return Structure(schema=schema if isinstance(schema, Mapping) else None)


def schema_problem(schema: Mapping[str, Any]) -> str:
    """Return why a schema cannot be used, or an empty string."""
    written = json.dumps(schema)
    if len(written) > SCHEMA_MAX:
        return f"The schema is longer than {SCHEMA_MAX} characters."
    if '"unevaluatedProperties"' in written and '"patternProperties"' in written:
        # The library would search with Python's `re`, which a pattern can hold up for ever.
        return "unevaluatedProperties cannot be used beside patternProperties here."
    try:
        Draft202012Validator.check_schema(schema)
    except (SchemaError, RecursionError) as error:
        return _short(getattr(error, "message", "The schema is nested too deeply."))
    return ""


def check_structure(text: str, structure: Structure) -> StructureVerdict:
    """Say whether an answer is what was asked for, repaired if need be and if that helps."""
    made = repair_json(text)
    if made is None:
        return StructureVerdict(ok=False, text=text, repaired=False, problems=("It is not JSON.",))
    value = json.loads(made)
    problems: tuple[str, ...]
    if structure.schema is None:
        problems = () if isinstance(value, dict) else ("It is not a JSON object.",)
    else:
        problems = _problems(value, structure.schema)
    if problems:
        return StructureVerdict(ok=False, text=text, repaired=False, problems=problems)
    return StructureVerdict(ok=True, text=made, repaired=made != text)


def _problems(value: object, schema: Mapping[str, Any]) -> tuple[str, ...]:
    unusable = schema_problem(schema)
    if unusable:
        return (unusable,)
    token = _steps.set(_STEPS_MAX)
    try:
        errors = _first(_Validator(schema, registry=_NOTHING_ELSE).iter_errors(value))
    except SchemaError as error:
        return (_short(error.message),)
    except Unresolvable:
        return ("The schema refers to something outside of itself.",)
    except (_TooManySteps, RecursionError):
        return ("The schema refers to itself too often.",)
    finally:
        _steps.reset(token)
    return tuple(_told(error) for error in errors)


def _first(errors: Iterator[ValidationError]) -> list[ValidationError]:
    found: list[ValidationError] = []
    for error in errors:
        found.append(error)
        if len(found) == _PROBLEMS_MAX:
            break
    return found


def _told(error: ValidationError) -> str:
    """Say what does not fit, from the schema alone: what the answer holds is not repeated."""
    deepest = best_match([error]) or error
    place = "/".join(str(part) for part in deepest.absolute_path) or "the whole"
    if deepest.validator == "required":
        return _short(f"{place}: {deepest.message}")
    wanted = json.dumps(deepest.validator_value, ensure_ascii=False, default=str)
    return _short(f"{place}: does not fit {deepest.validator} {wanted}")


def _short(text: str) -> str:
    return text if len(text) <= _VALUE_MAX else f"{text[: _VALUE_MAX - 1]}…"


def reask_messages(
    messages: Sequence[ChatMessage], *, answer: str, problems: Sequence[str]
) -> tuple[ChatMessage, ...]:
    """Return the prompt that asks for the same answer once more, with what did not fit."""
    listed = "\n".join(f"- {problem}" for problem in problems)
    again = (
        "Your last answer does not have the structure that was asked for:\n"
        f"{listed}\n"
        "Give the whole answer again as JSON, and nothing else."
    )
    return (
        *messages,
        ChatMessage(role=Role.ASSISTANT, text=answer),
        ChatMessage(role=Role.USER, text=again),
    )
