"""How much a person and a workspace may ask: the plan's word, else the installation's."""

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import connection

from apps.conversations.domain.states import ACTIVE
from apps.conversations.errors import TooManyTurns
from apps.core import ratelimit, scope
from apps.tenants import selectors as tenants

_PERIOD_S = 60.0
_ACTIVE = (
    "SELECT count(*) FILTER (WHERE requester_id = %s), count(*) FROM conversations_turn"
    " WHERE state = ANY(%s)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatLimits:
    """The limits that hold in the workspace in scope."""

    message_characters: int
    messages_per_minute: int
    turns_per_user: int
    turns_per_tenant: int


def limits_here() -> ChatLimits:
    """Return the limits of the tenant in scope."""
    plan = tenants.limits_of(scope.require().id)
    return ChatLimits(
        message_characters=plan.message_characters or settings.CHAT_MESSAGE_MAX_CHARACTERS,
        messages_per_minute=plan.messages_per_minute or settings.CHAT_MESSAGES_PER_MINUTE,
        turns_per_user=plan.turns_per_user or settings.CHAT_TURNS_PER_USER,
        turns_per_tenant=plan.turns_per_tenant or settings.CHAT_TURNS_PER_TENANT,
    )


def take_message(user_id: UUID) -> None:
    """Count one message of a person.

    Raises:
        RateLimited: It is one too many; says when the next one is accepted.
    """
    burst = limits_here().messages_per_minute
    limit = ratelimit.Limit(name="chat.message", burst=burst, period_s=_PERIOD_S)
    ratelimit.enforce(limit, user_id.hex)


def demand_room(user_id: UUID, *, turns: int) -> None:
    """Refuse `turns` more answers where too many are waited for already.

    Two that ask at the same moment may both be let in: the limit protects the workers, it bills
    nobody.

    Raises:
        TooManyTurns: Of this person, or of the whole workspace.
    """
    limits = limits_here()
    with connection.cursor() as cursor:
        cursor.execute(_ACTIVE, [user_id, sorted(ACTIVE)])
        mine, everybodys = cursor.fetchone()
    if mine + turns > limits.turns_per_user:
        raise TooManyTurns(limit=limits.turns_per_user, whose="person")
    if everybodys + turns > limits.turns_per_tenant:
        raise TooManyTurns(limit=limits.turns_per_tenant, whose="workspace")
