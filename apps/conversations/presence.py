"""Who has a conversation open, and who is writing in it.

Small and losable, so it goes through the channel layer: a person who enters says so, those who are
there answer, and nobody keeps a list that could be wrong after a crash.
"""

from typing import Any
from uuid import UUID

import redis
from channels.layers import BaseChannelLayer

from apps.core.keys import tenant_key
from apps.core.logging import get_logger
from apps.core.scope import Actor

logger = get_logger(__name__)


class Room:
    """One socket's place among the people who have the same conversation open."""

    def __init__(self, layer: BaseChannelLayer, channel: str, actor: Actor) -> None:
        self._layer = layer
        self._channel = channel
        self._actor = actor
        self._conversation_id: UUID | None = None

    @property
    def conversation_id(self) -> UUID | None:
        """The conversation that is open here, if any."""
        return self._conversation_id

    async def enter(self, conversation_id: UUID | None) -> None:
        """Leave the present conversation and enter another one, or none."""
        if conversation_id == self._conversation_id:
            return
        try:
            if self._conversation_id is not None:
                await self._say("left")
                await self._layer.group_discard(self._group(), self._channel)
            self._conversation_id = conversation_id
            if conversation_id is not None:
                await self._layer.group_add(self._group(), self._channel)
                await self._say("entered")
        except redis.RedisError:  # nobody sees that this person is here; nothing else is lost
            logger.warning("presence.failed")

    async def say_typing(self, conversation_id: UUID) -> None:
        """Tell the others that this person is writing; elsewhere than here it means nothing."""
        if conversation_id == self._conversation_id:
            await self._say("typing")

    async def take(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """Return the frame for an event of the room, or None where there is nothing to say."""
        if self._conversation_id is None or event["conversation_id"] != str(self._conversation_id):
            return None
        if event["channel"] == self._channel:
            return None
        if event["what"] == "entered":
            await self._say("here")
        where = {"conversation_id": event["conversation_id"], "user": event["user"]}
        if event["what"] == "typing":
            return {"type": "typing", **where}
        return {"type": "presence", **where, "present": event["what"] != "left"}

    def _group(self) -> str:
        return tenant_key("room", self._conversation_id or "").replace(":", ".")

    async def _say(self, what: str) -> None:
        await self._layer.group_send(
            self._group(),
            {
                "type": "room.event",
                "what": what,
                "channel": self._channel,
                "conversation_id": str(self._conversation_id),
                "user": {"id": str(self._actor.id), "label": self._actor.label},
            },
        )
