"""Times in buckets that grow by a quarter each: small to keep, sums of many processes. Pure."""

from collections.abc import Sequence

_FIRST_MS = 4.0
_RATIO = 1.25
BUCKETS = 48  # the last one begins at about two minutes


def bucket_of(milliseconds: float) -> int:
    """Return the bucket of a time."""
    place, limit = 0, _FIRST_MS
    while milliseconds > limit and place < BUCKETS - 1:
        place, limit = place + 1, limit * _RATIO
    return place


def upper_ms(bucket: int) -> float:
    """Return the longest time that a bucket holds; of the last one, where it begins to be late."""
    return float(_FIRST_MS * _RATIO**bucket)


def percentile_ms(counts: Sequence[int], share: float) -> float | None:
    """Return the time that `share` of all were no longer than, at most a quarter too high.

    Args:
        counts: How many fell into each bucket.
        share: 0.5 for the median, 0.95 for the 95th percentile.
    """
    total = sum(counts)
    if not total:
        return None
    wanted, seen = share * total, 0
    for bucket, count in enumerate(counts):
        seen += count
        if seen >= wanted and count:
            return upper_ms(bucket)
    return upper_ms(len(counts) - 1)
