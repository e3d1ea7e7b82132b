"""Tickets that take a signed-in person from one host to a workspace's host.

Cookies belong to one host, so the platform cannot sign anybody in on another. A ticket is random,
kept only as a digest, valid for a minute, for one person in one workspace, and gone once used.
"""

import hashlib
import secrets
from datetime import timedelta
from uuid import UUID

from django.db import connection

from apps.accounts.models.sessions import EntryToken
from apps.core.clock import now

LIFETIME = timedelta(seconds=60)

_TOKEN_BYTES = 32
_TOKEN_LENGTH_MAX = 100


def _digest(token: str) -> str:
    # The token has 256 bits of its own; a plain digest is enough to keep it out of the database.
    return hashlib.sha256(token.encode()).hexdigest()


def make_token(*, user_id: UUID, tenant_id: UUID) -> str:
    """Store a ticket and return it; tickets nobody used in time are swept on the way."""
    moment = now()
    EntryToken.objects.filter(expires_at__lt=moment).delete()
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    EntryToken.objects.create(
        digest=_digest(token), tenant_id=tenant_id, user_id=user_id, expires_at=moment + LIFETIME
    )
    return token


def take_token(token: str, *, tenant_id: UUID) -> UUID | None:
    """Use up a ticket and return its person; None when it is not valid for this tenant.

    One DELETE decides: of two browsers that present the same ticket at once, one gets in.
    """
    if not token or len(token) > _TOKEN_LENGTH_MAX:
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM public.accounts_entrytoken"
            " WHERE digest = %s AND tenant_id = %s AND expires_at > %s RETURNING user_id",
            [_digest(token), tenant_id, now()],
        )
        row = cursor.fetchone()
    return row[0] if row else None
