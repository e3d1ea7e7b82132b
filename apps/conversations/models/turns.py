"""A turn."""

from django.db import models
from django.db.models import Q

from typing_extensions import override

from apps.conversations.contracts import TurnKind, TurnState
from apps.conversations.domain.states import ACTIVE, MAX_ATTEMPTS
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.core.clock import now
from apps.core.ids import new_id


class Turn(models.Model):
    """One user message and everything done to answer it.

    `attempt` is the fencing token: whoever claimed the turn writes only `WHERE attempt = mine`, so
    a worker that was taken for dead and comes back changes nothing.

    Attributes:
        user_message: What is answered; several turns answer one message where it was asked again
            or of several models.
        client_key: The client's id of a request that stored no message of its own.
        continues: The answer that this turn goes on with.
        blocked_by: The turn that has to end first.
        settings: `contracts.TurnSettings` as they were when the turn was queued.
        level: Degradation, 1 to 4.
        context: What `context.assemble` took and left out, for `GET …/turns/{id}/context`.
        requester_id: Who asked.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="turns")
    user_message = models.ForeignKey(Message, models.CASCADE, related_name="turns")
    answer = models.OneToOneField(Message, models.CASCADE, related_name="answered_turn")
    state = models.CharField(
        max_length=16, choices=[(s.value, s.value) for s in TurnState], default=TurnState.QUEUED.value
    )
    kind = models.CharField(max_length=16, default=TurnKind.ANSWER.value)
    client_key = models.CharField(max_length=64, blank=True)
    continues = models.ForeignKey(
        Message, models.SET_NULL, null=True, related_name="+", db_index=False
    )
    blocked_by = models.ForeignKey("self", models.SET_NULL, null=True, related_name="blocking")
    requester_id = models.UUIDField(null=True)
    settings = models.JSONField(default=dict)
    level = models.PositiveSmallIntegerField(default=1)
    context = models.JSONField(null=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    owner = models.CharField(max_length=120, blank=True)
    queue = models.CharField(max_length=32)
    model = models.CharField(max_length=100)
    finish_reason = models.CharField(max_length=32, blank=True)
    error = models.JSONField(null=True)
    prompt_tokens = models.PositiveIntegerField(null=True)
    completion_tokens = models.PositiveIntegerField(null=True)
    usage_estimated = models.BooleanField(default=False)
    correlation_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(default=now, editable=False)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)
        default_permissions = ()
        indexes = (
            models.Index(
                fields=("conversation",),
                condition=Q(state__in=sorted(s.value for s in ACTIVE)),
                name="turn_active",
            ),
            models.Index(
                fields=("requester_id",),
                condition=Q(state__in=sorted(s.value for s in ACTIVE)),
                name="turn_active_of_person",
            ),
        )
        constraints = (
            models.UniqueConstraint(
                fields=("conversation", "client_key"),
                condition=~Q(client_key=""),
                name="turn_asked_once",
            ),
            models.CheckConstraint(
                condition=Q(attempt__lte=MAX_ATTEMPTS), name="turn_attempts_bounded"
            ),
            models.CheckConstraint(
                condition=Q(state__in=sorted(s.value for s in TurnState)), name="turn_state_known"
            ),
        )

    @override
    def __str__(self) -> str:
        return f"{self.id} {self.state}"
