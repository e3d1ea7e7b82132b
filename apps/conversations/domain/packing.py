"""Choosing which messages fit a token budget: newest first, whole messages, oldest dropped."""

from collections.abc import Sequence

# Without a model's own tokenizer at hand: English averages four characters a token, other scripts
# fewer. Three keeps the estimate on the safe side.
_CHARACTERS_PER_TOKEN = 3
_TOKENS_PER_MESSAGE = 6  # role markers of common chat templates


def estimated_tokens(text: str) -> int:
    """Return a cautious estimate of the tokens of one message with `text`."""
    return len(text) // _CHARACTERS_PER_TOKEN + 1 + _TOKENS_PER_MESSAGE


def newest_that_fit(texts: Sequence[str], *, budget_tokens: int) -> int:
    """Return how many of the last `texts` fit into `budget_tokens`.

    The last one is always taken: a question is never dropped silently, the model refuses it with a
    clear error if it is too long.
    """
    used, taken = 0, 0
    for text in reversed(texts):
        used += estimated_tokens(text)
        if used > budget_tokens and taken:
            break
        taken += 1
    return taken
