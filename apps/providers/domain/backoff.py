"""How long to wait before asking a provider again. Pure."""

import contextlib
import math
from datetime import datetime
from email.utils import parsedate_to_datetime

BASE_S = 0.25
CAP_S = 8.0
LONGEST_RETRY_AFTER_S = 10.0


def retry_after_s(value: str | None, *, now: datetime) -> float | None:
    """Return the seconds a `Retry-After` header asks for, or None when it says nothing usable."""
    if not value:
        return None
    with contextlib.suppress(ValueError):
        seconds = float(value)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return max(0.0, (moment - now).total_seconds())


def pause_s(attempt: int, *, asked_s: float | None, chance: float) -> float | None:
    """Return the pause before repeating a failed attempt, or None when waiting is no use.

    Args:
        attempt: The number of the attempt that failed, from 1.
        asked_s: What the provider asked for; longer than ten seconds means: go elsewhere.
        chance: A random number from 0 to 1 (full jitter).
    """
    if asked_s is not None:
        return asked_s if asked_s <= LONGEST_RETRY_AFTER_S else None
    return chance * min(CAP_S, BASE_S * 2.0 ** (attempt - 1))
