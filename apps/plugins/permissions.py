"""The permissions that tools ask for."""

from apps.accounts.permissions import CHAT_TOOLS_SEARCH, CHAT_USER, MEMORY_READ

USE = CHAT_USER
SEARCH = CHAT_TOOLS_SEARCH
RECALL = MEMORY_READ
