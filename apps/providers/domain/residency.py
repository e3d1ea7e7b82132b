"""Which loaded models make room for another one. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """A model in memory.

    Attributes:
        name: Its id.
        size_bytes: What it takes.
        busy: It answers somebody and is never sent away.
        used_at: Larger for what was asked later.
    """

    name: str
    size_bytes: int
    busy: bool
    used_at: int


def who_leaves(residents: Iterable[Resident], *, wanted: int, budget: int) -> list[str] | None:
    """Return the models to unload, longest unused first, so that `wanted` bytes fit.

    Returns:
        None when it cannot be done now: those that answer take too much.
    """
    present = list(residents)
    over = sum(each.size_bytes for each in present) + wanted - budget
    leaving: list[str] = []
    for each in sorted(present, key=lambda resident: resident.used_at):
        if over <= 0:
            break
        if not each.busy:
            leaving.append(each.name)
            over -= each.size_bytes
    return leaving if over <= 0 else None
