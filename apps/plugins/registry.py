"""Which tools exist. Whoever owns a tool registers it from its `AppConfig.ready`."""

import re

from apps.plugins.contracts import Tool
from apps.plugins.errors import ToolTaken

_NAME = re.compile(r"[a-z][a-z0-9_]{1,63}")
_tools: dict[str, Tool] = {}


def register_tool(tool: Tool) -> None:
    """Add `tool`.

    Raises:
        ToolTaken: Another tool has this name; registering the same one twice changes nothing.
        ValueError: Its name is not lower case letters, digits and underscores.
    """
    if not _NAME.fullmatch(tool.name):
        raise ValueError(f"{tool.name!r} is no name for a tool: lower case, digits, underscores")
    if _tools.setdefault(tool.name, tool) is not tool:
        raise ToolTaken(tool.name)


def unregister_tool(name: str) -> None:
    """Remove the tool of this name, if it is there."""
    _tools.pop(name, None)


def find_tool(name: str) -> Tool | None:
    """Return the tool of this name, or None."""
    return _tools.get(name)


def registered_tools() -> tuple[Tool, ...]:
    """Return all tools in the order of their names: prompts must not depend on import order."""
    return tuple(_tools[name] for name in sorted(_tools))
