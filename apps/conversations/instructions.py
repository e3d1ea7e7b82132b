"""Stage 3: what the person wants of the assistant, and what the assistant is told first.

`parse` tells commands from messages. `system_message` joins persona, mode and the conversation's
own instruction into one message that holds nothing volatile, neither date nor counts: providers'
prefix caches keep it from turn to turn.
"""

from apps.conversations.contracts import ClaimedTurn, NewMessage, TurnSettings
from apps.conversations.domain.commands import ParsedCommand, parse_command
from apps.conversations.domain.personas import BUILTIN_PERSONAS, DEFAULT_PERSONA
from apps.conversations.prompts import SYSTEM, mode_instruction
from apps.providers.contracts import ChatMessage, Role
from apps.providers.services.rendering import prompt_text


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
    """Return what a turn with `settings` is told, most general first."""
    return prompt_text(
        SYSTEM,
        name=settings.persona_name or BUILTIN_PERSONAS[DEFAULT_PERSONA].name,
        workspace=workspace,
        persona=settings.persona_instruction.strip(),
        mode=mode_instruction(settings.mode).strip(),
        instruction=settings.system_instruction.strip(),
    ).strip()
