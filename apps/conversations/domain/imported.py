"""Imported conversations: their shape, their trees, and values that can be stored. Pure."""

import hashlib
import heapq
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict

from apps.conversations.contracts import Mode

MESSAGES_MAX = 10_000
TITLE_MAX = 200

Json: TypeAlias = Any


class BadTransfer(ValueError):
    """A file does not fit; `place` is a path into it such as `[3].mapping.abc.parent`."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(place, problem)
        self.place = place
        self.problem = problem


class ImportedMessage(BaseModel):
    """One message; `parent` is the index of the one before it, None for a root."""

    model_config = ConfigDict(frozen=True)

    role: str
    text: str
    reasoning: str = ""
    parent: int | None = None
    model: str = ""
    pinned: bool = False
    created_at: datetime | None = None


class ImportedConversation(BaseModel):
    """One conversation; `leaf` is the index of the last message of the branch that was shown."""

    model_config = ConfigDict(frozen=True)

    place: str
    title: str = ""
    mode: str = Mode.DEFAULT.value
    system_instruction: str = ""
    tags: tuple[str, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None
    messages: tuple[ImportedMessage, ...] = ()
    leaf: int | None = None
    problem: str = ""

    def digest(self) -> str:
        """Return what makes two conversations the same one: title, texts, and their tree."""
        told = [
            [m.role, m.text, m.parent, m.created_at.isoformat() if m.created_at else None]
            for m in self.messages
        ]
        return hashlib.sha256(json.dumps([self.title, told]).encode()).hexdigest()


@dataclass(slots=True, kw_only=True)
class Node:
    """A message as the file has it: parents by the file's own ids."""

    id: str
    place: str
    parent: str | None
    message: ImportedMessage | None  # None: it is passed over, its children move up
    order: float = 0.0


# -- trees


def ordered(
    nodes: list[Node], place: str, *, child_of: str = "parent_id"
) -> tuple[tuple[ImportedMessage, ...], dict[str, int]]:
    """Return messages with parents first, oldest first among equals, and every id's index.

    Raises:
        BadTransfer: There are too many, an id comes twice, a parent is missing, or they go round.
    """
    if len(nodes) > MESSAGES_MAX:
        raise BadTransfer(place, f"it has more than {MESSAGES_MAX} messages")
    by_id: dict[str, Node] = {}
    for node in nodes:
        if by_id.setdefault(node.id, node) is not node:
            raise BadTransfer(node.place, "another message has the same id")
    parents = _kept_parents(by_id, child_of)
    children: dict[str | None, list[Node]] = {}
    kept = [node for node in nodes if node.message is not None]
    for node in kept:
        children.setdefault(parents[node.id], []).append(node)
    indexes: dict[str, int] = {}
    messages: list[ImportedMessage] = []
    waiting = [(node.order, node.id) for node in children.get(None, [])]
    heapq.heapify(waiting)
    while waiting:
        _order, node_id = heapq.heappop(waiting)
        message, above = by_id[node_id].message, parents[node_id]
        assert message is not None  # only kept nodes are somebody's child
        indexes[node_id] = len(messages)
        index = indexes[above] if above is not None else None
        messages.append(message.model_copy(update={"parent": index}))
        for child in children.get(node_id, []):
            heapq.heappush(waiting, (child.order, child.id))
    if not messages:
        raise BadTransfer(place, "it holds no message that was said")
    for node in nodes:  # a leaf that was passed over stands for the message before it
        if node.message is None and parents[node.id] is not None:
            indexes.setdefault(node.id, indexes[str(parents[node.id])])
    return tuple(messages), indexes


def _kept_parents(by_id: Mapping[str, Node], child_of: str) -> dict[str, str | None]:
    """Return each node's nearest ancestor that is kept; a chain is walked once.

    Raises:
        BadTransfer: A parent is missing, or the messages go round in a circle.
    """
    roots: set[str | None] = {None}  # nodes from which the way up is known to end
    found: dict[str, str | None] = {}
    for start in by_id.values():
        chain: list[Node] = []
        on_chain: set[str] = set()
        node: Node | None = start
        while node is not None and node.id not in roots:
            if node.id in on_chain:
                raise BadTransfer(at(node.place, child_of), "the messages go round in a circle")
            chain.append(node)
            on_chain.add(node.id)
            if node.parent is not None and node.parent not in by_id:
                raise BadTransfer(at(node.place, child_of), "there is no message of this id")
            node = by_id[node.parent] if node.parent is not None else None
        for one in reversed(chain):
            above = by_id[one.parent] if one.parent is not None else None
            if above is None:
                found[one.id] = None
            else:
                found[one.id] = above.id if above.message is not None else found[above.id]
            roots.add(one.id)
    return found


# -- values


def at(place: str, step: str) -> str:
    """Return the place of `step` inside `place`."""
    return f"{place}.{step}" if place else step


def text_of_value(value: Json) -> str:
    """Return a text that PostgreSQL can store: no NUL, no halves of surrogate pairs."""
    if not isinstance(value, str):
        return ""
    return value.replace("\x00", "").encode("utf-8", "replace").decode()


def title_of(value: Json) -> str:
    """Return a title in one line."""
    return " ".join(text_of_value(value).split())[:TITLE_MAX]


def time_of_text(value: Json, place: str) -> datetime | None:
    """Return the time that an ISO 8601 text gives; without a zone it is UTC.

    Raises:
        BadTransfer: It is none.
    """
    if value is None:
        return None
    try:
        read = datetime.fromisoformat(value)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise BadTransfer(place, "it must be a time such as 2026-01-31T12:00:00Z") from None


def time_of_number(value: Json) -> datetime | None:
    """Return the time that seconds since 1970 give; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError):
        return None
