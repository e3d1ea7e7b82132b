"""Keeping what tools returned within the model's context. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from apps.conversations.domain.packing import estimated_tokens
from apps.providers.contracts import ChatMessage, Role

_SHORTEST = 200  # characters that are left of a result in any case
_CUT = "\n[the rest was left out: the conversation is too long]"


def fitting(messages: Sequence[ChatMessage], *, budget_tokens: int) -> tuple[ChatMessage, ...]:
    """Return `messages` with the longest results of tools cut until all fit, if they can.

    Calls and their results stay together: providers refuse one without the other.
    """
    kept = list(messages)
    used = sum(estimated_tokens(message.text) for message in kept)
    while used > budget_tokens:
        results = [place for place, message in enumerate(kept) if message.role is Role.TOOL]
        longest = max(results, key=lambda place: len(kept[place].text), default=None)
        if longest is None or len(kept[longest].text) <= _SHORTEST + len(_CUT):
            break
        text = kept[longest].text
        short = text[: max(len(text) // 2, _SHORTEST)].removesuffix(_CUT) + _CUT
        used += estimated_tokens(short) - estimated_tokens(text)
        kept[longest] = replace(kept[longest], text=short)
    return tuple(kept)
