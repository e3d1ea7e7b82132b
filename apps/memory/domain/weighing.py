"""How important a memory is and how sure, by plain rules. Pure.

Importance is what it is about: 9 for what hurts when it is forgotten (allergies, names), 8 for
standing instructions and people, 7 for home and work, 5 for tastes, 4 for events; one less for
what is over, two more where the person asked that it be kept.

Confidence starts at 0.8: rules that read what a person said of themselves are right that often.
0.1 more where the recogniser of names agrees about the value, 0.1 less about others, 0.3 less
where the sentence hedges. Each time it is said again halves what is missing to certainty.
"""

import re

from apps.memory.contracts import IMPORTANCE_DEFAULT, IMPORTANCE_MAX, IMPORTANCE_MIN
from apps.memory.domain.slots import Holds

_IMPORTANCE = {
    "allergy": 9, "name": 9, "health": 9, "instruction": 8, "relation": 8, "birthday": 8, "diet": 8,
    "home": 7, "employer": 7, "job": 7, "status": 7, "count": 6, "eats": 7, "pronouns": 8,
    "native language": 7, "speaks": 6, "plan": 6, "preference": 5, "favourite": 5, "event": 4,
    "age": 6, "told": 7,
}  # fmt: skip
# Neither decays nor expires: standing instructions, and who somebody is.
LASTING = frozenset(
    {"allergy", "name", "health", "instruction", "relation", "birthday", "pronouns", "diet"}
)
_HEDGE = re.compile(
    r"\b(?:maybe|perhaps|probably|possibly|i\s+think|i\s+guess|i\s+believe|not\s+sure|might|apparently"
    r"|i\s+suppose|as\s+far\s+as\s+i\s+know|afaik)\b",
    re.IGNORECASE,
)
_RULE, _AGREES, _OTHERS, _HEDGED, _MOST = 0.8, 0.1, 0.1, 0.3, 0.99


def importance_of(weight: str, *, holds: Holds, told: bool) -> int:
    """Return 1 to 10.

    Args:
        weight: What it is about: the first part of the attribute.
        holds: Whether it is true now.
        told: The person asked that it be kept.
    """
    found = _IMPORTANCE.get(weight, IMPORTANCE_DEFAULT)
    found += 2 * told - (holds is not Holds.NOW)
    return min(max(found, IMPORTANCE_MIN), IMPORTANCE_MAX)


def confidence_of(sentence: str, *, confirmed: bool, about_self: bool, told: bool = False) -> float:
    """Return 0 to 1.

    Args:
        sentence: What was said.
        confirmed: The recogniser of names agrees with the value.
        about_self: The person speaks of themselves.
        told: The person asked that it be kept.
    """
    found = _RULE + _AGREES * confirmed - _OTHERS * (not about_self) + _AGREES * told
    found -= _HEDGED * bool(_HEDGE.search(sentence))
    return round(min(max(found, 0.05), _MOST), 3)


def proven(confidence: float) -> float:
    """Return the confidence after what is known was said once more."""
    return round(min(1 - (1 - confidence) / 2, _MOST), 3) if confidence < _MOST else confidence
