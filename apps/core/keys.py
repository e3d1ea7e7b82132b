"""The only builder of keys that leave the database: cache, streams, limits, channels, paths.

Every key begins with the tenant's id, or with `platform` for what belongs to no tenant, so that
no spelling of user input can reach another tenant's keys.
"""

import re
from uuid import UUID

from apps.core import scope

_UNSAFE = re.compile(r"[^A-Za-z0-9._@-]")

PLATFORM = "platform"


def _part(value: str | int | UUID) -> str:
    text = value.hex if isinstance(value, UUID) else str(value)
    return _UNSAFE.sub(lambda match: f"%{ord(match.group()):x}%", text)


def platform_key(*parts: str | int | UUID) -> str:
    """Build a key of the platform itself: `platform:part:part`."""
    return ":".join([PLATFORM, *map(_part, parts)])


def tenant_key(*parts: str | int | UUID) -> str:
    """Build a key of the tenant in scope: `<tenant id>:part:part`.

    Raises:
        NoTenantInScope: No tenant is in scope.
    """
    return ":".join([scope.require().id.hex, *map(_part, parts)])


def named_key(owner: str, *parts: str | int | UUID) -> str:
    """Build a key of a tenant that is named by `id.hex`, or of the platform: `PLATFORM`.

    For work on behalf of several tenants in none's scope; everything else uses `tenant_key`.
    """
    return ":".join([_part(owner), *map(_part, parts)])


def scoped_key(*parts: str | int | UUID) -> str:
    """Build a tenant key inside a tenant and a platform key outside one."""
    return platform_key(*parts) if scope.current() is None else tenant_key(*parts)


def cache_key(key: str, key_prefix: str, version: int) -> str:
    """Build Django's cache keys (setting `KEY_FUNCTION`) with the scope in front."""
    return scoped_key("cache", key_prefix, version, key)
