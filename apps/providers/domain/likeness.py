"""How like two texts are, for choosing examples and judging answers. Pure."""

import math
import re
from collections import Counter
from collections.abc import Sequence

_WORD = re.compile(r"\w+")
_CHARACTERS = 4_000


def lexical_likeness(one: str, other: str) -> float:
    """Return 0 to 1 by the words and the parts of words that two texts share; 1 for equal ones."""
    left, right = _features(one), _features(other)
    if not left or not right:
        return float(left == right)
    dot = sum(count * right[name] for name, count in left.items())
    # One root of the product: a text is then exactly like itself.
    norm = math.sqrt(
        sum(count * count for count in left.values())
        * sum(count * count for count in right.values())
    )
    return min(dot / norm, 1.0)


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the cosine of two vectors of unit length, held between -1 and 1."""
    return max(-1.0, min(1.0, math.fsum(a * b for a, b in zip(one, other, strict=True))))


def most_like(scores: Sequence[float], k: int) -> list[int]:
    """Return the places of the `k` highest scores, the highest last.

    What stands last is nearest to the question and weighs most with small models. Of equal
    scores the earlier place is taken.
    """
    best = sorted(range(len(scores)), key=lambda place: (-scores[place], place))[: max(k, 0)]
    return best[::-1]


def _features(text: str) -> Counter[str]:
    words = _WORD.findall(text[:_CHARACTERS].casefold())
    found: Counter[str] = Counter(words)
    for word in words:
        padded = f"^{word}$"
        found.update(padded[at : at + 3] for at in range(len(padded) - 2))
    return found
