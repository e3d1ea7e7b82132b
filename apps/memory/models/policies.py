"""What a workspace decides about its memory."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from typing_extensions import override

from apps.core.clock import now
from apps.core.ids import new_id

_DAYS_MAX = 36_500


def _days(default: int) -> "models.PositiveIntegerField[int, int]":
    return models.PositiveIntegerField(
        default=default, validators=[MinValueValidator(1), MaxValueValidator(_DAYS_MAX)]
    )


class MemoryPolicy(models.Model):
    """The one policy of a workspace; where there is no row, the defaults hold.

    Attributes:
        learns: Karen takes memories from conversations; off, only what people tell is kept.
        keeps_said: What was said is indexed word for word.
        secrets: `refuse` a text that holds a secret, or `redact` the secret in what is learnt.
        semantic_half_life_days: After how many days without use a fact weighs half.
        retention_days: After how many days what is neither pinned nor persistent goes; null: never.
        said_retention_days: The same for what was said word for word.
        per_subject_max: Live memories of one subject.
        per_workspace_max: Live memories of the workspace.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    learns = models.BooleanField(default=True)
    keeps_said = models.BooleanField(default=True)
    secrets = models.CharField(max_length=8, default="redact")
    semantic_half_life_days = _days(365)
    episodic_half_life_days = _days(60)
    procedural_half_life_days = _days(730)
    retention_days = models.PositiveIntegerField(null=True, blank=True)
    said_retention_days = models.PositiveIntegerField(null=True, blank=True)
    per_subject_max = models.PositiveIntegerField(default=20_000)
    per_workspace_max = models.PositiveIntegerField(default=1_000_000)
    updated_at = models.DateTimeField(default=now)

    class Meta:
        default_permissions = ()
        verbose_name = "memory policy"
        verbose_name_plural = "memory policy"
        constraints = (
            models.CheckConstraint(
                condition=Q(secrets__in=["redact", "refuse"]), name="memory_policy_secrets_known"
            ),
        )

    @override
    def __str__(self) -> str:
        return "memory policy"
