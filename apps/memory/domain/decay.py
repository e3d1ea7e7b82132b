"""How strong a memory is: what decides which one is kept when there is too much. Pure.

    strength = importance / 10 * confidence * (1 + ln(repeats)) * 0.5 ** (age / half-life)

`repeats` counts how often it was used and said. Age counts from the last use, so whatever is used
stays. `services.strength` says the same in SQL.
"""

import math
from dataclasses import dataclass

from apps.memory.contracts import IMPORTANCE_MAX

HALVINGS_MAX = 60.0  # beyond, nothing is told apart any more, and floats would run dry
FADED = 0.02  # below it a memory is archived: a fact of medium weight after 4.6 half-lives
WEAK = 0.15  # below it what happened is told in short with others of its time


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What strength is made of.

    Attributes:
        age_days: Since it was last used, or learnt where it never was; what lies ahead is 0.
        half_life_days: Of its kind.
        importance: 1 to 10.
        confidence: 0 to 1.
        proof_count: How often it was said, at least 1.
        use_count: How often it was given to a model.
        lasting: Pinned or persistent: it does not decay.
    """

    age_days: float
    half_life_days: float
    importance: int
    confidence: float
    proof_count: int = 1
    use_count: int = 0
    lasting: bool = False


def strength(trace: Trace) -> float:
    """Return how strong a memory is; 0 is nothing, and there is no upper end."""
    repeats = max(trace.proof_count, 1) + trace.use_count
    weight = trace.importance / IMPORTANCE_MAX * trace.confidence * (1 + math.log(repeats))
    if trace.lasting:
        return weight
    halvings = min(max(trace.age_days, 0.0) / trace.half_life_days, HALVINGS_MAX)
    return float(weight * 0.5**halvings)
