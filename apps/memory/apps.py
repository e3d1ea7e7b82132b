"""Django's entry for `apps.memory`."""

from django.apps import AppConfig
from typing_extensions import override

from apps.audit.registry import register_actions


class MemoryConfig(AppConfig):
    """Memories: a tenant's content."""

    name = "apps.memory"
    label = "memory"

    @override
    def ready(self) -> None:
        """Declare audit actions."""
        register_actions(
            {
                "memory.remembered": "Memory kept",
                "memory.updated": "Memory changed",
                "memory.forgotten": "Memory erased",
            }
        )
