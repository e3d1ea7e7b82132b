"""The gateway in the operators' console: the platform's settings and those of workspaces."""

from apps.providers.admin.providers import ProviderAdmin as ProviderAdmin
from apps.providers.admin.routing import (
    GatewaySettingsAdmin as GatewaySettingsAdmin,
    RoutingPolicyAdmin as RoutingPolicyAdmin,
)
