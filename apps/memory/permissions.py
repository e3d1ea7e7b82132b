"""The permissions that memories ask for."""

from apps.accounts.permissions import MEMORY_READ, MEMORY_WRITE

READ = MEMORY_READ
WRITE = MEMORY_WRITE
