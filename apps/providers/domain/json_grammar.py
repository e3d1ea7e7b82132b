"""Turns a JSON Schema into a GBNF grammar, which llama.cpp makes an answer follow. Pure.

What the grammar lets through always fits the schema. Some documents that would fit as well are not
offered (members come in the schema's order, none is made up), which nobody misses. A keyword that
cannot be kept is refused, never passed over. Schemas come from tenants: their size, and what a
grammar has to try at one place, are bounded.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Schema: TypeAlias = Mapping[str, Any] | bool

MAX_SCHEMA_CHARACTERS = 65_536
MAX_NODES = 2_000
MAX_DEPTH = 32
MAX_REPEATS = 1_000  # llama.cpp refuses 2,000
MAX_CHOICES = 1_000  # that begin at one place

_SPACE = r"""| " " | "\n" [ \t]{0,20}"""
_CHARACTER = r"""[^"\\\x7F\x00-\x1F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4})"""
_BASE = {
    "ws": _SPACE,
    "char": _CHARACTER,
    "string": r'"\"" char* "\""',
    "integer": '"-"? ("0" | [1-9] [0-9]{0,15})',
    "natural": '"0" | [1-9] [0-9]{0,15}',
    "positive": "[1-9] [0-9]{0,15}",
    "fraction": '("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,3})?',
    "number": "integer fraction",
    "amount": "natural fraction",
    "boolean": '"true" | "false"',
    "null": '"null"',
    "member": 'string ws ":" ws value',
    "object": '"{" ws (member ws ("," ws member ws)*)? "}"',
    "array": '"[" ws (value ws ("," ws value ws)*)? "]"',
    "value": "object | array | string | number | boolean | null",
    "day": '("0" [1-9] | [12] [0-9] | "3" [01])',
    "date": '[0-9]{4} "-" ("0" [1-9] | "1" [0-2]) "-" day',
    "clock": '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{1,6})?',
    "zone": '("Z" | [-+] ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9])',
    "octet": '([0-9] | [1-9] [0-9] | "1" [0-9]{2} | "2" [0-4] [0-9] | "25" [0-5])',
    "hex": "[0-9a-f]",
}
_FORMATS = {
    "date": "date",
    "time": "clock zone",
    "date-time": 'date "T" clock zone',
    "uuid": 'hex{8} "-" hex{4} "-" hex{4} "-" hex{4} "-" hex{12}',
    "ipv4": 'octet "." octet "." octet "." octet',
}
_TELLS_NOTHING = frozenset(
    {
        "title",
        "description",
        "default",
        "examples",
        "$schema",
        "$id",
        "$comment",
        "deprecated",
        "readOnly",
        "writeOnly",
        "$defs",
        "definitions",
    }
)
_OF_TYPE: dict[str, frozenset[str]] = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "prefixItems", "minItems", "maxItems"}),
    "string": frozenset({"minLength", "maxLength", "format"}),
    "integer": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
    "number": frozenset({"minimum", "exclusiveMinimum"}),
    "boolean": frozenset(),
    "null": frozenset(),
}


class BadSchema(ValueError):
    """The schema is none, or asks for something that no grammar here can keep."""


def object_grammar() -> str:
    """Return the grammar of any JSON object."""
    return _text({}, "object")


def schema_grammar(schema: Schema) -> str:
    """Return the grammar of the documents that fit `schema`.

    Raises:
        BadSchema: It is too large, contradictory or uses a keyword that cannot be kept.
    """
    try:
        size = len(json.dumps(schema))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadSchema("the schema is no JSON") from error
    if size > MAX_SCHEMA_CHARACTERS:
        raise BadSchema(f"the schema has more than {MAX_SCHEMA_CHARACTERS} characters")
    compiler = _Compiler(schema)
    root = compiler.rule(schema, depth=0)
    compiler.check_choices(root)
    return _text(compiler.rules, root)


def _text(rules: Mapping[str, str], root: str) -> str:
    lines = [f"root ::= {root}"]
    lines += [f"{name} ::= {body}" for name, body in (_BASE | dict(rules)).items()]
    return "\n".join(lines) + "\n"


def _literal(value: object) -> str:
    """Return the grammar of exactly this JSON value."""
    said = json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    try:
        said.encode()
    except UnicodeEncodeError as error:
        raise BadSchema("a text in the schema is no Unicode") from error
    said = said.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{said}"'


