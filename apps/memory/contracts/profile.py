"""What stands in every prompt, and everything while it is little."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Always(StrEnum):
    """Why a memory is in a prompt that no search found; kept with the turn, so never renamed."""

    PINNED = "pinned"
    PROFILE = "always: profile"
    STANDING = "always: instruction"
    EVERYTHING = "everything fits"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileEntry:
    """A memory as a prompt holds it, and the messages it was taken from."""

    id: UUID
    text: str
    source_message_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonProfile:
    """What is known of a person without asking for anything.

    Attributes:
        pinned: What the person wants in every prompt, oldest first.
        standing: How the person wants to be answered, the most important first.
        facts: Who the person is: what fills a slot and holds now, the most important first; none
            of it is pinned.
        everything: All live memories, those above included, in the order in which they were
            learnt; None where it is more than was asked for.
        memory_count: How many live memories there are to search in.
        has_said: Something is kept word for word, outside the conversation that was left out.
    """

    pinned: tuple[ProfileEntry, ...] = ()
    standing: tuple[ProfileEntry, ...] = ()
    facts: tuple[ProfileEntry, ...] = ()
    everything: tuple[ProfileEntry, ...] | None = None
    memory_count: int = 0
    has_said: bool = False
