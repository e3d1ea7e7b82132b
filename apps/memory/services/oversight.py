"""Looking at somebody else's memories: with its own permission, a reason, and an audit entry."""

from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from apps.accounts import selectors as accounts
from apps.audit import services as audit
from apps.core import scope
from apps.core.errors import InvalidInput, NotFound, PermissionDenied
from apps.core.scope import Actor
from apps.memory.contracts import MemoryQuery
from apps.memory.models import Memory
from apps.memory.selectors.listing import chosen

REASON_MIN, REASON_MAX = 8, 500  # characters; a word says nothing


@transaction.atomic
def look_at_memories(
    *, actor: Actor, permission: str, user_id: UUID, reason: str, query: MemoryQuery
) -> QuerySet[Memory]:
    """Return another person's memories, and write down who looked at whose, and why.

    Raises:
        PermissionDenied: The actor lacks the permission.
        InvalidInput: The reason is missing, too short or too long.
        NotFound: Nobody with this id is a member here.
    """
    if not actor.may(permission):
        raise PermissionDenied(permission)
    why = " ".join(reason.split())
    if not REASON_MIN <= len(why) <= REASON_MAX:
        wanted = f"Say in {REASON_MIN} to {REASON_MAX} characters why; it is kept."
        raise InvalidInput(fields={"reason": [wanted]})
    if accounts.find_role_id(user_id, scope.require()) is None:
        raise NotFound
    audit.record(
        action="memory.looked_at",
        target_type="user",
        target_id=user_id,
        target_label=str(user_id),
        data={"reason": why},
    )
    rows = Memory.objects.filter(subject_id=user_id)
    return chosen(rows.defer("embedding").prefetch_related("mentions__entity"), query)
