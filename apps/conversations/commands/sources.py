"""Where commands get what other parts know: the search, memories, and the tools of plugins."""

from contextlib import suppress
from uuid import UUID

from apps.conversations.chat_tools import find_by_search
from apps.conversations.registry import (
    FoundMessage,
    MemoryLine,
    ToolLine,
    register_memory_book,
    register_message_finder,
    register_tool_lister,
)
from apps.core.scope import Actor
from apps.memory import selectors as memories, services as memory
from apps.memory.errors import MemoryNotFound
from apps.memory.permissions import READ, WRITE
from apps.plugins import selectors as plugins


def search_messages(actor: Actor, text: str, limit: int) -> list[FoundMessage]:
    """Return what the search finds for `/search`, best first."""
    return [
        FoundMessage(
            conversation_id=found.conversation_id,
            message_id=found.message_id,
            title=found.title,
            excerpt=found.text,
        )
        for found in find_by_search(actor, text, limit)
    ]


def tools_of(actor: Actor) -> list[ToolLine]:
    """Return the tools that `/tools` lists."""
    return [
        ToolLine(name=tool.name, title=tool.title, description=tool.description, allowed=True)
        for tool in plugins.list_tools(actor=actor)
    ]


class Memories:
    """The person's memories, for `/memory`."""

    def remember(self, *, actor: Actor, text: str, conversation_id: UUID) -> str:
        """Remember a text, once.

        Raises:
            MemoryHoldsSecret: It holds something that is never remembered.
            InvalidInput: It is empty or too long.
        """
        del conversation_id  # a memory is about the person, wherever it was said
        return str(memory.remember(actor=actor, permission=WRITE, text=text).memory.id)

    def recall(self, *, actor: Actor, limit: int) -> list[MemoryLine]:
        """Return the newest memories."""
        rows = memories.list_memories(actor=actor, permission=READ).order_by("-id")[:limit]
        return [MemoryLine(id=str(row.pk), text=row.text) for row in rows]

    def forget(self, *, actor: Actor, memory_id: str) -> bool:
        """Forget one; return whether there was such a one."""
        with suppress(ValueError, MemoryNotFound):
            memory.forget(actor=actor, permission=WRITE, memory_id=UUID(memory_id))
            return True
        return False


def register_sources() -> None:
    """Name them; called once, from `AppConfig.ready`."""
    register_message_finder(search_messages)
    register_tool_lister(tools_of)
    register_memory_book(Memories())
