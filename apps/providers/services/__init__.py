"""What changes the gateway's tables, one module per subject."""

from apps.providers.domain.settings import (
    GatewayFields as GatewayFields,
    ModelFields as ModelFields,
    ModelView as ModelView,
    PolicyFields as PolicyFields,
    PolicyView as PolicyView,
    ProviderFields as ProviderFields,
)
