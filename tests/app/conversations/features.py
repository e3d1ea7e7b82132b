"""What the tests of conversation features share: people with browsers, and short requests."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.test import Client

from apps.conversations import orchestrator
from apps.conversations.contracts import TurnAccepted
from apps.core import scope
from apps.core.ids import new_id
from apps.core.scope import Actor
from tests.factories import send
from tests.fixtures.database import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with a browser in a workspace."""

    client: Client
    actor: Actor
    world: World

    @property
    def id(self) -> UUID:
        assert self.actor.id is not None
        return self.actor.id

    def ask(self, method: str, path: str, body: object = None, *, status: int = 200) -> Any:
        """Ask the API and expect `status`; return the body as JSON, or the bytes."""
        answer = self.client.generic(
            method,
            f"/api/v1/{path}",
            data="" if body is None else json.dumps(body),
            content_type="application/json",
        )
        assert answer.status_code == status, (answer.status_code, answer.content)
        return answer.json() if answer.content else None

    def refused(self, method: str, path: str, body: object = None, *, status: int) -> Any:
        """Ask the API, expect a refusal with `status`, return its error."""
        return self.ask(method, path, body, status=status)["error"]

    def say(self, text: str, conversation_id: object = None, **more: Any) -> Any:
        """Send a message; return the receipt."""
        path = f"conversations/{conversation_id}/messages" if conversation_id else "turns"
        body = {"text": text, "client_message_id": new_id().hex, "model": "echo/plain", **more}
        return self.ask("POST", path, body, status=202)

    def reply_to(self, text: str, conversation_id: object = None, **more: Any) -> str:
        """Give a command; return what it answers."""
        receipt = self.say(text, conversation_id, **more)
        turn = self.ask("GET", f"turns/{receipt['turn_id']}")
        assert turn["kind"] == "command", turn
        messages = self.messages(receipt["conversation_id"])
        return str(messages[turn["answer_id"]]["text"])

    def messages(self, conversation_id: object) -> dict[str, Any]:
        """Return a conversation's messages by id, oldest first."""
        page = self.ask("GET", f"conversations/{conversation_id}/messages?page_size=100")
        return {row["id"]: row for row in reversed(page["results"])}

    def answered(self, text: str = "hello", conversation_id: UUID | None = None) -> TurnAccepted:
        """Send a message and have it answered."""
        tenant = self.world.acme
        sent = send(actor=self.actor, tenant=tenant, text=text, conversation_id=conversation_id)
        with scope.tenant_scope(tenant):
            orchestrator.run_turn(turn_id=sent.turn_id)
        return sent
