"""When two memories say the same. Pure.

Meaning alone does not tell "on 5 May" from "on 6 May", nor Rome from Paris: a near duplicate has a
near vector, and the same numbers and names.
"""

import re

NEAR = 0.92  # cosine from which two texts mean the same

_TELLING = re.compile(r"\d+|(?<!^)(?<!\. )\b[A-ZÀ-Þ][\w'-]+")
_NOT = re.compile(r"\b(?:not|no|never|dislikes?|hates?|without)\b", re.IGNORECASE)


def says_the_same(one: str, other: str, cosine: float) -> bool:
    """Say whether a memory repeats another.

    Args:
        one: A text.
        other: Another one.
        cosine: Of their vectors.
    """
    return (
        cosine >= NEAR
        and set(_TELLING.findall(one)) == set(_TELLING.findall(other))
        and bool(_NOT.search(one)) == bool(_NOT.search(other))
    )
