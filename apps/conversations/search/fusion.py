"""Several lists of what was found become one, by rank. Pure.

Reciprocal rank fusion: what stands high in one list is good, what stands in several is better.
Scores of different ways of searching need not be comparable. Cormack, Clarke and Büttcher,
"Reciprocal Rank Fusion outperforms Condorcet", SIGIR 2009.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from uuid import UUID

from apps.conversations.search.contracts import Candidate, Match

_DAMPING = 60.0  # the paper's k
# What was literally asked for comes before what is only alike.
_WEIGHTS = {Match.WORDS: 1.0, Match.TYPO: 0.7, Match.MEANING: 0.5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fused:
    """One thing found, by at least one way."""

    entry_id: UUID
    score: float
    matched: tuple[Match, ...]


def dealt(lists: Sequence[Sequence[Candidate]]) -> list[Candidate]:
    """Return everything in lists that share nothing, the first of each, then the second of each."""
    rows = zip_longest(*lists)
    return [candidate for row in rows for candidate in row if candidate is not None]


def fuse_ranks(lists: Mapping[Match, Sequence[Candidate]]) -> list[Fused]:
    """Return everything in `lists`, best first; equal scores by id, newest first."""
    scores: defaultdict[UUID, float] = defaultdict(float)
    ways: defaultdict[UUID, list[Match]] = defaultdict(list)
    for match, found in lists.items():
        for rank, candidate in enumerate(found, 1):
            scores[candidate.entry_id] += _WEIGHTS[match] / (_DAMPING + rank)
            ways[candidate.entry_id].append(match)
    fused = [
        Fused(entry_id=entry_id, score=round(score, 9), matched=tuple(ways[entry_id]))
        for entry_id, score in scores.items()
    ]
    return sorted(fused, key=lambda item: (-item.score, -item.entry_id.int))
