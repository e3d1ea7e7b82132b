"""The permissions that prompts ask for."""

from apps.accounts.permissions import CHAT_CONFIG_EDIT, TENANT_ADMIN

READ_PROMPTS = CHAT_CONFIG_EDIT
EDIT_PROMPTS = TENANT_ADMIN
