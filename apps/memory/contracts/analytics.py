"""Analytics: how a workspace's memory grows, is used, and answers. Counts, never texts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryDay:
    """One day (UTC) of a workspace's memory.

    Attributes:
        created: Memories that became known and were still there when the day was last exported.
        superseded: Those that something newer replaced.
        archived: Those that were put away.
        expired: Those whose time was over.
        forgotten: Those that people erased.
        used: How often memories were given to a model.
        live: How many held at the end of the day, by kind.
        people: Of how many subjects those are.
        recalls: How often memory was asked.
        recall_p50_ms: Half of the recalls took at most so long, to a quarter; None without recalls.
        recall_p95_ms: Nearly all of them did.
        sampled: How many memories the nightly sample asked for, by the words they rest on.
        found: How many of them were among the first ten.
    """

    day: date
    created: int = 0
    superseded: int = 0
    archived: int = 0
    expired: int = 0
    forgotten: int = 0
    used: int = 0
    live: Mapping[str, int]
    people: int = 0
    recalls: int = 0
    recall_p50_ms: float | None = None
    recall_p95_ms: float | None = None
    sampled: int = 0
    found: int = 0

    @property
    def live_total(self) -> int:
        """How many held at the end of the day."""
        return sum(self.live.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryTopic:
    """A name that memories of several people hold.

    Attributes:
        people: Of how many people; what fewer than `reading.TOPIC_PEOPLE_MIN` hold stays private.
        mentions: In how many new memories.
        by_day: The same by day; days without any are left out.
    """

    name: str
    people: int
    mentions: int
    by_day: Mapping[date, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryAnalytics:
    """A window of days, both ends included, and what people spoke of in it."""

    first: date
    last: date
    days: tuple[MemoryDay, ...]
    topics: tuple[MemoryTopic, ...]
