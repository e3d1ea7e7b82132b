"""Which commands exist. Built-in ones and plugins register theirs at start."""

import re

from apps.conversations.commands.contracts import Command
from apps.conversations.contracts import CommandView
from apps.core.scope import Actor

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_commands: dict[str, Command] = {}


class CommandTaken(ValueError):
    """Another command has the name already; a programming error."""


def register_command(command: Command) -> None:
    """Add a command; adding the same one again changes nothing.

    Raises:
        ValueError: Its name cannot be written after a slash.
        CommandTaken: Another one has it.
    """
    if not _NAME.fullmatch(command.name):
        raise ValueError(f"{command.name!r} is no name for a command")
    if _commands.setdefault(command.name, command) is not command:
        raise CommandTaken(command.name)


def unregister_command(name: str) -> None:
    """Remove a command, if it is there."""
    _commands.pop(name, None)


def find_command(name: str) -> Command | None:
    """Return the command of this name."""
    return _commands.get(name)


def command_names() -> list[str]:
    """Return all names in alphabetical order."""
    return sorted(_commands)


def list_commands(actor: Actor) -> list[CommandView]:
    """Return all commands by name, with whether the actor may give them."""
    return [
        CommandView(
            name=command.name,
            usage=command.usage,
            help=command.help,
            permission=command.permission,
            allowed=not command.permission or actor.may(command.permission),
        )
        for _name, command in sorted(_commands.items())
    ]
