"""The permissions that memories ask for."""

from apps.accounts.permissions import MEMORY_AUDIT, MEMORY_READ, MEMORY_WRITE, TENANT_ADMIN

READ = MEMORY_READ
WRITE = MEMORY_WRITE
AUDIT = MEMORY_AUDIT
ADMINISTER = TENANT_ADMIN
