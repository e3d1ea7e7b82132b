"""Who a session belongs to, and what they may do here."""

from typing import Any
from uuid import UUID

from allauth.account.auth_backends import AuthenticationBackend
from typing_extensions import override

from apps.accounts import selectors
from apps.accounts.models.users import User
from apps.core import scope
from apps.core.concurrency import platform_db


class MembershipBackend(AuthenticationBackend):  # type: ignore[misc]  # untyped library
    """Log in by e-mail and password; inside a workspace only its members exist.

    Permission codes of a workspace come from the membership, never from Django's permission
    tables; these serve the operators' admin on the platform's own host.
    """

    @override
    def get_user(self, user_id: UUID) -> User | None:
        """Return the user of a session, asked on every request; None where they are no member."""
        tenant = scope.current()
        if tenant is not None:
            return selectors.find_member(user_id, tenant)
        user: User | None = super().get_user(user_id)
        return user

    @override
    async def aget_user(self, user_id: UUID) -> User | None:
        """See `get_user`."""
        return await platform_db(self.get_user, user_id)

    @override
    def has_perm(self, user_obj: Any, perm: str, obj: object = None) -> bool:
        """Say whether the user may do `perm` in the workspace in scope, or on the platform."""
        tenant = scope.current()
        if tenant is None:
            return bool(super().has_perm(user_obj, perm, obj))
        if not isinstance(user_obj, User) or obj is not None:
            return False
        actor = user_obj.remembered_actor(tenant.id) or selectors.actor_for(user_obj.pk, tenant)
        return actor is not None and actor.may(perm)

    @override
    async def ahas_perm(self, user_obj: Any, perm: str, obj: object = None) -> bool:
        """See `has_perm`."""
        return await platform_db(self.has_perm, user_obj, perm, obj)
