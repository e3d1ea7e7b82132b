"""Reading exported conversations: ours, and ChatGPT's `conversations.json`. Pure.

A file is untrusted: whatever does not fit raises `BadTransfer` with the place where it stands. What
comes out is plain: messages in an order in which parents stand before their children.
"""

import json
from collections.abc import Iterator, Mapping

from apps.conversations.contracts import Mode
from apps.conversations.domain.imported import (
    TITLE_MAX,
    BadTransfer,
    ImportedConversation,
    ImportedMessage,
    Json,
    Node,
    at,
    ordered,
    text_of_value,
    time_of_number,
    time_of_text,
    title_of,
)

FORMAT = "karen.conversation"
FORMAT_VERSION = 1
CONVERSATIONS_MAX = 5_000
_NAME_MAX = 100
# Tuples, not sets: what a file holds may be a list, which no set can be asked for.
_ROLES = ("user", "assistant")
_MODES = tuple(mode.value for mode in Mode)


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
        title = text_of_value(item.get("title"))[:TITLE_MAX] if isinstance(item, dict) else ""
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
        raise BadTransfer(at(place, "version"), f"only version {FORMAT_VERSION} can be read")
    about = item.get("conversation", {})
    if not isinstance(about, dict):
        raise BadTransfer(at(place, "conversation"), "it must be an object")
    stored = item.get("messages")
    if not isinstance(stored, list):
        raise BadTransfer(at(place, "messages"), "it must be a list")
    nodes = [
        _our_node(one, at(place, f"messages[{index}]"), index) for index, one in enumerate(stored)
    ]
    messages, indexes = ordered(nodes, place)
    mode, tags = about.get("mode"), about.get("tags")
    return ImportedConversation(
        place=place,
        title=title_of(about.get("title")),
        mode=mode if mode in _MODES else Mode.DEFAULT.value,
        system_instruction=text_of_value(about.get("system_instruction"))[:8000],
        tags=tuple(sorted({text_of_value(t)[:40].strip() for t in tags} - {""}))[:20]
        if isinstance(tags, list)
        else (),
        created_at=time_of_text(about.get("created_at"), at(place, "conversation.created_at")),
        updated_at=time_of_text(about.get("updated_at"), at(place, "conversation.updated_at")),
        messages=messages,
        leaf=indexes.get(str(about.get("leaf_id"))),
    )


def _our_node(one: Json, place: str, index: int) -> Node:
    if not isinstance(one, dict):
        raise BadTransfer(place, "a message must be an object")
    if not isinstance(one.get("id"), str):
        raise BadTransfer(at(place, "id"), "it must be a text")
    parent = one.get("parent_id")
    if parent is not None and not isinstance(parent, str):
        raise BadTransfer(at(place, "parent_id"), "it must be a text or null")
    role = one.get("role")
    if role not in _ROLES:
        raise BadTransfer(at(place, "role"), 'it must be "user" or "assistant"')
    text, reasoning = _our_text(one, place)
    said = one.get("kind", "chat") == "chat" and (text or reasoning)
    message = ImportedMessage(
        role=role,
        text=text,
        reasoning=reasoning,
        model=text_of_value(one.get("model"))[:_NAME_MAX],
        pinned=one.get("pinned") is True,
        created_at=time_of_text(one.get("created_at"), at(place, "created_at")),
    )
    return Node(
        id=one["id"], place=place, parent=parent, message=message if said else None, order=index
    )


