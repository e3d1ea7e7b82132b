"""From a role to the permission codes it gives.

A role has its own codes and those of its parent, and so on upwards. Two codes imply others:
`<area>.admin` stands for every code of its area, and `tenant.admin` for `chat.admin` too.
"""

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

LINEAGE_MAX = 5  # a role and four ancestors; readers join that many rows, so it is a real limit

_ADMIN_SUFFIX = ".admin"
_ALSO_ADMIN_OF: Mapping[str, str] = {"tenant.admin": "chat.admin"}


class RoleCycle(ValueError):
    """A role would inherit from itself."""


class LineageTooLong(ValueError):
    """A role has more ancestors than are read."""


class UnknownRole(LookupError):
    """A role or a parent is not among the roles given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSpec:
    """What a role says about itself.

    Attributes:
        parent: The role it inherits from.
        permissions: Its own codes.
    """

    parent: Hashable | None = None
    permissions: frozenset[str] = field(default_factory=frozenset)


def lineage(role: Hashable, roles: Mapping[Any, RoleSpec]) -> tuple[RoleSpec, ...]:
    """Return `role` and its ancestors, nearest first.

    Raises:
        UnknownRole: The role or an ancestor is missing from `roles`.
        RoleCycle: An ancestor inherits from a role below it.
        LineageTooLong: There are more than `LINEAGE_MAX` roles.
    """
    path: list[RoleSpec] = []
    seen: set[Hashable] = set()
    at: Hashable | None = role
    while at is not None:
        if at in seen:
            raise RoleCycle(at)
        if at not in roles:
            raise UnknownRole(at)
        if len(path) == LINEAGE_MAX:
            raise LineageTooLong(role)
        seen.add(at)
        path.append(roles[at])
        at = roles[at].parent
    return tuple(path)


def implied(codes: Collection[str], *, known: Collection[str]) -> frozenset[str]:
    """Return `codes` with everything they stand for.

    Args:
        codes: Codes that were granted; unknown ones, such as retired ones, count for nothing.
        known: Every code there is; an area's admin holds those of its area.
    """
    granted = set(codes) & set(known)
    granted |= {_ALSO_ADMIN_OF[code] for code in granted if code in _ALSO_ADMIN_OF}
    areas = {code.removesuffix("admin") for code in granted if code.endswith(_ADMIN_SUFFIX)}
    return frozenset(granted | {code for code in known if code.startswith(tuple(areas))})


def permissions_of(
    role: Hashable, roles: Mapping[Any, RoleSpec], *, known: Collection[str]
) -> frozenset[str]:
    """Return every code `role` gives, inherited and implied ones included.

    Raises:
        UnknownRole: The role or an ancestor is missing from `roles`.
        RoleCycle: An ancestor inherits from a role below it.
        LineageTooLong: There are more than `LINEAGE_MAX` roles.
    """
    own = [spec.permissions for spec in lineage(role, roles)]
    return implied(frozenset().union(*own), known=known)
