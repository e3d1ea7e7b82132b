"""The platform's book of people."""

from apps.accounts.models.api_keys import ApiKey
from apps.accounts.models.memberships import Membership
from apps.accounts.models.roles import Role
from apps.accounts.models.sessions import EntryToken, Session
from apps.accounts.models.users import User

__all__ = ["ApiKey", "EntryToken", "Membership", "Role", "Session", "User"]