def _our_text(one: Mapping[str, Json], place: str) -> tuple[str, str]:
    """Return text and reasoning of a message; files that were attached are named in the text."""
    parts = one.get("parts")
    if not isinstance(parts, list):
        if not isinstance(one.get("text"), str):
            raise BadTransfer(at(place, "text"), "it must be a text")
        return text_of_value(one["text"]), ""
    texts: list[str] = []
    thoughts: list[str] = []
    files: list[str] = []
    for index, part in enumerate(parts):
        if not isinstance(part, dict):
            raise BadTransfer(at(place, f"parts[{index}]"), "a part must be an object")
        if part.get("type") == "text":
            texts.append(text_of_value(part.get("text")))
        elif part.get("type") == "reasoning":
            thoughts.append(text_of_value(part.get("text")))
        elif part.get("type") == "attachment":
            files.append(f"[{text_of_value(part.get('name'))[:255]}]")
    text = "".join(texts)
    return "\n\n".join(filter(None, [text, " ".join(files)])), "".join(thoughts)


# -- ChatGPT's


def _read_chatgpt(item: Mapping[str, Json], place: str) -> ImportedConversation:
    mapping = item["mapping"]
    nodes = [
        _their_node(str(key), node, at(place, f"mapping.{text_of_value(key)[:_NAME_MAX]}"), index)
        for index, (key, node) in enumerate(mapping.items())
    ]
    messages, indexes = ordered(nodes, place, child_of="parent")
    return ImportedConversation(
        place=place,
        title=title_of(item.get("title")),
        created_at=time_of_number(item.get("create_time")),
        updated_at=time_of_number(item.get("update_time")),
        messages=messages,
        leaf=indexes.get(str(item.get("current_node"))),
    )


def _their_node(key: str, node: Json, place: str, index: int) -> Node:
    if not isinstance(node, dict):
        raise BadTransfer(place, "a node must be an object")
    parent = node.get("parent")
    if parent is not None and not isinstance(parent, str):
        raise BadTransfer(at(place, "parent"), "it must be a text or null")
    message = node.get("message")
    if message is not None and not isinstance(message, dict):
        raise BadTransfer(at(place, "message"), "it must be an object or null")
    read = _their_message(message, at(place, "message")) if message else None
    written = read.created_at.timestamp() if read and read.created_at else float("inf")
    return Node(
        id=key,
        place=place,
        parent=parent,
        message=read,
        order=written if written != float("inf") else 1e12 + index,
    )


def _their_message(message: Mapping[str, Json], place: str) -> ImportedMessage | None:
    author = message.get("author")
    if not isinstance(author, dict):
        raise BadTransfer(at(place, "author"), "it must be an object")
    role = author.get("role")
    about = message.get("metadata")
    about = about if isinstance(about, dict) else {}
    hidden = about.get("is_visually_hidden_from_conversation") is True
    to_a_tool = message.get("recipient") not in (None, "all")
    if role not in _ROLES or hidden or to_a_tool:
        return None
    content = message.get("content")
    if not isinstance(content, dict):
        raise BadTransfer(at(place, "content"), "it must be an object")
    text = _their_text(content, at(place, "content"))
    if not text.strip():
        return None
    return ImportedMessage(
        role=role,
        text=text,
        model=text_of_value(about.get("model_slug"))[:_NAME_MAX] if role == "assistant" else "",
        created_at=time_of_number(message.get("create_time")),
    )


def _their_text(content: Mapping[str, Json], place: str) -> str:
    kind = content.get("content_type")
    if kind == "code":
        language = text_of_value(content.get("language"))
        name = language if language.isalnum() and language != "unknown" else ""
        return f"```{name}\n{text_of_value(content.get('text'))}\n```"
    if kind not in ("text", "multimodal_text"):
        return ""  # thoughts, tool output, the person's settings: not part of what was said
    parts = content.get("parts")
    if not isinstance(parts, list):
        raise BadTransfer(at(place, "parts"), "it must be a list")
    return "\n\n".join(filter(None, map(_their_part, parts)))


def _their_part(part: Json) -> str:
    if isinstance(part, str):
        return text_of_value(part)
    if not isinstance(part, dict):
        return ""
    if part.get("content_type") == "audio_transcription":
        return text_of_value(part.get("text"))
    return "[image]" if "image" in str(part.get("content_type")) else "[file]"
