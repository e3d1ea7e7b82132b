"""The log of notices per person: what other tabs and devices have to know.

A Redis Stream per person, bounded and short-lived: it carries changes to open clients, it does
not keep them. A client whose cursor is older than the log reloads.
"""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import redis

from apps.conversations.contracts import ConversationGone, Notice
from apps.conversations.stream import FIELD, logged
from apps.core.keys import tenant_key
from apps.core.logging import get_logger
from apps.core.redis import RedisRole, redis_client

logger = get_logger(__name__)

_MAX_NOTICES = 1_000
_EXPIRY_S = 24 * 3600


def notices_key(user_id: UUID) -> str:
    """Return the key of a person's log in the tenant in scope."""
    return tenant_key("person", user_id, "notices")


def publish(notices: Mapping[UUID, Sequence[Notice]]) -> None:
    """Append notices to people's logs, in one round trip; a Redis that is away is logged."""
    if not any(notices.values()):
        return
    try:
        with redis_client(RedisRole.STREAMS).pipeline(transaction=False) as pipe:
            for user_id, several in notices.items():
                key = notices_key(user_id)
                for notice in several:
                    pipe.xadd(
                        key,
                        {FIELD: notice.model_dump_json()},
                        maxlen=_MAX_NOTICES,
                        approximate=True,
                    )
                pipe.expire(key, _EXPIRY_S)
            pipe.execute()
    except redis.RedisError:
        logger.warning("notices.publish_failed", people=len(notices))


def forget_notices(conversation_id: UUID, people: Iterable[UUID]) -> None:
    """Delete what people's logs say of a conversation, except that it is gone.

    For temporary conversations: their text must not outlive them here.
    """
    gone = ConversationGone(conversation_id=conversation_id).model_dump_json().encode()
    name = str(conversation_id).encode()
    client = redis_client(RedisRole.STREAMS)
    try:
        for user_id in people:
            key = notices_key(user_id)
            entries = logged(client.xrange(key))
            stale = [e.id for e in entries if name in e.payload and e.payload != gone]
            if stale:
                client.xdel(key, *stale)
    except redis.RedisError:
        logger.warning("notices.forget_failed", conversation_id=str(conversation_id))
