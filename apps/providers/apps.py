"""Django's entry for `apps.providers`."""

from django.apps import AppConfig
from typing_extensions import override

from apps.audit.registry import register_actions
from apps.providers import builtin


class ProvidersConfig(AppConfig):
    """Registers the providers that ship with Karen."""

    name = "apps.providers"
    label = "providers"

    @override
    def ready(self) -> None:
        builtin.register_all()
        register_actions(
            {
                "budget.created": "Budget created",
                "budget.changed": "Budget changed",
                "budget.deleted": "Budget deleted",
            }
        )
