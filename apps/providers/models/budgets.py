"""Budgets: what may be spent, what was, and what running calls have set aside."""

from django.db import models
from django.db.models import F, Q
from typing_extensions import override

from apps.core.clock import now
from apps.core.ids import new_id
from apps.providers.domain.periods import Period


class BudgetLevel(models.TextChoices):
    """Whose spending a budget limits. Each call counts at every level that applies to it."""

    TENANT = "tenant", "the whole workspace"
    GROUP = "group", "all members with one role together"
    MEMBER = "member", "one member, or each member"
    KEY = "key", "one API key"


class BudgetUnit(models.TextChoices):
    """What is counted."""

    MONEY = "money", "US dollars"
    TOKENS = "tokens", "tokens"


class Budget(models.Model):
    """One limit: so much of a unit in a period, for somebody."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey(
        "tenants.Tenant", on_delete=models.CASCADE, related_name="+", verbose_name="workspace"
    )
    level = models.CharField(max_length=8, choices=BudgetLevel.choices)
    subject_id = models.UUIDField(
        null=True, blank=True, help_text="Role, member or key; empty: each member by himself."
    )
    unit = models.CharField(max_length=8, choices=BudgetUnit.choices)
    period = models.CharField(max_length=8, choices=[(each.value, each.value) for each in Period])
    amount = models.DecimalField(max_digits=18, decimal_places=6)
    alert_percent = models.PositiveSmallIntegerField(
        default=80, help_text="At this share people are warned."
    )
    is_hard = models.BooleanField(
        default=True, help_text="Calls beyond it are refused; otherwise it only warns."
    )
    is_enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ("tenant", "level", "unit", "period", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("tenant", "level", "subject_id", "unit", "period"),
                nulls_distinct=False,
                name="budget_once_per_subject",
            ),
            models.CheckConstraint(condition=Q(amount__gte=0), name="budget_amount_not_negative"),
            models.CheckConstraint(
                condition=Q(alert_percent__gte=1, alert_percent__lte=100),
                name="budget_alert_is_a_share",
            ),
            models.CheckConstraint(
                condition=Q(level="tenant", subject_id__isnull=True)
                | Q(level="member")
                | Q(level__in=("group", "key"), subject_id__isnull=False),
                name="budget_subject_fits_level",
            ),
        )

    @override
    def __str__(self) -> str:
        return f"{self.amount} {self.unit} a {self.period} for {self.level}"


class BudgetUse(models.Model):
    """How much of a budget one subject used in one period.

    `used + reserved` never exceeds a hard budget's amount except by what calls consumed beyond
    their estimates.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="uses")
    subject_id = models.UUIDField()
    period_start = models.DateField()
    used = models.DecimalField(max_digits=20, decimal_places=10, default=0)
    reserved = models.DecimalField(max_digits=20, decimal_places=10, default=0)
    alerted_at = models.DateTimeField(null=True)

    class Meta:
        ordering = (F("period_start").desc(), "budget", "subject_id")
        constraints = (
            models.UniqueConstraint(
                fields=("budget", "subject_id", "period_start"), name="budget_use_once_per_period"
            ),
            models.CheckConstraint(
                condition=Q(used__gte=0, reserved__gte=0), name="budget_use_not_negative"
            ),
        )

    @override
    def __str__(self) -> str:
        return f"{self.used} used, {self.reserved} reserved since {self.period_start}"


class Reservation(models.Model):
    """What one running call set aside; settled at its end, or taken over when its lease ends."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant_id = models.UUIDField()
    shares = models.JSONField(help_text="[[use id, amount], …]: what was set aside where.")
    created_at = models.DateTimeField(default=now, editable=False)
    until = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ("until",)
        default_permissions = ("view",)

    @override
    def __str__(self) -> str:
        return f"{self.id} until {self.until:%H:%M:%S}"
