"""The session engine (`SESSION_ENGINE`): sessions that exist on one host only.

Every query filters by the tenant in scope. A key of one workspace presented to another, or to the
platform, names nothing there: the condition stands in the query, so a check forgotten elsewhere
cannot undo it. The table holds digests of keys: who can read it, or the operators' admin, cannot
take over a session.
"""

import hashlib
from typing import Any
from uuid import UUID

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import (
    VALID_KEY_CHARS,
    CreateError,
    SessionBase,
    UpdateError,
)
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.crypto import get_random_string
from typing_extensions import override

from apps.accounts.models.sessions import Session
from apps.core import scope
from apps.core.clock import now
from apps.core.concurrency import platform_db

_KEY_LENGTH = 32  # of 36 letters: 165 bits, so nobody needs to ask whether a key is taken


def _tenant_id() -> UUID | None:
    tenant = scope.current()
    return tenant.id if tenant else None


def stored_key(session_key: str) -> str:
    """Return what the table holds instead of a key: 160 bits, as wide as Django's column."""
    return hashlib.blake2b(session_key.encode(), digest_size=20).hexdigest()


def _row(session_key: str | None) -> QuerySet[Session]:
    if session_key is None:
        return Session.objects.none()
    return Session.objects.filter(Q(tenant_id=_tenant_id()), session_key=stored_key(session_key))


class SessionStore(SessionBase):
    """Sessions of the host in scope."""

    # Overrides that the stubs do not know: Django asks the database whether a key is taken.

    def _get_new_session_key(self) -> str:
        return get_random_string(_KEY_LENGTH, VALID_KEY_CHARS)

    async def _aget_new_session_key(self) -> str:
        return self._get_new_session_key()

    @override
    def load(self) -> dict[str, Any]:
        """Return the data behind the key; nothing when it is unknown here or has expired."""
        row = _row(self.session_key).filter(expire_date__gt=now()).first()
        if row is None:
            self._session_key = None
            return {}
        return self.decode(row.session_data)

    @override
    def exists(self, session_key: str) -> bool:
        """Say whether the key is known on this host."""
        return _row(session_key).exists()

    @override
    def create(self) -> None:
        """Begin a new session under a fresh key."""
        while True:
            self._session_key = self._get_new_session_key()
            try:
                self.save(must_create=True)
            except CreateError:
                continue
            self.modified = True
            return

    @override
    def save(self, must_create: bool = False) -> None:
        """Write the session.

        Raises:
            CreateError: `must_create` and the key is taken.
            UpdateError: The row is gone, for instance by a logout in another tab.
        """
        if self.session_key is None:
            self.create()
            return
        data = self._get_session(no_load=must_create)  # type: ignore[attr-defined]  # not in stubs
        values = {
            "session_data": self.encode(data),
            "expire_date": self.get_expiry_date(),
            "user_id": data.get(SESSION_KEY),
        }
        if not must_create:
            if not _row(self.session_key).update(**values):
                raise UpdateError
            return
        try:
            with transaction.atomic():
                Session.objects.create(
                    session_key=stored_key(self.session_key), tenant_id=_tenant_id(), **values
                )
        except IntegrityError as error:
            raise CreateError from error

    @override
    def delete(self, session_key: str | None = None) -> None:
        """Forget a session of this host; this one when no key is given."""
        key = session_key or self.session_key
        if key is not None:
            _row(key).delete()

    @classmethod
    @override
    def clear_expired(cls) -> None:
        """Remove what has expired, on all hosts."""
        Session.objects.filter(expire_date__lt=now()).delete()

    # The asynchronous half. SessionBase would go through Django's own thread for each of them.

    @override
    async def aload(self) -> dict[str, Any]:
        """See `load`."""
        return await platform_db(self.load)

    @override
    async def aexists(self, session_key: str) -> bool:
        """See `exists`."""
        return await platform_db(self.exists, session_key)

    @override
    async def acreate(self) -> None:
        """See `create`."""
        await platform_db(self.create)

    @override
    async def asave(self, must_create: bool = False) -> None:
        """See `save`."""
        await platform_db(self.save, must_create)

    @override
    async def adelete(self, session_key: str | None = None) -> None:
        """See `delete`."""
        await platform_db(self.delete, session_key)

    @classmethod
    @override
    async def aclear_expired(cls) -> None:
        """See `clear_expired`."""
        await platform_db(cls.clear_expired)
