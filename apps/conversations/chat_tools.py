"""Tools that look into what the person told Karen before: other conversations, and memory.

They live here because plugins may not import conversations. What does the searching is handed in,
so that a better search replaces the simple one without a change to the tools.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import redis
from django.db import DatabaseError
from pydantic import Field

from apps.conversations.permissions import CHAT
from apps.conversations.search.contracts import LIMIT_MAX, Filters, SearchQuery
from apps.conversations.search.service import find_messages
from apps.core.errors import KarenError
from apps.core.logging import get_logger
from apps.core.scope import Actor
from apps.memory import recall as memory
from apps.plugins.contracts import Arguments, Tool, ToolContext, ToolResult
from apps.plugins.errors import ToolRetry
from apps.plugins.permissions import RECALL, SEARCH
from apps.plugins.registry import register_tool, unregister_tool

logger = get_logger(__name__)

SEARCH_CONVERSATIONS = "search_conversations"
SEARCH_MEMORY = "search_memory"
_AWAY = (KarenError, DatabaseError, redis.RedisError)
_WORD = re.compile(r"\w{4,}")
_SNIPPET = 300
_MOST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A message that was found, with a snippet of its text."""

    conversation_id: UUID
    message_id: UUID | None
    title: str
    text: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """Something that is remembered about the person."""

    text: str
    created_at: datetime | None = None


# (who asks, for what, how many at most) → best first. Only what the person may see.
FindMessages: TypeAlias = Callable[[Actor, str, int], Sequence[Found]]
Recall: TypeAlias = Callable[[Actor, str, int], Sequence[Recalled]]


class ConversationQuery(Arguments):
    """What is looked for in other conversations."""

    query: str = Field(min_length=1, max_length=200, description="A few words that it contains.")
    limit: int = Field(default=5, ge=1, le=_MOST)


class MemoryQuery(Arguments):
    """What is looked for in memory."""

    query: str = Field(min_length=1, max_length=200, description="What to remember.")
    limit: int = Field(default=5, ge=1, le=_MOST)


def find_by_search(actor: Actor, query: str, limit: int) -> list[Found]:
    """Return what the search over the person's conversations finds, best first."""
    if not actor.may(CHAT):
        return []
    # A tool does not know who reads its answer: what somebody marked is left out for everyone.
    asked = SearchQuery(text=query, limit=min(limit, LIMIT_MAX), filters=Filters(unmarked=True))
    page = find_messages(actor, asked)
    return [
        Found(
            conversation_id=hit.conversation_id,
            message_id=hit.message_id,
            title=hit.title,
            text=" ".join(hit.snippet.split())[:_SNIPPET],
            created_at=hit.created_at,
        )
        for hit in page.hits
    ]


def recall_memories(actor: Actor, query: str, limit: int) -> list[Recalled]:
    """Return what is remembered about the person and fits the query, best first."""
    if actor.id is None:
        return []
    return [
        Recalled(text=found.text)
        for found in memory.recall(query=query, subject_id=actor.id, k=limit)
    ]


def _conversation_search(find: FindMessages) -> Tool:
    def search(context: ToolContext, arguments: ConversationQuery) -> ToolResult:
        if not arguments.query.strip():
            raise ToolRetry("Give a few words to look for.")
        # One more than asked for: the present conversation is known already and left out.
        found = [
            each
            for each in find(context.actor, arguments.query, arguments.limit + _MOST)
            if each.conversation_id != context.conversation_id
        ][: arguments.limit]
        if not found:
            return ToolResult(text="Nothing was found in other conversations.", data={"found": []})
        lines = [
            f"- {each.created_at:%Y-%m-%d}, “{each.title or 'Untitled'}”: {each.text}"
            for each in found
        ]
        places = [
            {
                "conversation_id": str(each.conversation_id),
                "message_id": str(each.message_id) if each.message_id else None,
                "title": each.title,
            }
            for each in found
        ]
        return ToolResult(text="\n".join(lines), data={"found": places})

    return Tool(
        name=SEARCH_CONVERSATIONS,
        title="Search conversations",
        description=(
            "Search this person's other conversations. Use it when they refer to something that "
            "was said before and is not in this conversation."
        ),
        parameters=ConversationQuery,
        run=search,
        permission=SEARCH,
        per_minute=30,
    )


def _memory_search(recall: Recall) -> Tool:
    def search(context: ToolContext, arguments: MemoryQuery) -> ToolResult:
        found = recall(context.actor, arguments.query, arguments.limit)
        if not found:
            return ToolResult(text="Nothing is remembered about that.", data={"found": []})
        lines = [
            f"- {each.text}" + (f" ({each.created_at:%Y-%m-%d})" if each.created_at else "")
            for each in found
        ]
        return ToolResult(text="\n".join(lines), data={"found": [each.text for each in found]})

    return Tool(
        name=SEARCH_MEMORY,
        title="Search memory",
        description=(
            "Search what is remembered about this person: facts, preferences, plans. Use it when "
            "an answer would be better with them."
        ),
        parameters=MemoryQuery,
        run=search,
        permission=RECALL,
        per_minute=30,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sources:
    find: FindMessages
    recall: Recall | None


_sources: list[_Sources] = []


def register_search_tools(*, find: FindMessages, recall: Recall | None = None) -> None:
    """Register the tools with what does their searching; a second time replaces the first.

    Args:
        find: Finds messages that the person may see.
        recall: Finds memories of the person; None where there is no memory.
    """
    for name in (SEARCH_CONVERSATIONS, SEARCH_MEMORY):
        unregister_tool(name)
    _sources[:] = [_Sources(find=find, recall=recall)]
    register_tool(_conversation_search(find))
    if recall is not None:
        register_tool(_memory_search(recall))


def related_lines(
    *, actor: Actor, text: str, leave_out: UUID, memories: bool = True, limit: int = 3
) -> list[str]:
    """Return what may help with `text` while no model can be reached: memories, then messages.

    Each of the two may be missing or away: then the other one is all there is.

    Args:
        actor: Who asks; nothing that is not theirs is found.
        text: The question.
        leave_out: The present conversation.
        memories: Whether this conversation may draw on what is remembered.
        limit: Most lines of each kind.
    """
    # Long words say most about a question; each alone, because all of them are rarely together.
    words = sorted(set(_WORD.findall(text)), key=lambda word: (-len(word), word))[:3]
    lines: list[str] = []
    for source in _sources:
        if memories and source.recall is not None and actor.may(RECALL):
            lines += _remembered(source.recall, actor, text[:200], limit)
        for word in words if actor.may(SEARCH) else ():
            found = _found(source.find, actor, word, leave_out)
            if found:
                return lines + found[:limit]
    return lines


def _remembered(recall: Recall, actor: Actor, text: str, limit: int) -> list[str]:
    try:
        return [f"- {each.text}" for each in recall(actor, text, limit)]
    except _AWAY as error:
        logger.warning("degraded.memory_away", reason=type(error).__name__)
        return []


def _found(find: FindMessages, actor: Actor, word: str, leave_out: UUID) -> list[str]:
    try:
        return [
            f"- **{each.title or 'Untitled'}** ({each.created_at:%Y-%m-%d}): {each.text}"
            for each in find(actor, word, _MOST)
            if each.conversation_id != leave_out
        ]
    except _AWAY as error:
        logger.warning("degraded.search_away", reason=type(error).__name__)
        return []
