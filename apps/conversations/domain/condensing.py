"""Which messages of a branch a summary should cover. Pure."""

from collections.abc import Sequence


def covered_by_summary(tokens: Sequence[int], *, keep: int) -> int:
    """Return how many of the oldest messages a summary should cover.

    The newest messages that fit into `keep` tokens stay as they are, at least the last two: the
    question that was answered and its answer.

    Args:
        tokens: The tokens of each message, oldest first.
        keep: Tokens that may remain unsummarised.
    """
    kept, count = 0, 0
    for size in reversed(tokens):
        kept += size
        if kept > keep and count >= 2:
            break
        count += 1
    return len(tokens) - count


def portions(tokens: Sequence[int], *, size: int) -> list[int]:
    """Divide messages in order into portions of at most `size` tokens; return each one's length.

    A message that is larger than a portion is one of its own.
    """
    lengths: list[int] = []
    used = 0
    for wanted in tokens:
        if lengths and used + wanted <= size:
            lengths[-1] += 1
            used += wanted
        else:
            lengths.append(1)
            used = wanted
    return lengths