class _Compiler:
    """Collects the rules of one schema."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._nodes = 0
        self._references: dict[str, str] = {}
        self._choices: dict[str, list[str]] = {}
        self.rules: dict[str, str] = {}

    def check_choices(self, root: str) -> None:
        """Refuse what would have llama.cpp try too much at one place, or never end."""
        known: dict[str, int] = {}

        def count(name: str, above: tuple[str, ...]) -> int:
            if name in above:
                raise BadSchema("the schema refers to itself without anything between")
            if name not in known:
                parts = self._choices.get(name, [])
                known[name] = sum(count(part, (*above, name)) for part in parts) or 1
                if known[name] > MAX_CHOICES:
                    raise BadSchema("the schema offers too many choices at one place")
            return known[name]

        for name in [root, *self._choices]:
            count(name, ())

    def rule(self, schema: Schema, *, depth: int) -> str:
        """Return the name of the rule for a schema."""
        self._nodes += 1
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            raise BadSchema("the schema is too large or too deep")
        if schema is True:
            return "value"
        if not isinstance(schema, Mapping):
            raise BadSchema("a schema is an object; nothing fits false")
        told = {key: value for key, value in schema.items() if key not in _TELLS_NOTHING}
        if not told:
            return "value"
        if "$ref" in told:
            return self._reference(told, depth)
        for word in ("anyOf", "oneOf", "allOf"):
            if word in told:
                return self._union(told, word, depth)
        if "const" in told or "enum" in told:
            return self._listed(told)
        return self._typed(told, depth)

    def _new(self, body: str) -> str:
        name = f"r{len(self.rules)}"
        self.rules[name] = body
        return name

    def _one_of(self, parts: Sequence[str]) -> str:
        name = self._new(" | ".join(parts))
        self._choices[name] = list(parts)
        return name

    def _reference(self, told: Mapping[str, Any], depth: int) -> str:
        target = told["$ref"]
        _only(told, {"$ref"})
        if not isinstance(target, str) or not (target == "#" or target.startswith("#/")):
            raise BadSchema("$ref may only point into the schema itself")
        if target not in self._references:
            found = self._found(target)
            name = self._references[target] = self._new("")
            body = self.rule(found, depth=depth + 1)
            self.rules[name] = body
            self._choices[name] = [body]
        return self._references[target]

    def _found(self, target: str) -> Schema:
        place: Any = self._schema
        for part in target.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(place, Mapping) or key not in place:
                raise BadSchema(f"$ref points nowhere: {target}")
            place = place[key]
        found: Schema = place
        return found

    def _union(self, told: Mapping[str, Any], word: str, depth: int) -> str:
        _only(told, {word})
        parts = told[word]
        if not isinstance(parts, Sequence) or isinstance(parts, str) or not parts:
            raise BadSchema(f"{word} is a list of schemas")
        if word == "allOf" and len(parts) > 1:
            raise BadSchema("allOf of several schemas is not offered")
        return self._one_of([self.rule(part, depth=depth + 1) for part in parts])

    def _listed(self, told: Mapping[str, Any]) -> str:
        _only(told, {"const", "enum", "type"})
        values = [told["const"]] if "const" in told else told["enum"]
        if not isinstance(values, list):
            raise BadSchema("enum is a list")
        types = _types(told) if "type" in told else None
        fitting = [value for value in values if types is None or _is_of(value, types)]
        if not fitting or len(fitting) > MAX_CHOICES:
            raise BadSchema("enum has no value of its type, or too many")
        return self._new(" | ".join(_literal(value) for value in fitting))

    def _typed(self, told: Mapping[str, Any], depth: int) -> str:
        types = _types(told)
        allowed = frozenset().union(*(_OF_TYPE[each] for each in types))
        _only(told, allowed | {"type"})
        parts = [self._of_type(each, told, depth) for each in types]
        return parts[0] if len(parts) == 1 else self._one_of(parts)

    def _of_type(self, kind: str, told: Mapping[str, Any], depth: int) -> str:
        if kind == "object":
            return self._object(told, depth)
        if kind == "array":
            return self._array(told, depth)
        if kind == "string":
            return self._string(told)
        if kind in {"integer", "number"}:
            return self._number(kind, told)
        return kind

    def _object(self, told: Mapping[str, Any], depth: int) -> str:
        properties = told.get("properties", {})
        required = told.get("required", [])
        if not isinstance(properties, Mapping) or not isinstance(required, list):
            raise BadSchema("properties is an object and required a list")
        if not all(isinstance(name, str) for name in required):
            raise BadSchema("required is a list of names")
        extra = told.get("additionalProperties", True)
        missing = [name for name in required if name not in properties]
        if missing and extra is False:
            raise BadSchema("a required member is not among the properties")
        members = {**properties, **dict.fromkeys(missing, extra)}
        if not members:
            if extra is False:
                return self._new('"{" ws "}"')
            value = self.rule(extra, depth=depth + 1)
            member = f'string ws ":" ws {value} ws'
            return self._new(f'"{{" ws ({member} ("," ws {member})*)? "}}"')
        head = tail = ""
        for name, schema in reversed(members.items()):
            value = self.rule(schema, depth=depth + 1)
            member = self._new(f'{_literal(str(name))} ws ":" ws {value} ws')
            if name in required:
                head, tail = f"{member} {tail}", f'"," ws {member} {tail}'
            else:
                head = f"({member} {tail} | {head})" if head else f"({member} {tail})?"
                tail = f'("," ws {member})? {tail}'
            head, tail = self._new(head), self._new(tail)
        return self._new(f'"{{" ws {head} "}}"')

    def _array(self, told: Mapping[str, Any], depth: int) -> str:
        first = told.get("prefixItems", [])
        if not isinstance(first, list):
            raise BadSchema("prefixItems is a list of schemas")
        least, most = _count(told, "minItems"), _count(told, "maxItems")
        if first:
            if (least or 0) > len(first) or (most is not None and most < len(first)):
                raise BadSchema("prefixItems does not agree with minItems or maxItems")
            parts = ' "," ws '.join(f"{self.rule(each, depth=depth + 1)} ws" for each in first)
            return self._new(f'"[" ws {parts} "]"')
        item = f"{self.rule(told.get('items', True), depth=depth + 1)} ws"
        return self._new(f'"[" ws {_repeated(item, least or 0, most)} "]"')

    def _string(self, told: Mapping[str, Any]) -> str:
        least, most = _count(told, "minLength"), _count(told, "maxLength")
        if "format" in told:
            if least is not None or most is not None:
                raise BadSchema("format together with a length is not offered")
            if not isinstance(told["format"], str) or told["format"] not in _FORMATS:
                raise BadSchema(f"the format {told['format']} is not offered")
            return self._new(rf'"\"" {_FORMATS[told["format"]]} "\""')
        if least is None and most is None:
            return "string"
        if most is not None and most < (least or 0):
            raise BadSchema("maxLength is below minLength")
        times = f"{{{least or 0},{'' if most is None else most}}}"
        return self._new(rf'"\"" char{times} "\""')

    def _number(self, kind: str, told: Mapping[str, Any]) -> str:
        bounds = {key: told[key] for key in _OF_TYPE["integer"] if key in told}
        if not bounds:
            return kind
        if any(isinstance(each, bool) or not isinstance(each, int) for each in bounds.values()):
            raise BadSchema("bounds of numbers are whole numbers here")
        lower = [bounds[key] + step for key, step in _LOWER.items() if key in bounds]
        upper = [bounds[key] - step for key, step in _UPPER.items() if key in bounds]
        if kind == "number":
            if bounds == {"minimum": 0}:
                return "amount"
        elif lower and upper:
            values = range(max(lower), min(upper) + 1)
            if 0 < len(values) <= MAX_CHOICES:
                return self._new(" | ".join(_literal(value) for value in values))
        elif lower and max(lower) in {0, 1}:
            return "positive" if max(lower) else "natural"
        raise BadSchema(
            "bounds of a number are at least 0, of an integer also at least 1 or a range of"
            f" at most {MAX_CHOICES}"
        )


_LOWER = {"minimum": 0, "exclusiveMinimum": 1}
_UPPER = {"maximum": 0, "exclusiveMaximum": 1}


def _only(told: Mapping[str, Any], known: "frozenset[str] | set[str]") -> None:
    unknown = sorted(set(told) - known)
    if unknown:
        raise BadSchema(f"{unknown[0]} is not offered here")


def _types(told: Mapping[str, Any]) -> list[str]:
    said = told.get("type")
    if said is None:
        fitting = [kind for kind, words in _OF_TYPE.items() if words & set(told)]
        if not fitting:
            raise BadSchema(f"{min(told)} is not offered here")
        return fitting[:1]
    types = [said] if isinstance(said, str) else said
    if not isinstance(types, list) or not types:
        raise BadSchema("type is one of the seven of JSON, or a list of them")
    if not all(isinstance(each, str) and each in _OF_TYPE for each in types):
        raise BadSchema("type is one of the seven of JSON, or a list of them")
    return list(dict.fromkeys(types))


def _is_of(value: object, types: Sequence[str]) -> bool:
    if isinstance(value, bool):
        return "boolean" in types
    kinds: dict[str, type | tuple[type, ...]] = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "null": type(None),
    }
    return any(isinstance(value, kinds[each]) for each in types if each in kinds)


def _count(told: Mapping[str, Any], key: str) -> int | None:
    value = told.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_REPEATS:
        raise BadSchema(f"{key} is a whole number up to {MAX_REPEATS} here")
    return value


def _repeated(item: str, least: int, most: int | None) -> str:
    """Return the grammar of `least` to `most` items with commas between."""
    if most is not None and most < least:
        raise BadSchema("maxItems is below minItems")
    if most == 0:
        return ""
    more = "" if most is None else most - 1
    rest = f'("," ws {item}){{{max(least - 1, 0)},{more}}}'
    body = f"{item} {rest}"
    return body if least else f"({body})?"
