"""The permissions that conversations ask for."""

from apps.accounts.permissions import CHAT_USER

CHAT = CHAT_USER
