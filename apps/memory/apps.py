"""Django's entry for `apps.memory`."""

from django.apps import AppConfig
from typing_extensions import override

from apps.audit.registry import register_actions
from apps.jobs.registry import register_lease_handler
from apps.providers.registry import Collection, register_collection


class MemoryConfig(AppConfig):
    """Memories: a tenant's content."""

    name = "apps.memory"
    label = "memory"

    @override
    def ready(self) -> None:
        """Declare audit actions, prompts, the memories' vectors, and who minds their leases."""
        from apps.memory.prompts import register_reading_prompt  # apps are loaded only now
        from apps.memory.reembedding import (  # apps are loaded only now
            REEMBED_TASK,
            count_by_model,
        )
        from apps.memory.services.consolidation import (  # apps are loaded only now
            LEASE,
            recover_consolidation,
        )
        from apps.memory.summarising import register_memory_prompts  # apps are loaded only now

        register_reading_prompt()
        register_lease_handler(LEASE, recover_consolidation)
        register_memory_prompts()
        register_collection(
            Collection(name="memories", count_by_model=count_by_model, task=REEMBED_TASK)
        )
        register_actions(
            {
                "memory.remembered": "Memory kept",
                "memory.learnt": "Memories taken from a message",
                "memory.full": "Memory full: something was not learnt",
                "memory.updated": "Memory changed",
                "memory.forgotten": "Memory erased",
                "memory.restored": "Memory restored",
                "memory.policy_changed": "Policy of the workspace's memory changed",
                "memory.changeset_applied": "Memories changed together",
                "memory.changeset_undone": "Changes of memories undone",
                "memory.looked_at": "Memories of somebody else looked at",
            }
        )
