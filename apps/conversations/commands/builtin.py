"""The commands that every workspace has."""

from apps.conversations.commands import content, options
from apps.conversations.commands.registry import register_command


def register_builtin_commands() -> None:
    """Add them; called once, from `AppConfig.ready`."""
    for command in (*options.COMMANDS, *content.COMMANDS):
        register_command(command)
