"""Stage 3: what the assistant is told before anything else.

Commands, personas and modes join here; today a turn carries the house's system message.
"""

from apps.conversations.contracts import ClaimedTurn
from apps.providers.contracts import ChatMessage, Role

# Short on purpose: a model of 135 million parameters follows one sentence better than five.
_SYSTEM = "You are Karen, a helpful AI assistant for {workspace}."


def system_message(claimed: ClaimedTurn) -> ChatMessage:
    """Return the system message of a turn.

    It holds nothing that changes between turns, so that providers' prefix caches keep it.
    """
    workspace = claimed.tenant.name or claimed.tenant.slug
    return ChatMessage(role=Role.SYSTEM, text=_SYSTEM.format(workspace=workspace))
