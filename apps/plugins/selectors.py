"""Which tools somebody is offered."""

from collections.abc import Collection
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from apps.core.scope import Actor
from apps.plugins.contracts import Tool
from apps.plugins.registry import registered_tools
from apps.providers.contracts import ToolSpec


def list_tools(*, actor: Actor, allowed: Collection[str] | None = None) -> tuple[Tool, ...]:
    """Return the tools that `actor` may use, by name.

    Args:
        actor: Who asks.
        allowed: The names that a conversation allows; None for all.
    """
    return tuple(
        tool
        for tool in registered_tools()
        if actor.may(tool.permission) and (allowed is None or tool.name in allowed)
    )


def tool_spec(tool: Tool) -> ToolSpec:
    """Return what a model is told about `tool`."""
    return ToolSpec(
        name=tool.name, description=tool.description, parameters=json_schema(tool.parameters)
    )


@lru_cache(maxsize=256)
def json_schema(parameters: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of a tool's arguments, without what only costs tokens."""
    schema: dict[str, Any] = _lean(parameters.model_json_schema())
    schema.pop("description", None)  # of the Python class, not of the tool
    return schema


def _lean(node: Any) -> Any:  # noqa: ANN401  # JSON of any shape
    if isinstance(node, list):
        return [_lean(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: {name: _lean(each) for name, each in value.items()}
        if key in {"properties", "$defs"}
        else _lean(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str))
    }
