"""Reading exported conversations: ours, and ChatGPT's `conversations.json`. Pure.

A file is untrusted: whatever does not fit raises `BadTransfer` with the place where it stands. What
comes out is plain: messages in an order in which parents stand before their children.
"""

import hashlib
import heapq
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict

from apps.conversations.contracts import Mode

FORMAT = "karen.conversation"
FORMAT_VERSION = 1
MESSAGES_MAX = 10_000
CONVERSATIONS_MAX = 5_000
TITLE_MAX = 200
_NAME_MAX = 100

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
class _Node:
    """A message as the file has it: parents by the file's own ids."""

    id: str
    place: str
    parent: str | None
    message: ImportedMessage | None  # None: it is passed over, its children move up
    order: float = 0.0


def read_conversations(content: bytes) -> list[ImportedConversation]:
    """Return the conversations of a file; one that does not fit has its `problem` said.

    Raises:
        BadTransfer: The file is not JSON or no export that we know, or no conversation of it fits.
    """
    found = [_read_one(item, place) for item, place in _items(_parsed(content))]
    if found and all(one.problem for one in found):
        raise BadTransfer(found[0].place, found[0].problem)
    return found


def _parsed(content: bytes) -> Json:
    try:
        return json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise BadTransfer(f"byte {error.start}", "it is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise BadTransfer(place, f"it is not JSON: {error.msg}") from None
    except (RecursionError, ValueError):
        raise BadTransfer("", "it is not JSON that can be read: nested too deeply") from None


def _items(document: Json) -> Iterator[tuple[Json, str]]:
    if isinstance(document, dict) and isinstance(document.get("conversations"), list):
        items, prefix = document["conversations"], "conversations"
    elif isinstance(document, list):
        items, prefix = document, ""
    elif isinstance(document, dict):
        yield document, ""
        return
    else:
        raise BadTransfer("", "it must hold a conversation or a list of them")
    if not items:
        raise BadTransfer(prefix, "it holds no conversation")
    if len(items) > CONVERSATIONS_MAX:
        raise BadTransfer(prefix, f"it holds more than {CONVERSATIONS_MAX} conversations")
    for index, item in enumerate(items):
        yield item, f"{prefix}[{index}]"


def _read_one(item: Json, place: str) -> ImportedConversation:
    try:
        return _read_known(item, place)
    except BadTransfer as error:
        title = _text(item.get("title"))[:TITLE_MAX] if isinstance(item, dict) else ""
        return ImportedConversation(place=error.place, title=title, problem=error.problem)


def _read_known(item: Json, place: str) -> ImportedConversation:
    if not isinstance(item, dict):
        raise BadTransfer(place, "a conversation must be an object")
    if isinstance(item.get("mapping"), dict):
        return _read_chatgpt(item, place)
    if item.get("format") == FORMAT:
        return _read_ours(item, place)
    raise BadTransfer(
        place, 'it has neither "format": "karen.conversation" nor a "mapping" as ChatGPT\'s has'
    )


# -- ours


def _read_ours(item: Mapping[str, Json], place: str) -> ImportedConversation:
    version = item.get("version")
    if version != FORMAT_VERSION:
        raise BadTransfer(_at(place, "version"), f"only version {FORMAT_VERSION} can be read")
    about = item.get("conversation", {})
    if not isinstance(about, dict):
        raise BadTransfer(_at(place, "conversation"), "it must be an object")
    stored = item.get("messages")
    if not isinstance(stored, list):
        raise BadTransfer(_at(place, "messages"), "it must be a list")
    nodes = [
        _our_node(one, _at(place, f"messages[{index}]"), index) for index, one in enumerate(stored)
    ]
    messages, indexes = _ordered(nodes, place)
    mode, tags = about.get("mode"), about.get("tags")
    return ImportedConversation(
        place=place,
        title=_title(about.get("title")),
        mode=mode if mode in set(Mode) else Mode.DEFAULT.value,
        system_instruction=_text(about.get("system_instruction"))[:8000],
        tags=tuple(sorted({_text(t)[:40].strip() for t in tags} - {""}))[:20]
        if isinstance(tags, list)
        else (),
        created_at=_iso(about.get("created_at"), _at(place, "conversation.created_at")),
        updated_at=_iso(about.get("updated_at"), _at(place, "conversation.updated_at")),
        messages=messages,
        leaf=indexes.get(str(about.get("leaf_id"))),
    )


def _our_node(one: Json, place: str, index: int) -> _Node:
    if not isinstance(one, dict):
        raise BadTransfer(place, "a message must be an object")
    if not isinstance(one.get("id"), str):
        raise BadTransfer(_at(place, "id"), "it must be a text")
    parent = one.get("parent_id")
    if parent is not None and not isinstance(parent, str):
        raise BadTransfer(_at(place, "parent_id"), "it must be a text or null")
    role = one.get("role")
    if role not in {"user", "assistant"}:
        raise BadTransfer(_at(place, "role"), 'it must be "user" or "assistant"')
    text, reasoning = _our_text(one, place)
    said = one.get("kind", "chat") == "chat" and (text or reasoning)
    message = ImportedMessage(
        role=role,
        text=text,
        reasoning=reasoning,
        model=_text(one.get("model"))[:_NAME_MAX],
        pinned=one.get("pinned") is True,
        created_at=_iso(one.get("created_at"), _at(place, "created_at")),
    )
    return _Node(
        id=one["id"], place=place, parent=parent, message=message if said else None, order=index
    )


def _our_text(one: Mapping[str, Json], place: str) -> tuple[str, str]:
    """Return text and reasoning of a message; files that were attached are named in the text."""
    parts = one.get("parts")
    if not isinstance(parts, list):
        if not isinstance(one.get("text"), str):
            raise BadTransfer(_at(place, "text"), "it must be a text")
        return _text(one["text"]), ""
    texts: list[str] = []
    thoughts: list[str] = []
    files: list[str] = []
    for index, part in enumerate(parts):
        if not isinstance(part, dict):
            raise BadTransfer(_at(place, f"parts[{index}]"), "a part must be an object")
        if part.get("type") == "text":
            texts.append(_text(part.get("text")))
        elif part.get("type") == "reasoning":
            thoughts.append(_text(part.get("text")))
        elif part.get("type") == "attachment":
            files.append(f"[{_text(part.get('name'))[:255]}]")
    text = "".join(texts)
    return "\n\n".join(filter(None, [text, " ".join(files)])), "".join(thoughts)


# -- ChatGPT's


def _read_chatgpt(item: Mapping[str, Json], place: str) -> ImportedConversation:
    mapping = item["mapping"]
    nodes = [
        _their_node(str(key), node, _at(place, f"mapping.{key}"), index)
        for index, (key, node) in enumerate(mapping.items())
    ]
    messages, indexes = _ordered(nodes, place, child_of="parent")
    return ImportedConversation(
        place=place,
        title=_title(item.get("title")),
        created_at=_epoch(item.get("create_time")),
        updated_at=_epoch(item.get("update_time")),
        messages=messages,
        leaf=indexes.get(str(item.get("current_node"))),
    )


def _their_node(key: str, node: Json, place: str, index: int) -> _Node:
    if not isinstance(node, dict):
        raise BadTransfer(place, "a node must be an object")
    parent = node.get("parent")
    if parent is not None and not isinstance(parent, str):
        raise BadTransfer(_at(place, "parent"), "it must be a text or null")
    message = node.get("message")
    if message is not None and not isinstance(message, dict):
        raise BadTransfer(_at(place, "message"), "it must be an object or null")
    read = _their_message(message, _at(place, "message")) if message else None
    written = read.created_at.timestamp() if read and read.created_at else float("inf")
    return _Node(
        id=key,
        place=place,
        parent=parent,
        message=read,
        order=written if written != float("inf") else 1e12 + index,
    )


def _their_message(message: Mapping[str, Json], place: str) -> ImportedMessage | None:
    author = message.get("author")
    if not isinstance(author, dict):
        raise BadTransfer(_at(place, "author"), "it must be an object")
    role = author.get("role")
    about = message.get("metadata")
    about = about if isinstance(about, dict) else {}
    hidden = about.get("is_visually_hidden_from_conversation") is True
    to_a_tool = message.get("recipient") not in {None, "all"}
    if role not in {"user", "assistant"} or hidden or to_a_tool:
        return None
    content = message.get("content")
    if not isinstance(content, dict):
        raise BadTransfer(_at(place, "content"), "it must be an object")
    text = _their_text(content, _at(place, "content"))
    if not text.strip():
        return None
    return ImportedMessage(
        role=role,
        text=text,
        model=_text(about.get("model_slug"))[:_NAME_MAX] if role == "assistant" else "",
        created_at=_epoch(message.get("create_time")),
    )


def _their_text(content: Mapping[str, Json], place: str) -> str:
    kind = content.get("content_type")
    if kind == "code":
        language = _text(content.get("language"))
        name = language if language.isalnum() and language != "unknown" else ""
        return f"```{name}\n{_text(content.get('text'))}\n```"
    if kind not in {"text", "multimodal_text"}:
        return ""  # thoughts, tool output, the person's settings: not part of what was said
    parts = content.get("parts")
    if not isinstance(parts, list):
        raise BadTransfer(_at(place, "parts"), "it must be a list")
    return "\n\n".join(filter(None, map(_their_part, parts)))


def _their_part(part: Json) -> str:
    if isinstance(part, str):
        return _text(part)
    if not isinstance(part, dict):
        return ""
    if part.get("content_type") == "audio_transcription":
        return _text(part.get("text"))
    return "[image]" if "image" in str(part.get("content_type")) else "[file]"


# -- trees


def _ordered(
    nodes: list[_Node], place: str, *, child_of: str = "parent_id"
) -> tuple[tuple[ImportedMessage, ...], dict[str, int]]:
    """Return messages with parents first, oldest first among equals, and every id's index.

    Raises:
        BadTransfer: There are too many, an id comes twice, a parent is missing, or they go round.
    """
    if len(nodes) > MESSAGES_MAX:
        raise BadTransfer(place, f"it has more than {MESSAGES_MAX} messages")
    by_id: dict[str, _Node] = {}
    for node in nodes:
        if by_id.setdefault(node.id, node) is not node:
            raise BadTransfer(node.place, "another message has the same id")
    parents = _kept_parents(by_id, child_of)
    children: dict[str | None, list[_Node]] = {}
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


def _kept_parents(by_id: Mapping[str, _Node], child_of: str) -> dict[str, str | None]:
    """Return each node's nearest ancestor that is kept; a chain is walked once.

    Raises:
        BadTransfer: A parent is missing, or the messages go round in a circle.
    """
    roots: set[str | None] = {None}  # nodes from which the way up is known to end
    found: dict[str, str | None] = {}
    for start in by_id.values():
        chain: list[_Node] = []
        on_chain: set[str] = set()
        node: _Node | None = start
        while node is not None and node.id not in roots:
            if node.id in on_chain:
                raise BadTransfer(_at(node.place, child_of), "the messages go round in a circle")
            chain.append(node)
            on_chain.add(node.id)
            if node.parent is not None and node.parent not in by_id:
                raise BadTransfer(_at(node.place, child_of), "there is no message of this id")
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


def _at(place: str, step: str) -> str:
    return f"{place}.{step}" if place else step


def _text(value: Json) -> str:
    """Return a text that PostgreSQL can store: no NUL, no halves of surrogate pairs."""
    if not isinstance(value, str):
        return ""
    return value.replace("\x00", "").encode("utf-8", "replace").decode()


def _title(value: Json) -> str:
    return " ".join(_text(value).split())[:TITLE_MAX]


def _iso(value: Json, place: str) -> datetime | None:
    if value is None:
        return None
    try:
        read = datetime.fromisoformat(value)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise BadTransfer(place, "it must be a time such as 2026-01-31T12:00:00Z") from None


def _epoch(value: Json) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError):
        return None
