"""What conversations learn from others at start: commands, books of memories, tools, copiers.

Registered from `AppConfig.ready`. Whatever is missing is said to be missing; nothing breaks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from apps.conversations.domain.personas import BUILTIN_PERSONAS
from apps.core.scope import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLine:
    """One remembered thing, for people to read; `id` is what `/memory forget` takes."""

    id: str
    text: str


class MemoryBook(Protocol):
    """What `/memory` needs of whoever remembers."""

    def remember(self, *, actor: Actor, text: str) -> str:
        """Remember a text for the actor; return its id."""
        ...

    def recall(self, *, actor: Actor, limit: int) -> Sequence[MemoryLine]:
        """Return the newest things remembered for the actor."""
        ...

    def forget(self, *, actor: Actor, memory_id: str) -> bool:
        """Forget one thing; return whether there was such a thing of the actor's."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolLine:
    """A tool as people read of it; `allowed` says whether the actor may use it."""

    name: str
    title: str
    description: str
    allowed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMessage:
    """A message or a title that a search found; `excerpt` is plain text."""

    conversation_id: UUID
    message_id: UUID | None
    title: str
    excerpt: str


ToolLister = Callable[[Actor], Sequence[ToolLine]]
MessageFinder = Callable[[Actor, str, int], Sequence[FoundMessage]]
# Old message id → new message id, after a branch was copied into a conversation of `owner_id`.
ForkCopier = Callable[[UUID, UUID, Mapping[UUID, UUID]], None]

_memory: list[MemoryBook] = []
_tools: list[ToolLister] = []
_finders: list[MessageFinder] = []
_copiers: list[ForkCopier] = []


def register_memory_book(book: MemoryBook) -> None:
    """Name who remembers; the last one counts."""
    _memory[:] = [book]


def memory_book() -> MemoryBook | None:
    """Return who remembers, if anybody does."""
    return _memory[0] if _memory else None


def register_tool_lister(lister: ToolLister) -> None:
    """Name who knows the tools; the last one counts."""
    _tools[:] = [lister]


def tool_lister() -> ToolLister | None:
    """Return who knows the tools, if there are any."""
    return _tools[0] if _tools else None


def register_message_finder(finder: MessageFinder) -> None:
    """Name who searches messages instead of the plain look through the actor's own."""
    _finders[:] = [finder]


def message_finder() -> MessageFinder | None:
    """Return who searches messages, if somebody better than the plain look does."""
    return _finders[0] if _finders else None


def register_fork_copier(copier: ForkCopier) -> None:
    """Have `copier(conversation_id, owner_id, ids)` copy along what hangs on messages."""
    if copier not in _copiers:
        _copiers.append(copier)


def fork_copiers() -> tuple[ForkCopier, ...]:
    """Return everybody who copies along when a conversation is forked."""
    return tuple(_copiers)


def list_builtin_slugs() -> tuple[str, ...]:
    """Return the personas that every workspace has."""
    return tuple(BUILTIN_PERSONAS)
