"""Contracts as JSON values, for files."""

from collections.abc import Callable
from functools import cache
from typing import Any

from pydantic import TypeAdapter

_adapter: Callable[[object], TypeAdapter[Any]] = cache(TypeAdapter)


def as_json(view: object) -> dict[str, Any]:
    """Return a contract as JSON values: ids and times as text, choices as their value."""
    rendered: dict[str, Any] = _adapter(view.__class__).dump_python(view, mode="json")
    return rendered
