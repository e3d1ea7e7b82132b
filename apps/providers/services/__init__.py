"""What changes the gateway's tables, one module per subject."""

from apps.providers.domain.settings import (
    GatewayFields as GatewayFields,
    ModelFields as ModelFields,
    PolicyFields as PolicyFields,
    ProviderFields as ProviderFields,
)
