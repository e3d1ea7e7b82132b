"""Views as JSON: the one rendering that REST, notices, exports and snapshots share."""

from collections.abc import Callable
from functools import cache
from typing import Any

from pydantic import TypeAdapter

_adapter: Callable[[object], TypeAdapter[Any]] = cache(TypeAdapter)


def as_json(view: object) -> dict[str, Any]:
    """Return a contract dataclass as JSON values: ids and times as text, enums as their value."""
    rendered: dict[str, Any] = _adapter(view.__class__).dump_python(view, mode="json")
    return rendered
