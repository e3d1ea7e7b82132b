"""What changes the gateway's tables, one module per subject."""

from apps.providers.domain.guarding import (
    ContentRule as ContentRule,
    GuardrailSettings as GuardrailSettings,
    InjectionAction as InjectionAction,
    Level as Level,
    Origin as Origin,
    PiiAction as PiiAction,
    RuleAction as RuleAction,
    RuleKind as RuleKind,
    Stage as Stage,
)
from apps.providers.domain.settings import (
    GatewayFields as GatewayFields,
    ModelFields as ModelFields,
    ModelView as ModelView,
    PolicyFields as PolicyFields,
    PolicyView as PolicyView,
    ProviderFields as ProviderFields,
)
from apps.providers.services.guardrails import (
    GuardrailExplanation as GuardrailExplanation,
    add_content_rule as add_content_rule,
    explain_guardrails as explain_guardrails,
    record_guardrail_decisions as record_guardrail_decisions,
    remove_content_rule as remove_content_rule,
    set_guardrails as set_guardrails,
)
