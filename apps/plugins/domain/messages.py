"""Texts that help a model to mend its call, and bounds on what tools return. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

from pydantic import BaseModel, ValidationError

from apps.plugins.contracts import ToolResult

MAX_DATA_CHARACTERS = 32_000
_MAX_PROBLEMS = 5


def suggestion(wrong: str, known: Sequence[str], *, most: int = 3) -> str:
    """Return " Did you mean …?" with the nearest of `known`, or an empty string."""
    folded = {name.casefold(): name for name in known}
    near = get_close_matches(wrong.casefold(), folded, n=most, cutoff=0.6)
    return f" Did you mean {' or '.join(folded[name] for name in near)}?" if near else ""


def similar_names(wrong: str, known: Sequence[str]) -> str:
    """Return what to tell a model that named a tool which does not exist."""
    if not known:
        return f"There is no tool {wrong[:64]!r}, and no other tool either. Answer without tools."
    return (
        f"There is no tool {wrong[:64]!r}.{suggestion(wrong, known)} "
        f"The tools here are: {', '.join(known)}."
    )


def problems_of(error: ValidationError, parameters: type[BaseModel]) -> str:
    """Return what is wrong with a model's arguments, and which ones there are."""
    lines = [
        f"- {'.'.join(str(part) for part in problem['loc']) or 'arguments'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    more = [f"- and {len(lines) - _MAX_PROBLEMS} more"] if len(lines) > _MAX_PROBLEMS else []
    known = ", ".join(
        f"{name} (required)" if field.is_required() else name
        for name, field in parameters.model_fields.items()
    )
    return "\n".join(
        [
            "The arguments do not fit. Call the tool again with these mended:",
            *lines[:_MAX_PROBLEMS],
            *more,
            f"Its arguments are: {known or 'none'}.",
        ]
    )


def _small(data: Mapping[str, object]) -> Mapping[str, object]:
    try:
        size = len(json.dumps(data, default=str))
    except (TypeError, ValueError, RecursionError):
        return {"left_out": "not JSON"}
    return data if size <= MAX_DATA_CHARACTERS else {"left_out": f"{size} characters"}


def too_much(result: ToolResult, max_characters: int) -> ToolResult:
    """Return `result` within its bounds; what is cut is said to be cut."""
    text = result.text.replace("\x00", "")
    if len(text) > max_characters:
        cut = len(text) - max_characters
        text = f"{text[:max_characters]}\n[{cut} more characters were left out]"
    return replace(result, text=text, data=_small(result.data))
