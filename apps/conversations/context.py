"""Stage 4: what the model gets to see, within its context. Deterministic.

Memories, knowledge and pins join here; today the context is the branch's own history.
"""

from apps.conversations.contracts import ClaimedTurn, Prompt
from apps.conversations.domain.packing import estimated_tokens, newest_that_fit
from apps.providers.contracts import ChatMessage

_SAFETY = 0.9  # estimates may err; a prompt that overflows is an error, one that is shorter is not


def assemble_prompt(
    claimed: ClaimedTurn, *, system: ChatMessage, context_tokens: int, answer_tokens: int
) -> Prompt:
    """Return the system message and the newest messages that leave room for the answer.

    Args:
        claimed: The turn with its history, the question last.
        system: The stable beginning.
        context_tokens: Tokens the model can take in all.
        answer_tokens: Tokens kept free for the answer.
    """
    window = int(context_tokens * _SAFETY)
    budget = max(window - answer_tokens - estimated_tokens(system.text), 0)
    taken = newest_that_fit([m.text for m in claimed.history], budget_tokens=budget)
    kept = [
        ChatMessage(role=message.role, text=message.text)
        for message in claimed.history[len(claimed.history) - taken :]
        if message.text
    ]
    return Prompt(messages=(system, *kept), dropped=len(claimed.history) - taken)
