"""Telling commands from messages: pure, so that every edge agrees.

A command is a slash, a letter, and then a word without another slash: `/model echo/plain` is one,
`/etc/passwd is a file` and `// a comment` are not. A space before the slash, or a second slash,
makes it text.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

_COMMAND = re.compile(r"/(?P<name>[A-Za-z][\w-]{0,63})(?:\s+(?P<rest>.*))?", re.DOTALL)
_NEAR = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedCommand:
    """A command as written: `name` in lower case without the slash, `argument` trimmed."""

    name: str
    argument: str


def parse_command(text: str) -> ParsedCommand | None:
    """Return the command that `text` is, or None for a message to the assistant."""
    found = _COMMAND.fullmatch(text)
    if found is None:
        return None
    return ParsedCommand(name=found["name"].lower(), argument=(found["rest"] or "").strip())


def near_matches(name: str, known: Iterable[str], *, limit: int = 3) -> list[str]:
    """Return known names that are spelled like `name`, nearest first."""
    names = sorted(known)
    starts = [one for one in names if one.startswith(name)] if name else []
    alike = difflib.get_close_matches(name, names, n=limit, cutoff=_NEAR)
    return list(dict.fromkeys([*alike, *starts]))[:limit]
