"""Fitting texts into a budget of tokens. Pure."""

from collections.abc import Sequence

from apps.conversations.domain.packing import estimated_tokens

_CHARACTERS_PER_TOKEN_MAX = 12  # bounds the search; no text of people has longer tokens on average


def tokens_of(text: str) -> int:
    """Return the estimated tokens of a text; none for none."""
    return estimated_tokens(text) if text else 0


def shares(wanted: Sequence[int], *, budget: int) -> list[int]:
    """Divide `budget` tokens: small wishes whole, the rest evenly among the larger ones.

    The sum never exceeds the budget, nobody gets more than they want, and raising one wish never
    lowers what a smaller one gets below the even share.
    """
    given = [0] * len(wanted)
    left = max(budget, 0)
    order = sorted(range(len(wanted)), key=lambda at: (wanted[at], at))
    for done, at in enumerate(order):
        given[at] = min(wanted[at], left // (len(order) - done))
        left -= given[at]
    return given


def excerpt(text: str, *, summary: str, tokens: int) -> tuple[str, bool]:
    """Return (as much of `text` as fits, whether something is missing).

    The beginning, behind the summary where there is one and it leaves room for some of the text.
    """
    if tokens_of(text) <= tokens:
        return text, False
    opening = ""
    if summary and tokens_of(summary) * 2 <= tokens:
        opening = f"[Summary] {summary}\n\n[Beginning] "
    return opening + beginning(text, tokens=tokens - tokens_of(opening)), True


def beginning(text: str, *, tokens: int) -> str:
    """Return the longest beginning of `text` with at most `tokens` tokens, by bisection."""
    low, high = 0, min(len(text), max(tokens, 0) * _CHARACTERS_PER_TOKEN_MAX)
    while low < high:
        middle = (low + high + 1) // 2
        if tokens_of(text[:middle]) <= tokens:
            low = middle
        else:
            high = middle - 1
    return text[:low]
