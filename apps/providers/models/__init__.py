"""The platform's book of models: what workspaces have chosen."""

from apps.providers.models.guardrails import ContentRule, GuardrailDecision, GuardrailPolicy

__all__ = ["ContentRule", "GuardrailDecision", "GuardrailPolicy"]
