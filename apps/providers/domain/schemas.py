"""A part of JSON Schema that is checked in bounded time. Pure.

A keyword that is not known here is refused when a schema is saved, never ignored when an answer is
checked. Patterns are searched by RE2, which takes linear time for any pattern.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from apps.providers.domain.patterns import PatternFault, linear_pattern

DEPTH_MAX = 24
SCHEMA_CHARACTERS = 20_000
_PROBLEMS_MAX = 5

_TYPES: Mapping[str, Callable[[object], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (
        not isinstance(value, bool)
        and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))
    ),
}
_NOTES = frozenset({"title", "description", "default", "examples", "$schema", "$id"})


class SchemaFault(ValueError):
    """A schema that cannot be used; the message says where and why."""


def check_schema(schema: object, *, path: str = "$", depth: int = 0) -> None:
    """Make sure that everything in a schema is understood here.

    Raises:
        SchemaFault: It is not.
    """
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise SchemaFault(f"{path}: a schema is an object")
    if depth > DEPTH_MAX:
        raise SchemaFault(f"{path}: deeper than {DEPTH_MAX}")
    unknown = sorted(str(key) for key in schema if key not in _KNOWN)
    if unknown:
        raise SchemaFault(f"{path}: {unknown[0]} is not supported")
    _check_words(schema, path)
    for where, inner in _inner(schema, path):
        check_schema(inner, path=where, depth=depth + 1)


def schema_problems(schema: object, value: object) -> list[str]:
    """Return where a value does not fit a checked schema, five places at most."""
    found: list[str] = []
    _find(schema, value, "$", found, 0)
    return found[:_PROBLEMS_MAX]


def json_problems(schema_text: str, answer: str) -> list[str]:
    """Return why an answer is no JSON that fits a checked schema; empty where it is."""
    try:
        value = json.loads(_unfenced(answer), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return ["it is no JSON"]
    return schema_problems(json.loads(schema_text), value)


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def _unfenced(answer: str) -> str:
    """Return the answer without the code fence that models like to put around JSON."""
    text = answer.strip()
    if text.startswith("```") and text.endswith("```") and "\n" in text:
        return text[text.index("\n") + 1 : -3]
    return text


def _check_words(schema: dict[str, Any], path: str) -> None:
    types = schema.get("type", [])
    if not all(isinstance(n, str) and n in _TYPES for n in _several(types)):
        raise SchemaFault(f"{path}.type: no such type")
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        raise SchemaFault(f"{path}.required: must be a list of names")
    for key, right in _SHAPES.items():
        if key in schema and not right(schema[key]):
            raise SchemaFault(f"{path}.{key}: has the wrong shape")
    if "pattern" in schema:
        try:
            linear_pattern(schema["pattern"])
        except (PatternFault, TypeError) as fault:  # TypeError: it cannot be hashed
            raise SchemaFault(f"{path}.pattern: {fault}") from None


def _several(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_SHAPES: Mapping[str, Callable[[object], bool]] = {
    "enum": lambda value: isinstance(value, list),
    "properties": lambda value: isinstance(value, dict),
    "anyOf": lambda value: isinstance(value, list),
    "minimum": _TYPES["number"],
    "maximum": _TYPES["number"],
    "minLength": _is_count,
    "maxLength": _is_count,
    "minItems": _is_count,
    "maxItems": _is_count,
}


_KNOWN = _NOTES | _SHAPES.keys() | {
    "type", "const", "required", "additionalProperties", "items", "pattern",
}  # fmt: skip


def _inner(schema: dict[str, Any], path: str) -> list[tuple[str, object]]:
    found = [
        (f"{path}.properties.{name}", inner) for name, inner in schema.get("properties", {}).items()
    ]
    found += [
        (f"{path}.{key}", schema[key]) for key in ("items", "additionalProperties") if key in schema
    ]
    found += [
        (f"{path}.anyOf[{place}]", inner) for place, inner in enumerate(schema.get("anyOf", []))
    ]
    return found


def _find(schema: object, value: object, path: str, found: list[str], depth: int) -> None:
    if len(found) >= _PROBLEMS_MAX or schema is True:
        return
    if not isinstance(schema, dict):
        found.append(f"{path}: nothing is allowed here")
        return
    types = schema.get("type")
    if types is not None:
        names = types if isinstance(types, list) else [types]
        if not any(_TYPES[name](value) for name in names):
            found.append(f"{path}: must be {' or '.join(names)}")
            return
    if "const" in schema and not _same(value, schema["const"]):
        found.append(f"{path}: is not the one value allowed")
    if "enum" in schema and not any(_same(value, one) for one in schema["enum"]):
        found.append(f"{path}: is none of the values allowed")
    if "anyOf" in schema and not any(_fits(one, value, path, depth) for one in schema["anyOf"]):
        found.append(f"{path}: fits none of the alternatives")
    if isinstance(value, str):
        _find_in_text(schema, value, path, found)
    elif isinstance(value, list):
        _find_in_list(schema, value, path, found, depth)
    elif isinstance(value, dict):
        _find_in_object(schema, value, path, found, depth)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _find_bounds(schema, value, path, found)


def _fits(schema: object, value: object, path: str, depth: int) -> bool:
    inner: list[str] = []
    _find(schema, value, path, inner, depth + 1)
    return not inner


def _same(one: object, other: object) -> bool:
    # In JSON true is not 1, in Python it is.
    return one == other and isinstance(one, bool) is isinstance(other, bool)


def _find_in_text(schema: dict[str, Any], value: str, path: str, found: list[str]) -> None:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        found.append(f"{path}: has {len(value)} characters")
    if "pattern" in schema and not linear_pattern(schema["pattern"])(value):
        found.append(f"{path}: does not match the pattern")


def _find_bounds(schema: dict[str, Any], value: float, path: str, found: list[str]) -> None:
    if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        found.append(f"{path}: is out of range")


def _find_in_list(
    schema: dict[str, Any], value: list[object], path: str, found: list[str], depth: int
) -> None:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        found.append(f"{path}: has {len(value)} items")
    if "items" in schema:
        for place, item in enumerate(value):
            _find(schema["items"], item, f"{path}[{place}]", found, depth + 1)


def _find_in_object(
    schema: dict[str, Any], value: dict[str, object], path: str, found: list[str], depth: int
) -> None:
    found += [
        f"{path}.{name}: is missing" for name in schema.get("required", []) if name not in value
    ]
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name, inner in value.items():
        _find(properties.get(name, others), inner, f"{path}.{name}", found, depth + 1)
