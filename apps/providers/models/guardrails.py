"""What a workspace has chosen to be guarded against, and what was decided."""

from django.db import models
from django.db.models import Q
from typing_extensions import override

from apps.core.clock import now
from apps.core.ids import new_id
from apps.providers.domain.guarding import (
    TEXT_MAX,
    InjectionAction,
    Level,
    PiiAction,
    RuleAction,
    RuleKind,
    Stage,
)


def _known(name: str, values: type[Level] | type[PiiAction] | type[InjectionAction]) -> Q:
    return Q(**{f"{name}__in": [value.value for value in values]})


class GuardrailPolicy(models.Model):
    """One workspace's choice; without a row nothing is looked at."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.OneToOneField(
        "tenants.Tenant", on_delete=models.CASCADE, related_name="+", verbose_name="workspace"
    )
    level = models.CharField(max_length=8, default=Level.MEDIUM.value)
    pii_action = models.CharField(max_length=12, default=PiiAction.OFF.value)
    injection_action = models.CharField(max_length=8, default=InjectionAction.OFF.value)
    secrets_in_answers = models.BooleanField(default=False)
    repair_structure = models.BooleanField(default=False)
    answer_notes = models.BooleanField(default=False)
    version = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ("tenant_id",)
        verbose_name = "guardrails of a workspace"
        verbose_name_plural = "guardrails"
        constraints = (
            models.CheckConstraint(condition=_known("level", Level), name="guardrail_level_known"),
            models.CheckConstraint(
                condition=_known("pii_action", PiiAction), name="guardrail_pii_action_known"
            ),
            models.CheckConstraint(
                condition=_known("injection_action", InjectionAction),
                name="guardrail_injection_action_known",
            ),
        )

    @override
    def __str__(self) -> str:
        return f"{self.level}, personal data: {self.pii_action}"


class ContentRule(models.Model):
    """One of a workspace's own rules: what matches is flagged, taken out or refused."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey(
        "tenants.Tenant", on_delete=models.CASCADE, related_name="+", verbose_name="workspace"
    )
    name = models.CharField(max_length=60)
    kind = models.CharField(max_length=8, choices=[(k.value, k.value) for k in RuleKind])
    pattern = models.CharField(max_length=TEXT_MAX)
    action = models.CharField(max_length=8, choices=[(a.value, a.value) for a in RuleAction])
    stage = models.CharField(
        max_length=8, choices=[(s.value, s.value) for s in Stage], default=Stage.BOTH.value
    )
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(fields=("tenant", "name"), name="content_rule_name_once"),
            models.CheckConstraint(
                condition=Q(kind__in=[kind.value for kind in RuleKind])
                & Q(action__in=[action.value for action in RuleAction])
                & Q(stage__in=[stage.value for stage in Stage]),
                name="content_rule_words_known",
            ),
        )

    @override
    def __str__(self) -> str:
        return self.name


class GuardrailDecision(models.Model):
    """One thing that guardrails decided, without what it was decided about.

    `excerpt_hash` is keyed by the workspace: equal hashes are equal characters, and whoever reads
    the table cannot try guesses. `turn_id` is a turn in the workspace's schema, if there was one.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey(
        "tenants.Tenant", on_delete=models.CASCADE, related_name="+", verbose_name="workspace"
    )
    turn_id = models.UUIDField(null=True)
    flow = models.CharField(max_length=40)
    stage = models.CharField(max_length=8)
    rule = models.CharField(max_length=80)
    action = models.CharField(max_length=12)
    explanation = models.CharField(max_length=500)
    excerpt_hash = models.CharField(max_length=64, blank=True)
    score = models.FloatField(default=1.0)
    count = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ("-created_at", "-id")
        indexes = (
            models.Index(fields=("tenant", "-id"), name="guardrail_decision_newest"),
            models.Index(fields=("created_at",), name="guardrail_decision_age"),
        )

    @override
    def __str__(self) -> str:
        return f"{self.rule}: {self.action}"
