"""Django's entry for `apps.audit`."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Append-only record; knows tenant and actor by id and label only."""

    name = "apps.audit"
    label = "audit"
