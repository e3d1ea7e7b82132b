"""Django's entry for `apps.memory`."""

from django.apps import AppConfig
from typing_extensions import override

from apps.audit.registry import register_actions
from apps.providers.registry import Collection, register_collection


class MemoryConfig(AppConfig):
    """Memories: a tenant's content."""

    name = "apps.memory"
    label = "memory"

    @override
    def ready(self) -> None:
        """Declare audit actions, and the memories' vectors."""
        from apps.memory.reembedding import (  # apps are loaded only now
            REEMBED_TASK,
            count_by_model,
        )

        register_collection(
            Collection(name="memories", count_by_model=count_by_model, task=REEMBED_TASK)
        )
        register_actions(
            {
                "memory.remembered": "Memory kept",
                "memory.updated": "Memory changed",
                "memory.forgotten": "Memory erased",
            }
        )
