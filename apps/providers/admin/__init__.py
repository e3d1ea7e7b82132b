"""The gateway in the operators' console, one module per subject; importing them registers them."""

from apps.providers.admin import (
    guardrails as guardrails,
    ledger as ledger,
    prompts as prompts,
    providers as providers,
    routing as routing,
)
