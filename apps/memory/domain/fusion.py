"""Two rankings become one. Pure and deterministic."""

from collections.abc import Mapping, Sequence
from uuid import UUID

# Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion" (SIGIR 2009): 60 makes no rank decisive.
_K = 60


def fuse_rankings(
    rankings: Mapping[str, Sequence[UUID]], *, k: int
) -> list[tuple[UUID, float, str]]:
    """Return the best `k` of several rankings as (id, score, why), best first.

    Equal scores are ordered by id, so equal input gives equal output.
    """
    scores: dict[UUID, float] = {}
    reasons: dict[UUID, list[str]] = {}
    for name in sorted(rankings):
        for rank, item in enumerate(rankings[name], start=1):
            scores[item] = scores.get(item, 0.0) + 1 / (_K + rank)
            reasons.setdefault(item, []).append(f"{name} {rank}")
    best = sorted(scores, key=lambda item: (-scores[item], item))[: max(k, 0)]
    return [(item, scores[item], ", ".join(reasons[item])) for item in best]
