"""People: one account for all the workspaces somebody belongs to."""

from typing import Any, ClassVar
from uuid import UUID

from django.contrib.auth import get_backends
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from typing_extensions import override

from apps.core import scope
from apps.core.clock import now
from apps.core.ids import new_id
from apps.core.scope import Actor


def normalised_email(email: str | None) -> str:
    """Return the one spelling under which an address is stored: trimmed, lower case."""
    return (email or "").strip().lower()


class UserManager(BaseUserManager["User"]):
    """Makes people with a normalised address and a hashed password."""

    @override
    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user with this address, however it is typed."""
        return self.get(email=normalised_email(username))

    def create_user(self, email: str, password: str | None = None, **values: Any) -> "User":
        """Store a person; without a password nobody can log in with one."""
        user = self.model(email=normalised_email(email), **values)
        user.set_password(password)
        user.save(force_insert=True, using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **values: Any) -> "User":
        """Store an operator; Django's own command calls this."""
        return self.create_user(
            email, password, **{**values, "is_staff": True, "is_superuser": True}
        )


class User(AbstractBaseUser, PermissionsMixin):
    """One person. What they may do in a workspace hangs on their membership there.

    Staff and superuser say something about the platform's own host only: they open the operators'
    admin and mean nothing inside a workspace.
    """

    EMAIL_FIELD = "email"
    USERNAME_FIELD = "email"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    email = models.EmailField(
        max_length=254,
        unique=True,
        error_messages={"unique": "An account has this address already."},
    )
    name = models.CharField(max_length=120, blank=True, default="")
    is_active = models.BooleanField(
        default=True, help_text="Off: the person is signed out everywhere and cannot log in."
    )
    is_staff = models.BooleanField("operator", default=False, help_text="May open this admin.")
    created_at = models.DateTimeField(default=now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    # Who this object was found to be in one tenant, so that a request asks the database once.
    _workspace_actor: tuple[UUID, Actor] | None = None

    class Meta:
        ordering = ("email",)
        verbose_name = "user"
        verbose_name_plural = "users"
        constraints = (
            # With the unique index on `email`: unique in any case.
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")), name="user_email_is_lower_case"
            ),
        )

    @override
    def __str__(self) -> str:
        return self.email

    @property
    def label(self) -> str:
        """The name people see; the address when no name was given."""
        return self.name or self.email

    @override
    def clean(self) -> None:
        """Normalise the address; the admin's forms come through here."""
        self.email = normalised_email(self.email)

    def get_full_name(self) -> str:
        """Return the name people see; the admin asks for it."""
        return self.label

    def get_short_name(self) -> str:
        """Return the name people see; the admin asks for it."""
        return self.label

    @override
    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Say whether the user may do `perm` here.

        On the platform's host as in Django; inside a workspace only the membership counts, also
        for superusers, whom Django would let pass before any backend is asked.
        """
        if scope.current() is None:
            return super().has_perm(perm, obj)
        return any(backend.has_perm(self, perm, obj) for backend in get_backends())

    @override
    def has_module_perms(self, app_label: str) -> bool:
        """Say whether the admin shows an app; there is no admin inside a workspace."""
        return scope.current() is None and super().has_module_perms(app_label)

    def remember_actor(self, tenant_id: UUID, actor: Actor) -> None:
        """Keep who this user is in a tenant, for the life of this object."""
        self._workspace_actor = (tenant_id, actor)

    def remembered_actor(self, tenant_id: UUID) -> Actor | None:
        """Return what `remember_actor` kept for this tenant."""
        if self._workspace_actor is None or self._workspace_actor[0] != tenant_id:
            return None
        return self._workspace_actor[1]
