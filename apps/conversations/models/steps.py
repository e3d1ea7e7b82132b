"""A step of a turn."""

from django.db import models

from typing_extensions import override

from apps.conversations.models.turns import Turn
from apps.core.clock import now
from apps.core.ids import new_id


class TurnStep(models.Model):
    """One thing that was decided or done to answer a turn.

    Together the rows of a turn are its trace. Rows of kind `tool_call` are its ledger as well: an
    attempt that follows a dead one finds there which calls were made and what they returned.

    Attributes:
        seq: Place in the attempt.
        key: `domain.steps.call_key` of a tool call; empty for everything else.
        ms: Milliseconds it took.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    turn = models.ForeignKey(Turn, models.CASCADE, related_name="steps", db_index=False)
    attempt = models.PositiveSmallIntegerField()
    seq = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=16)
    key = models.CharField(max_length=64, blank=True)
    detail = models.JSONField(default=dict)
    started_at = models.DateTimeField(default=now)
    ms = models.PositiveIntegerField(default=0)
    correlation_id = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ("turn_id", "attempt", "seq")
        default_permissions = ()
        indexes = (models.Index(fields=("turn", "attempt", "seq"), name="turn_step_order"),)

    @override
    def __str__(self) -> str:
        return f"{self.attempt}.{self.seq} {self.kind}"
