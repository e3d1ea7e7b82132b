"""Whatever the edge, a message goes through every stage, in order."""

import json
import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from channels.testing import HttpCommunicator
from django.conf import settings
from django.test import Client
from pytest_django.fixtures import Settings

from apps.conversations.domain.steps import StepKind
from apps.conversations.models.steps import TurnStep
from apps.core import scope
from apps.core.concurrency import tenant_db
from apps.core.scope import TenantRef
from tests.fixtures.database import World
from tests.fixtures.live import NewKey
from tests.fixtures.people import People
from tests.fixtures.v1 import AskV1
from tests.fixtures.work import Connect

BrowserOf = Callable[[UUID, TenantRef | None], Client]
MESSAGE = {"text": "hello", "client_message_id": "one", "model": "echo/plain"}
CSRF = "c" * 32


@pytest.fixture
def ann(worker: World, people: People, browser_of: BrowserOf) -> Client:
    return browser_of(people.ann, worker.acme)


async def _post(browser: Client, path: str, body: dict[str, Any]) -> None:
    from karen_site.asgi import application  # sets the web role; only where it is needed

    session = settings.SESSION_COOKIE_NAME
    cookies = f"{session}={browser.cookies[session].value}; {settings.CSRF_COOKIE_NAME}={CSRF}"
    data = json.dumps(body).encode()
    headers = {
        "host": "acme.localhost",
        "cookie": cookies,
        "x-csrftoken": CSRF,
        "content-type": "application/json",
        "content-length": str(len(data)),
    }
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    asked = HttpCommunicator(application, "POST", path, body=data, headers=raw)
    await asked.send_input({"type": "http.request", "body": data})
    assert (await asked.receive_output(timeout=30))["status"] < 300
    while (await asked.receive_output(timeout=30)).get("more_body"):
        continue
    await asked.wait()


async def _over_socket(ann: Client, tenant: TenantRef, connect: Connect) -> None:
    async with connect(ann, tenant) as socket:
        await socket.receive()
        await socket.send(type="message", ref="r", **MESSAGE)
        await socket.receive_answer()


@pytest.mark.parametrize("edge", ["websocket", "rest", "runtime", "sse", "openai"])
async def test_a_message_goes_through_every_stage_in_order(
    edge: str,
    worker: World,
    people: People,
    ann: Client,
    connect: Connect,
    ask_v1: AskV1,
    new_key: NewKey,
    settings: Settings,
) -> None:
    settings.DEFAULT_MODEL = "echo/plain"
    match edge:
        case "websocket":
            await _over_socket(ann, worker.acme, connect)
        case "rest":
            await _post(ann, "/api/v1/turns", MESSAGE)
            # The same message again over the socket waits for the same answer.
            await _over_socket(ann, worker.acme, connect)
        case "runtime" | "sse":
            path = "/api/chat/runtime" + ("/stream" if edge == "sse" else "")
            await _post(ann, path, {"message": "hello", "model": "echo/plain"})
        case "openai":
            key = await tenant_db_free(new_key, people.ann, worker.acme)
            body = {"model": "karen", "messages": [{"role": "user", "content": "hello"}]}
            answer = await ask_v1("chat/completions", tenant=worker.acme, key=key, body=body)
            assert answer.status == 200, answer.body

    def steps() -> list[str]:
        # The last step is written right after the answer's end was told.
        for _moment in range(200):
            kinds = list(TurnStep.objects.order_by("seq").values_list("kind", flat=True))
            if StepKind.SETTLED in kinds:
                break
            threading.Event().wait(0.05)
        return kinds

    with scope.tenant_scope(worker.acme):
        assert await tenant_db(steps) == [
            StepKind.CLAIMED,
            StepKind.INSTRUCTIONS,
            StepKind.CONTEXT,
            StepKind.ROUTE,
            StepKind.MODEL_CALL,
            StepKind.SETTLED,
        ]


async def tenant_db_free(make: NewKey, user_id: UUID, tenant: TenantRef) -> str:
    with scope.tenant_scope(tenant):
        return await tenant_db(make, user_id, tenant)
