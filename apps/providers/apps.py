"""Django's entry for `apps.providers`."""

from django.apps import AppConfig
from typing_extensions import override

from apps.audit.registry import register_actions
from apps.providers import builtin, plugged
from apps.providers.prompts.builtin import register_builtin_prompts


class ProvidersConfig(AppConfig):
    """Registers the providers, adapters and prompts that ship with Karen or that packages bring."""

    name = "apps.providers"
    label = "providers"

    @override
    def ready(self) -> None:
        """Register providers, adapters and prompts; declare audit actions."""
        builtin.register_all()
        plugged.register_installed()
        register_builtin_prompts()
        register_actions(
            {
                "guardrails.changed": "Guardrails changed",
                "prompt.version_created": "Version of a prompt written",
                "prompt.activated": "Version of a prompt activated",
                "prompt.rolled_back": "Prompt rolled back",
                "prompt.experiment_started": "Experiment with a prompt started",
                "prompt.experiment_stopped": "Experiment with a prompt stopped",
                "prompt.evaluation_set_saved": "Evaluation set of a prompt saved",
                "prompt.evaluation_set_deleted": "Evaluation set of a prompt deleted",
                "prompt.evaluation_started": "Evaluation of a prompt started",
                "gateway.settings_changed": "Gateway settings changed",
                "provider.created": "Provider set up",
                "provider.changed": "Provider changed",
                "provider.deleted": "Provider deleted",
                "provider.examined": "Provider tried out",
                "provider.key_set": "Key of a provider set",
                "provider.key_removed": "Key of a provider removed",
                "provider.key_refused": "Key refused by a provider",
                "provider.key_accepted": "Key accepted again by a provider",
                "provider.model_added": "Model added",
                "provider.model_changed": "Model changed",
                "provider.model_deleted": "Model deleted",
                "provider.models_ordered": "Models put in order",
                "routing_policy.created": "Routing policy added",
                "routing_policy.changed": "Routing policy changed",
                "routing_policy.deleted": "Routing policy deleted",
                "budget.created": "Budget created",
                "budget.changed": "Budget changed",
                "budget.deleted": "Budget deleted",
            }
        )
