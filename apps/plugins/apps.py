"""Django's entry for `apps.plugins`."""

from django.apps import AppConfig
from typing_extensions import override

from apps.audit.registry import register_actions
from apps.plugins.builtin.registration import register_all
from apps.plugins.contracts import TOOL_CALLED


class PluginsConfig(AppConfig):
    """What the model can call; owns no tables yet."""

    name = "apps.plugins"
    label = "plugins"

    @override
    def ready(self) -> None:
        """Register the built-in tools and declare the audit action."""
        register_all()
        register_actions({TOOL_CALLED: "Tool called by the assistant"})
