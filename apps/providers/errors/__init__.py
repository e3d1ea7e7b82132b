"""What can go wrong in the gateway: with calls, by rules, in settings."""

from apps.providers.errors.calls import (
    ConfigurationError as ConfigurationError,
    ContextTooLong as ContextTooLong,
    ModelNotFound as ModelNotFound,
    ModelProfileInvalid as ModelProfileInvalid,
    NoModelAvailable as NoModelAvailable,
    ProviderInterrupted as ProviderInterrupted,
    ProviderRejected as ProviderRejected,
    ProviderTimeout as ProviderTimeout,
    ProviderUnavailable as ProviderUnavailable,
    RequestUnsupported as RequestUnsupported,
)
from apps.providers.errors.rules import (
    BudgetExceeded as BudgetExceeded,
    GuardrailRefused as GuardrailRefused,
    PriceUnknown as PriceUnknown,
    RouteRefused as RouteRefused,
)
from apps.providers.errors.settings import (
    BudgetExists as BudgetExists,
    BudgetNotFound as BudgetNotFound,
    ExperimentRuns as ExperimentRuns,
    ModelImportRefused as ModelImportRefused,
    OfferedByPlatform as OfferedByPlatform,
    PromptInvalid as PromptInvalid,
    PromptNotFound as PromptNotFound,
    PromptValueInvalid as PromptValueInvalid,
    ProviderModelNotFound as ProviderModelNotFound,
    ProviderNotFound as ProviderNotFound,
    RoutingPolicyNotFound as RoutingPolicyNotFound,
)
