"""What tests of the gateway's settings share: administrators asking the API, operators acting."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.test import Client

from apps.core import scope
from apps.core.scope import Actor, ActorKind

OPERATOR = Actor(id=None, label="op@karen.example", kind=ActorKind.OPERATOR)
URL = "https://api.example.com/v1"
KEY = "sk-test-0123456789abcdef"


@contextmanager
def on_the_platform() -> Iterator[Actor]:
    """Act as an operator in the console, outside any workspace."""
    with scope.tenant_scope(None), scope.actor_scope(OPERATOR), scope.correlation_scope():
        yield OPERATOR


class Administrator:
    """A signed-in browser that speaks JSON to the API of a workspace."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def ask(self, method: str, path: str, body: object = None) -> Any:
        return self._client.generic(
            method,
            f"/api/v1/{path}",
            data="" if body is None else json.dumps(body),
            content_type="application/json",
        )

    def done(self, method: str, path: str, body: object = None) -> Any:
        """Ask for something that is let through, and return the document."""
        answer = self.ask(method, path, body)
        assert answer.status_code < 300, answer.content
        return answer.json() if answer.content else None

    def refused(self, status: int, method: str, path: str, body: object = None) -> Any:
        """Ask for something that is refused with this status, and return the error."""
        answer = self.ask(method, path, body)
        assert answer.status_code == status, answer.content
        return answer.json()["error"]
