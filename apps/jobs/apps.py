"""Django's entry for `apps.jobs`."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from typing_extensions import override

from apps.audit.registry import register_actions


class JobsConfig(AppConfig):
    """Tasks, outbox, leases, dead letters."""

    name = "apps.jobs"
    label = "jobs"
    verbose_name = "Background work"

    @override
    def ready(self) -> None:
        """Declare audit actions; learn every app's tasks, which are enqueued by name."""
        register_actions({"jobs.dead_letter_replayed": "Dead letter replayed"})
        autodiscover_modules("tasks")
