"""Who reads how much of its prompt when several prompts wait for one batch. Pure.

The prompt with the least left goes first, so a short question does not wait behind a long document;
but half of the room belongs to the one that came first, so a stream of short questions cannot keep
a long one from being read.
"""

from collections.abc import Sequence


def reading_portions(left: Sequence[int], room: int) -> list[int]:
    """Return how many tokens of each prompt are read in this round.

    Args:
        left: Tokens still unread of each prompt, in order of arrival.
        room: Most tokens of all together.
    """
    portions = [0] * len(left)
    if not left:
        return portions
    kept = min(left[0], (room + 1) // 2)  # what nobody else may take before the first has read
    for index in sorted(range(len(left)), key=lambda each: (left[each], each)):
        if index == 0:
            kept = 0
        portions[index] = min(left[index], max(0, room - kept))
        room -= portions[index]
    return portions
