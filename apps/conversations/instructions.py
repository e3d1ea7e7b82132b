"""Stage 3: what the person wants of the assistant, and what the assistant is told first.

`parse` tells commands from messages. `system_message` joins persona, mode and the conversation's
own instruction into one message that holds nothing volatile, neither date nor counts: providers'
prefix caches keep it from turn to turn.
"""

from apps.conversations.contracts import ClaimedTurn, NewMessage, TurnSettings
from apps.conversations.domain.commands import ParsedCommand, parse_command
from apps.conversations.domain.modes import MODES
from apps.conversations.domain.personas import BUILTIN_PERSONAS, DEFAULT_PERSONA
from apps.providers.contracts import ChatMessage, Role


def parse(message: NewMessage) -> ParsedCommand | None:
    """Return the command that a message is; None where it speaks to the assistant.

    An edited message and one with attachments do too: a command changes nothing that was said.
    """
    if message.edit_of is not None or message.attachments:
        return None
    return parse_command(message.text)


def system_message(claimed: ClaimedTurn) -> ChatMessage:
    """Return the system message of a turn.

    It holds nothing that changes between turns, so that providers' prefix caches keep it.
    """
    workspace = claimed.tenant.name or claimed.tenant.slug
    return ChatMessage(role=Role.SYSTEM, text=instruction_text(claimed.settings, workspace))


def instruction_text(settings: TurnSettings, workspace: str) -> str:
    """Return what a turn with `settings` is told, most general first.

    Short on purpose: a model of 135 million parameters follows one sentence better than five.
    """
    name = settings.persona_name or BUILTIN_PERSONAS[DEFAULT_PERSONA].name
    pieces = (
        f"You are {name}, a helpful AI assistant for {workspace}.",
        settings.persona_instruction,
        MODES[settings.mode].instruction,
        settings.system_instruction,
    )
    return "\n\n".join(piece.strip() for piece in pieces if piece.strip())
