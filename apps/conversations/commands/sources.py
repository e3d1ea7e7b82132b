"""Where commands get what other parts know: the search, and the tools of plugins."""

from apps.conversations.chat_tools import find_by_search
from apps.conversations.registry import (
    FoundMessage,
    ToolLine,
    register_message_finder,
    register_tool_lister,
)
from apps.core.scope import Actor
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


def register_sources() -> None:
    """Name them; called once, from `AppConfig.ready`."""
    register_message_finder(search_messages)
    register_tool_lister(tools_of)
