"""Django's entry for `apps.api`."""

from django.apps import AppConfig
from typing_extensions import override


class ApiConfig(AppConfig):
    """Assembles what other apps offer over HTTP; owns no tables."""

    name = "apps.api"
    label = "api"

    @override
    def ready(self) -> None:
        from apps.api import readiness  # it reaches models, which exist only now

        readiness.register()
