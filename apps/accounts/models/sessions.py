"""What a browser carries: sessions, and tickets that take a person from one host to another."""

from importlib import import_module

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from typing_extensions import override

from apps.core.clock import now


class Session(AbstractBaseSession):
    """One browser's session on one host: a workspace's, or the platform's without a tenant.

    `session_key` is a digest of the key in the cookie (`sessions.stored_key`).

    Tenant and user are copied out of the session for queries. They carry no constraint in the
    database: a session must never stand in the way of anything, it just ends.
    """

    tenant = models.ForeignKey(
        "tenants.Tenant",
        on_delete=models.CASCADE,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name="workspace",
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )

    class Meta(AbstractBaseSession.Meta):
        ordering = ("-expire_date",)
        indexes = (
            models.Index(fields=("user", "tenant"), name="session_user_tenant"),
            models.Index(fields=("tenant", "expire_date"), name="session_tenant_expiry"),
        )

    @override
    def __str__(self) -> str:
        return self.session_key[:8]

    @classmethod
    @override
    def get_session_store_class(cls) -> type[SessionBase]:
        """Return the store that encodes these rows; the store needs this model."""
        store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
        return store


class EntryToken(models.Model):
    """A ticket into one workspace for one person: kept as a digest, used once, short-lived."""

    digest = models.CharField(max_length=64, primary_key=True, editable=False)
    tenant_id = models.UUIDField(editable=False)
    user_id = models.UUIDField(editable=False)
    expires_at = models.DateTimeField(db_index=True, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ("created_at",)

    @override
    def __str__(self) -> str:
        return f"for {self.user_id} into {self.tenant_id}"
