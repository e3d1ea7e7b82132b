"""What every call of a model consumed."""

from django.db import models
from typing_extensions import override

from apps.core.ids import new_id


class Call(models.Model):
    """One call of one model, whatever became of it; written once and never changed.

    The table is partitioned by month of `started_at` (migration `0001`), so that old months are
    dropped instead of deleted row by row; the key in the database is (`started_at`, `id`). A turn's calls are unique by attempt and step: an end
    that is written twice counts once.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    started_at = models.DateTimeField()
    tenant_id = models.UUIDField(null=True)
    flow = models.CharField(max_length=32)
    model = models.CharField(max_length=200)
    provider = models.CharField(max_length=40)
    turn_id = models.UUIDField(null=True)
    attempt = models.PositiveSmallIntegerField(null=True)
    step = models.PositiveSmallIntegerField(default=0)
    user_id = models.UUIDField(null=True)
    key_id = models.UUIDField(null=True)
    status = models.CharField(
        max_length=40, help_text="`ok`, `closed`, `lost`, or the code of an error."
    )
    is_cached = models.BooleanField(default=False)
    tries = models.PositiveSmallIntegerField(default=1)
    prompt_tokens = models.PositiveIntegerField(null=True)
    completion_tokens = models.PositiveIntegerField(null=True)
    cached_tokens = models.PositiveIntegerField(default=0)
    reasoning_tokens = models.PositiveIntegerField(default=0)
    is_estimated = models.BooleanField(default=False)
    cost = models.DecimalField(
        max_digits=18, decimal_places=10, null=True,
        help_text="US dollars; empty where nobody knows the price.",
    )  # fmt: skip
    price_source = models.CharField(max_length=60, blank=True)
    first_ms = models.PositiveIntegerField(null=True)
    total_ms = models.PositiveIntegerField(default=0)
    correlation_id = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ("-started_at", "-id")
        default_permissions = ("view",)
        constraints = (
            models.UniqueConstraint(
                fields=("turn_id", "attempt", "step", "started_at"), name="call_once_per_step"
            ),
        )
        indexes = (
            models.Index(fields=("tenant_id", "-started_at"), name="call_tenant_at"),
            models.Index(fields=("turn_id",), name="call_turn"),
        )

    @override
    def __str__(self) -> str:
        return f"{self.flow} {self.model} {self.status}"
