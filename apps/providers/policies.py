"""What workspaces have chosen of guardrails, as the database holds it.

Calls find it in `configuration`, which reads it once.
"""

from uuid import UUID

from django.db.models import QuerySet

from apps.core import scope
from apps.providers.domain.guarding import (
    ContentRule,
    GuardrailSettings,
    InjectionAction,
    Level,
    PiiAction,
    RuleAction,
    RuleKind,
    Stage,
)
from apps.providers.models.guardrails import (
    ContentRule as StoredRule,
    GuardrailDecision,
    GuardrailPolicy,
)


def stored_guardrails(tenant_id: UUID) -> GuardrailSettings:
    """Return what a workspace has chosen."""
    row = GuardrailPolicy.objects.filter(tenant_id=tenant_id).first()
    if row is None:
        return GuardrailSettings()
    return GuardrailSettings(
        level=Level(row.level),
        pii=PiiAction(row.pii_action),
        injection=InjectionAction(row.injection_action),
        secrets_in_answers=row.secrets_in_answers,
        repair_structure=row.repair_structure,
        answer_notes=row.answer_notes,
        rules=tuple(map(_rule, StoredRule.objects.filter(tenant_id=tenant_id))),
        version=row.version,
    )


def _rule(row: StoredRule) -> ContentRule:
    return ContentRule(
        name=row.name,
        kind=RuleKind(row.kind),
        pattern=row.pattern,
        action=RuleAction(row.action),
        stage=Stage(row.stage),
        enabled=row.enabled,
    )


def list_guardrail_decisions() -> QuerySet[GuardrailDecision]:
    """Return what was decided in the workspace in scope."""
    return GuardrailDecision.objects.filter(tenant_id=scope.require().id)
