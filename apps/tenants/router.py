"""The guard that keeps tenant content out of `public`.

Which tables exist in which schema is django-tenants' own router's business; this one stands
before it and only looks at reads and writes.
"""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.db.models import Model

from apps.core import scope


class TenantContentGuard:
    """Refuses to read or write a tenant's content outside any tenant."""

    def db_for_read(self, model: type[Model], **_hints: Any) -> None:
        """Let a read through, after the guard.

        Raises:
            NoTenantInScope: The model is tenant content and no tenant is in scope.
        """
        self._guard(model)

    def db_for_write(self, model: type[Model], **_hints: Any) -> None:
        """Let a write through, after the guard.

        Raises:
            NoTenantInScope: The model is tenant content and no tenant is in scope.
        """
        self._guard(model)

    @staticmethod
    def _guard(model: type[Model]) -> None:
        # The model behind `django_migrations` belongs to no installed app.
        config = apps.app_configs.get(model._meta.app_label)
        if config is not None and config.name in settings.TENANT_APPS:
            scope.require()
