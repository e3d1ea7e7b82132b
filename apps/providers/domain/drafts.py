"""From JSON to a prompt, with everything checked before it is kept. Pure."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from apps.providers.contracts import Role
from apps.providers.domain.prompt_specs import (
    PromptExample,
    PromptMessage,
    PromptSpec,
    PromptVariable,
    VariableKind,
)
from apps.providers.domain.schemas import SCHEMA_CHARACTERS, SchemaFault, check_schema
from apps.providers.domain.templates import NAME, TemplateFault, parse_template

OWN_PREFIX = "custom."  # what workspaces make themselves never meets a later name of Karen's
MESSAGES_MAX, VARIABLES_MAX, EXAMPLES_MAX, EXAMPLES_SHOWN_MAX = 20, 50, 50, 10
ROLE_CHARACTERS, EXAMPLE_CHARACTERS, VARIABLE_CHARACTERS = 2_000, 10_000, 1_000_000

_PROMPT_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_PROMPT_NAME_CHARACTERS = 100
_ROLES = {role.value: role for role in (Role.SYSTEM, Role.USER, Role.ASSISTANT)}
_VARIABLE_KEYS = frozenset({"name", "kind", "required", "max_length", "cut", "private"})


class DraftFault(ValueError):
    """A prompt that cannot be used; names the part."""

    def __init__(self, part: str, problem: str) -> None:
        super().__init__(f"{part}: {problem}")
        self.part = part
        self.problem = problem


def is_prompt_name(name: str) -> bool:
    """Say whether `name` can name a prompt."""
    return len(name) <= _PROMPT_NAME_CHARACTERS and _PROMPT_NAME.fullmatch(name) is not None


def spec_from(raw: Mapping[str, Any], *, name: str, shipped: PromptSpec | None) -> PromptSpec:
    """Return the prompt that JSON values describe.

    Args:
        raw: `messages`, `variables`, `role`, `think_first`, `examples`, `examples_k`,
            `output_schema` as JSON text.
        name: Its name.
        shipped: The prompt of this name that ships with Karen: its callers decide what the
            variables are, and a fragment stays one.

    Raises:
        DraftFault: It describes none.
    """
    declared = shipped.variables if shipped is not None else _variables(raw.get("variables") or [])
    spec = PromptSpec(
        name=name,
        description=shipped.description if shipped is not None else "",
        messages=_messages(raw.get("messages")),
        variables=declared,
        role=_text(raw.get("role") or "", "role", ROLE_CHARACTERS),
        think_first=_flag(raw.get("think_first") or False, "think_first"),
        examples=_examples(raw.get("examples") or []),
        examples_k=_number(raw.get("examples_k") or 0, "examples_k", EXAMPLES_SHOWN_MAX),
        output_schema=_text(raw.get("output_schema") or "", "output_schema", SCHEMA_CHARACTERS),
        fragment=shipped is not None and shipped.fragment,
    )
    check_spec(spec)
    return spec


def check_spec(spec: PromptSpec) -> None:
    """Make sure that a prompt can be rendered whatever its callers give.

    Raises:
        DraftFault: It cannot.
    """
    if not is_prompt_name(spec.name):
        raise DraftFault("name", "must be dotted lower case")
    if not spec.messages:
        raise DraftFault("messages", "are missing")
    declared = {variable.name for variable in spec.variables}
    if len(declared) < len(spec.variables):
        raise DraftFault("variables", "have one name twice")
    for place, message in enumerate(spec.messages, 1):
        try:
            used = parse_template(message.text).names
        except TemplateFault as fault:
            raise DraftFault(f"message {place}", f"is no template: {fault}") from None
        for unknown in sorted(used - declared):
            raise DraftFault(f"message {place}", f"refers to {unknown}, which is not declared")
    if spec.fragment:
        _check_fragment(spec)
    if spec.output_schema:
        try:
            check_schema(json.loads(spec.output_schema))
        except (SchemaFault, ValueError, RecursionError) as fault:
            raise DraftFault("output_schema", f"cannot be used: {fault}") from None


def digest_of(spec: PromptSpec) -> str:
    """Return a digest of what a prompt says; equal for equal wordings."""
    told = [
        [[message.role.value, message.text] for message in spec.messages],
        spec.role,
        spec.think_first,
        [[example.input, example.output] for example in spec.examples],
        spec.examples_k,
        spec.output_schema,
    ]
    text = json.dumps(told, ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def json_of(spec: PromptSpec) -> dict[str, Any]:
    """Return the JSON values that `spec_from` reads."""
    return {
        "messages": [{"role": m.role.value, "text": m.text} for m in spec.messages],
        "variables": [variable_json(variable) for variable in spec.variables],
        "role": spec.role,
        "think_first": spec.think_first,
        "examples": [{"input": e.input, "output": e.output} for e in spec.examples],
        "examples_k": spec.examples_k,
        "output_schema": spec.output_schema,
    }


def variable_json(variable: PromptVariable) -> dict[str, Any]:
    """Return the JSON values of a variable."""
    return {
        "name": variable.name,
        "kind": variable.kind.value,
        "required": variable.required,
        "max_length": variable.max_length,
        "cut": variable.cut,
        "private": variable.private,
    }


def readable(spec: PromptSpec) -> list[str]:
    """Return a prompt as lines of text, for comparing two versions."""
    lines: list[str] = []
    if spec.role:
        lines += ["role:", *spec.role.splitlines()]
    if spec.think_first:
        lines.append("think first")
    for message in spec.messages:
        lines += [f"{message.role.value}:", *message.text.splitlines()]
    if spec.examples:
        lines.append(f"examples, {spec.examples_k} shown:")
    for example in spec.examples:
        lines += [*f"input: {example.input}".splitlines()]
        lines += [*f"output: {example.output}".splitlines()]
    if spec.output_schema:
        schema = json.dumps(json.loads(spec.output_schema), indent=2, ensure_ascii=False)
        lines += ["output schema:", *schema.splitlines()]
    return lines


def _check_fragment(spec: PromptSpec) -> None:
    if len(spec.messages) != 1 or spec.messages[0].role is not Role.SYSTEM:
        raise DraftFault("messages", "must be one of the system: the text goes into other prompts")
    if spec.role or spec.think_first or spec.examples or spec.output_schema:
        raise DraftFault(
            "options", "cannot be used: the text goes into other prompts, nothing stands around it"
        )


def _messages(raw: object) -> tuple[PromptMessage, ...]:
    if not isinstance(raw, list) or not 1 <= len(raw) <= MESSAGES_MAX:
        raise DraftFault("messages", f"must be a list of 1 to {MESSAGES_MAX}")
    made = []
    for place, entry in enumerate(raw, 1):
        part = f"message {place}"
        if not isinstance(entry, Mapping) or set(entry) != {"role", "text"}:
            raise DraftFault(part, "must have role and text")
        if entry["role"] not in _ROLES:
            raise DraftFault(part, "must be of system, user or assistant")
        # The template's own limit is lower; this is for what is no template at all.
        text = _text(entry["text"], part, 1_000_000)
        made.append(PromptMessage(role=_ROLES[entry["role"]], text=text))
    return tuple(made)


def _variables(raw: object) -> tuple[PromptVariable, ...]:
    if not isinstance(raw, list) or len(raw) > VARIABLES_MAX:
        raise DraftFault("variables", f"must be a list of at most {VARIABLES_MAX}")
    return tuple(_variable(entry, f"variable {place}") for place, entry in enumerate(raw, 1))


def _variable(entry: object, part: str) -> PromptVariable:
    if not isinstance(entry, Mapping) or not entry.keys() <= _VARIABLE_KEYS:
        known = ", ".join(sorted(_VARIABLE_KEYS))
        raise DraftFault(part, f"must be an object of {known}")
    name = entry.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise DraftFault(part, "must have a name of lower case letters, digits and underscores")
    try:
        kind = VariableKind(entry.get("kind", VariableKind.TEXT))
    except ValueError:
        raise DraftFault(part, "must be of kind str, int, bool or list") from None
    length = entry.get("max_length", PromptVariable(name="default").max_length)
    return PromptVariable(
        name=name,
        kind=kind,
        required=_flag(entry.get("required", True), part),
        max_length=_number(length, part, VARIABLE_CHARACTERS),
        cut=_flag(entry.get("cut", False), part),
        private=_flag(entry.get("private", False), part),
    )


def _examples(raw: object) -> tuple[PromptExample, ...]:
    if not isinstance(raw, list) or len(raw) > EXAMPLES_MAX:
        raise DraftFault("examples", f"must be a list of at most {EXAMPLES_MAX}")
    made = []
    for place, entry in enumerate(raw, 1):
        part = f"example {place}"
        if not isinstance(entry, Mapping) or set(entry) != {"input", "output"}:
            raise DraftFault(part, "must have input and output")
        made.append(
            PromptExample(
                input=_text(entry["input"], part, EXAMPLE_CHARACTERS),
                output=_text(entry["output"], part, EXAMPLE_CHARACTERS),
            )
        )
    return tuple(made)


def _text(value: object, part: str, most: int) -> str:
    if not isinstance(value, str):
        raise DraftFault(part, "must be text")
    if len(value) > most:
        raise DraftFault(part, f"has more than {most} characters")
    if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise DraftFault(part, "holds a character that cannot be kept")
    return value


def _flag(value: object, part: str) -> bool:
    if not isinstance(value, bool):
        raise DraftFault(part, "must say true or false")
    return value


def _number(value: object, part: str, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise DraftFault(part, f"must be a whole number up to {most}")
    return value
