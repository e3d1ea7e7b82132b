"""Which part of a portrait a memory belongs to. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime

from apps.memory.contracts import MemoryKind, PortraitGroup
from apps.memory.domain.slots import SELF

_GROUPS = {
    "instruction": PortraitGroup.INSTRUCTIONS,
    "preference": PortraitGroup.PREFERENCES,
    "favourite": PortraitGroup.PREFERENCES,
    "diet": PortraitGroup.PREFERENCES,
    "plan": PortraitGroup.PLANS,
    "goal": PortraitGroup.PLANS,
    "deadline": PortraitGroup.PLANS,
}
_TASTE = re.compile(
    r"^(?:(?:i|they|she|he)\s+)?(?:really\s+)?(?:prefers?|likes?|loves?|enjoys?|hates?|dislikes?"
    r"|cannot\s+stand)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketched:
    """What decides where a memory stands.

    Attributes:
        slot: As `slots` has it; empty for most.
        names: The people, places and things it mentions.
        begins: When it is true from.
    """

    text: str
    kind: MemoryKind
    slot: str
    pinned: bool
    names: tuple[str, ...]
    begins: datetime | None


def group_of(each: Sketched, *, at: datetime) -> PortraitGroup | None:
    """Return where a memory stands in a portrait; None for what happened and is over."""
    attribute = parts_of_slot(each.slot)[1]
    found = _GROUPS.get(attribute.partition(":")[0])
    if found is not None:
        return found
    if each.begins is not None and each.begins > at:
        return PortraitGroup.PLANS
    if each.kind is MemoryKind.PROCEDURAL or (each.pinned and not each.slot):
        return PortraitGroup.INSTRUCTIONS
    if each.kind is MemoryKind.EPISODIC and not each.slot:
        return None
    return _group_of_fact(each)


def _group_of_fact(each: Sketched) -> PortraitGroup:
    owner = parts_of_slot(each.slot)[0]
    if owner:
        return PortraitGroup.ABOUT if owner == SELF else PortraitGroup.PEOPLE
    if _TASTE.match(each.text):
        return PortraitGroup.PREFERENCES
    return PortraitGroup.PEOPLE if each.names else PortraitGroup.ABOUT


def parts_of_slot(slot: str) -> tuple[str, str]:
    """Return whom a slot is about and what of them: `("brother:tom", "home")`."""
    owner, _, attribute = slot.partition(".")
    return owner, attribute


def about_in_words(slot: str, names: tuple[str, ...]) -> str:
    """Return whom or what a memory tells of as people say it; empty for the person themselves.

    A name that the memory mentions is said as it is written there.
    """
    owner = parts_of_slot(slot)[0]
    if owner == SELF:
        return ""
    relation, _, name = owner.partition(":")
    wanted = name or relation
    for each in names:
        if wanted and each.casefold().startswith(wanted):
            return each
    if owner:
        return wanted.title() if name else wanted.capitalize()
    return names[0] if names else ""
