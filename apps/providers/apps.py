"""Django's entry for `apps.providers`."""

from django.apps import AppConfig
from typing_extensions import override

from apps.audit.registry import register_actions
from apps.providers import builtin, plugged


class ProvidersConfig(AppConfig):
    """Registers the providers that ship with Karen and the adapters that packages bring."""

    name = "apps.providers"
    label = "providers"

    @override
    def ready(self) -> None:
        """Register providers and adapters; declare audit actions."""
        builtin.register_all()
        plugged.register_installed()
        register_actions(
            {
                "gateway.settings_changed": "Gateway settings changed",
                "provider.created": "Provider set up",
                "provider.changed": "Provider changed",
                "provider.deleted": "Provider deleted",
                "provider.examined": "Provider tried out",
                "provider.key_set": "Key of a provider set",
                "provider.key_removed": "Key of a provider removed",
                "provider.model_added": "Model added",
                "provider.model_changed": "Model changed",
                "provider.model_deleted": "Model deleted",
                "provider.models_ordered": "Models put in order",
                "routing_policy.created": "Routing policy added",
                "routing_policy.changed": "Routing policy changed",
                "routing_policy.deleted": "Routing policy deleted",
            }
        )
