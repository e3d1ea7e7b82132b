"""Django's entry for `apps.tenants`."""

from django.apps import AppConfig
from typing_extensions import override

from apps.audit.registry import register_actions


class TenantsConfig(AppConfig):
    """Organisations, their host names and their schemas."""

    name = "apps.tenants"
    label = "tenants"
    verbose_name = "Workspaces"

    @override
    def ready(self) -> None:
        """Declare audit actions and tell jobs how to find a task's tenant."""
        from apps.jobs.registry import register_tenant_resolver  # apps are loaded only now
        from apps.tenants.selectors import find_active_ref, find_ref  # apps are loaded only now

        register_actions(
            {
                "tenant.provisioned": "Workspace created",
                "tenant.suspended": "Workspace suspended",
                "tenant.resumed": "Workspace resumed",
                "tenant.plan_changed": "Workspace put on another plan",
                "tenant.deleted": "Workspace deleted",
            }
        )
        register_tenant_resolver(find_active_ref, find_ref)
