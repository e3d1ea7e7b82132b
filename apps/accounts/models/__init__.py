"""The platform's book of people."""

from apps.accounts.models.memberships import Membership
from apps.accounts.models.roles import Role
from apps.accounts.models.sessions import EntryToken, Session
from apps.accounts.models.users import User

__all__ = ["EntryToken", "Membership", "Role", "Session", "User"]
