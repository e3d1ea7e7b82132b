"""Permission codes and the built-in roles. Codes are a contract: append-only.

A code is held in one workspace, through the role of a membership there. Roles inherit from their
parent; two codes stand for others as well (`domain.policy`).
"""

from collections.abc import Mapping
from typing import Final

CHAT_USER: Final = "chat.user"
CHAT_TOOLS_SEARCH: Final = "chat.tools.search"
CHAT_TOOLS_CODE: Final = "chat.tools.code"
CHAT_MODE_SWITCH: Final = "chat.mode.switch"
CHAT_CONFIG_EDIT: Final = "chat.config.edit"
CHAT_PERSONA_CHANGE: Final = "chat.persona.change"
CHAT_ADMIN: Final = "chat.admin"
MEMORY_READ: Final = "memory.read"
MEMORY_WRITE: Final = "memory.write"
MEMORY_AUDIT: Final = "memory.audit"  # of no built-in role: it is given on purpose, or to nobody
TENANT_MEMBERS: Final = "tenant.members"
TENANT_ADMIN: Final = "tenant.admin"

PERMISSIONS: Final[Mapping[str, str]] = {
    CHAT_USER: "Chat with the assistant",
    CHAT_TOOLS_SEARCH: "Let the assistant search",
    CHAT_TOOLS_CODE: "Let the assistant run code",
    CHAT_MODE_SWITCH: "Switch the mode of a conversation",
    CHAT_CONFIG_EDIT: "Edit the configuration of a conversation",
    CHAT_PERSONA_CHANGE: "Change the assistant's persona",
    CHAT_ADMIN: "Everything about chat",
    MEMORY_READ: "Read what the assistant remembers",
    MEMORY_WRITE: "Change what the assistant remembers",
    MEMORY_AUDIT: "See what is remembered about others, with a reason that is written down",
    TENANT_MEMBERS: "Manage the members of the workspace",
    TENANT_ADMIN: "Everything about the workspace and its chat",
}

ALL: Final = frozenset(PERMISSIONS)

OWNER: Final = "owner"
ADMIN: Final = "admin"
MEMBER: Final = "member"
GUEST: Final = "guest"
