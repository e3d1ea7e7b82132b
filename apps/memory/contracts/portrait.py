"""What Karen would say about somebody now: lines by group, each with where it comes from."""

from dataclasses import dataclass
from enum import StrEnum

from apps.memory.contracts.memories import MemoryView
from apps.memory.contracts.transparency import EvidenceSource


class PortraitGroup(StrEnum):
    """What a line is about, in the order in which a portrait tells it."""

    ABOUT = "about"  # name, home, work
    PEOPLE = "people"  # people, places and things around somebody
    PREFERENCES = "preferences"
    INSTRUCTIONS = "instructions"
    PLANS = "plans"


@dataclass(frozen=True, slots=True, kw_only=True)
class PortraitLine:
    """One thing that holds now.

    Attributes:
        about: Whom or what it tells of, as people say it: `Ada`, `Wife`; empty for oneself.
        attribute: What of them, as slots call it: `home`, `favourite:colour`; empty where nothing
            else can take its place.
        source: The words it was heard in last; None where somebody wrote it by hand.
        before: What it took the place of, the last first.
    """

    memory: MemoryView
    about: str
    attribute: str
    source: EvidenceSource | None
    before: tuple[MemoryView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PortraitSection:
    """The lines of a group, those that matter most first, and how many more there are."""

    group: PortraitGroup
    lines: tuple[PortraitLine, ...]
    more: int
