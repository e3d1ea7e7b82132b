"""Where commands get what other parts know: the search, the tools of plugins, the memory."""

from uuid import UUID

from apps.accounts.permissions import MEMORY_READ, MEMORY_WRITE
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
    """What `/memory` works with: the actor's own memories."""

    def remember(self, *, actor: Actor, text: str) -> str:
        """Remember a text for the actor; return its id."""
        kept = memory.remember(actor=actor, permission=MEMORY_WRITE, text=text)
        return str(kept.memory.id)

    def recall(self, *, actor: Actor, limit: int) -> list[MemoryLine]:
        """Return the newest things remembered for the actor."""
        rows = memories.list_memories(actor=actor, permission=MEMORY_READ).order_by("-id")
        return [MemoryLine(id=str(row.pk), text=row.text) for row in rows[:limit]]

    def forget(self, *, actor: Actor, memory_id: str) -> bool:
        """Forget one thing; return whether there was such a thing of the actor's."""
        try:
            memory.forget(actor=actor, permission=MEMORY_WRITE, memory_id=UUID(memory_id))
        except (MemoryNotFound, ValueError):  # an id that is none names nothing
            return False
        return True


def register_sources() -> None:
    """Name them; called once, from `AppConfig.ready`."""
    register_message_finder(search_messages)
    register_tool_lister(tools_of)
    register_memory_book(Memories())
