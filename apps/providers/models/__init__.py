"""Tables of the gateway, all in `public`: settings, the ledger of calls, budgets.

Rows of a workspace name it; rows without one are the platform's own.
"""

from apps.providers.models.budgets import (
    Budget as Budget,
    BudgetUse as BudgetUse,
    Reservation as Reservation,
)
from apps.providers.models.guardrails import (
    ContentRule as ContentRule,
    GuardrailDecision as GuardrailDecision,
    GuardrailPolicy as GuardrailPolicy,
)
from apps.providers.models.ledger import Call as Call
from apps.providers.models.prompts import (
    EvaluationRun as EvaluationRun,
    EvaluationSet as EvaluationSet,
    Prompt as Prompt,
    PromptExperiment as PromptExperiment,
    PromptOutcome as PromptOutcome,
    PromptVersion as PromptVersion,
)
from apps.providers.models.providers import Model as Model, Provider as Provider
from apps.providers.models.routing import (
    GatewaySettings as GatewaySettings,
    RoutingPolicy as RoutingPolicy,
)
