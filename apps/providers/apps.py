"""Django's entry for `apps.providers`."""

from django.apps import AppConfig
from typing_extensions import override

from apps.audit.registry import register_actions
from apps.providers import builtin
from apps.providers.prompts.builtin import register_builtin_prompts


class ProvidersConfig(AppConfig):
    """Registers the providers and prompts that ship with Karen."""

    name = "apps.providers"
    label = "providers"

    @override
    def ready(self) -> None:
        """Declare providers, prompts and audit actions."""
        builtin.register_all()
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
            }
        )
