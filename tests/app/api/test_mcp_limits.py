"""How often the door of memory opens: a person's limit, through the whole ASGI application."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from channels.testing import HttpCommunicator
from pytest_django.fixtures import Settings

from apps.accounts.permissions import CHAT_USER, MEMORY_READ, MEMORY_WRITE
from apps.core import scope
from apps.core.concurrency import platform_db, tenant_db
from apps.core.scope import TenantRef
from apps.memory.models import Memory
from tests.fixtures.database import World
from tests.fixtures.live import NewKey
from tests.fixtures.people import People

BOTH = (MEMORY_READ, MEMORY_WRITE)


def remember(text: str) -> dict[str, object]:
    call = {"name": "remember", "arguments": {"text": text}}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came back."""

    status: int
    headers: dict[str, str]
    document: dict[str, Any]


Knock = Callable[..., Awaitable[Told]]


@pytest.fixture
def knock() -> Knock:
    """Send one request to the door."""

    async def ask(tenant: TenantRef, key: str | None, text: str = "Ann grows beans.") -> Told:
        from karen_site.asgi import application  # sets the web role; only where it is needed

        sent = json.dumps(remember(text)).encode()
        lines = {
            "host": f"{tenant.slug}.localhost",
            "content-length": str(len(sent)),
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
        }
        if key is not None:
            lines["authorization"] = f"Bearer {key}"
        talk = HttpCommunicator(
            application, "POST", "/mcp/memory", body=sent,
            headers=[(name.encode(), value.encode()) for name, value in lines.items()],
        )  # fmt: skip
        answer = await talk.get_response(timeout=20)
        await talk.wait()
        names = {name.decode().lower(): value.decode() for name, value in answer["headers"]}
        return Told(
            status=answer["status"], headers=names, document=json.loads(answer["body"] or b"{}")
        )

    return ask


@pytest.fixture
def two_requests(settings: Settings) -> None:
    settings.API_REQUESTS_PER_MINUTE = 2


async def test_too_many_requests_are_told_when_to_come_back_and_do_nothing(
    knock: Knock, committed: World, people: People, new_key: NewKey, two_requests: None
) -> None:
    key = await platform_db(new_key, people.ann, committed.acme, scopes=BOTH)

    answers = [await knock(committed.acme, key, f"Fact {number}.") for number in range(4)]

    assert [each.status for each in answers] == [200, 200, 429, 429]
    refused = answers[2]
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    assert (refused.document["jsonrpc"], refused.document["id"]) == ("2.0", None)
    told = refused.document["error"]["data"]
    assert (told["type"], told["retryable"]) == ("rate_limited", True)
    with scope.tenant_scope(committed.acme):
        kept = await tenant_db(lambda: set(Memory.objects.values_list("text", flat=True)))
    assert kept == {"Fact 0.", "Fact 1."}


async def test_the_limit_is_a_persons_in_a_workspace_and_not_a_keys(
    knock: Knock, committed: World, people: People, new_key: NewKey, two_requests: None
) -> None:
    async def key_of(person: Any, tenant: TenantRef) -> str:
        made: str = await platform_db(new_key, person, tenant, scopes=BOTH)
        return made

    first, second = [await key_of(people.bea, committed.acme) for _ in range(2)]
    colleague = await key_of(people.ann, committed.acme)
    elsewhere = await key_of(people.bea, committed.globex)

    assert [(await knock(committed.acme, key)).status for key in (first, second)] == [200, 200]
    assert (await knock(committed.acme, second)).status == 429
    assert (await knock(committed.acme, colleague)).status == 200
    assert (await knock(committed.globex, elsewhere)).status == 200


async def test_who_is_refused_for_another_reason_uses_nothing_up(
    knock: Knock, committed: World, people: People, new_key: NewKey, two_requests: None
) -> None:
    good = await platform_db(new_key, people.ann, committed.acme, scopes=BOTH)
    foreign = await platform_db(new_key, people.gus, committed.globex, scopes=BOTH)
    chats = await platform_db(new_key, people.ann, committed.acme, scopes=(CHAT_USER,))

    for key, status in ((foreign, 401), (None, 401), (chats, 403)) * 2:
        assert (await knock(committed.acme, key)).status == status
    assert [(await knock(committed.acme, good)).status for _ in range(3)] == [200, 200, 429]
