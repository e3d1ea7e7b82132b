"""Memory over MCP: the SDK's own client against the real web server, in two workspaces."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from django.conf import settings
from django.test import Client as Browser
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from apps.accounts import selectors as accounts_selectors, services as accounts
from apps.accounts.models.api_keys import ApiKey
from apps.accounts.permissions import MEMORY_READ, MEMORY_WRITE
from apps.audit.models import AuditEntry
from apps.core import scope
from apps.core.clock import now
from apps.core.concurrency import platform_db, tenant_db
from apps.core.ids import new_id
from apps.core.scope import TenantRef
from apps.memory.models import Memory
from tests.fixtures.database import World
from tests.fixtures.live import Live, NewKey
from tests.fixtures.people import People

BOTH = (MEMORY_READ, MEMORY_WRITE)
PATH = "/mcp/memory"
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}

KeyOf = Callable[..., Any]
BrowserOf = Callable[[UUID, TenantRef | None], Browser]
both_protocols = pytest.mark.parametrize("mode", ["auto", "legacy"])


@pytest.fixture
def key_of(committed: World, new_key: NewKey) -> KeyOf:
    """Make a key that may do both things with memory, unless told otherwise."""

    async def make(user_id: UUID, tenant: TenantRef, scopes: tuple[str, ...] = BOTH) -> str:
        return await platform_db(new_key, user_id, tenant, scopes=scopes)

    return make


@asynccontextmanager
async def connected(
    live: Live, tenant: TenantRef, key: str, mode: str = "auto"
) -> AsyncIterator[Client]:
    headers = {"Host": f"{tenant.slug}.localhost", "Authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=20) as http,
        Client(
            streamable_http_client(f"{live.site.address}{PATH}", http_client=http), mode=mode
        ) as client,
    ):
        yield client


async def done(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool and return what it answers."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    document: dict[str, Any] = result.structured_content
    return document


async def refused(client: Client, tool: str, **arguments: Any) -> tuple[str, str]:
    """Call a tool that refuses, and return the error's code and words."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    assert result.structured_content is None
    return result.meta["karen/error"]["type"], result.content[0].text  # type: ignore[index, union-attr]  # asserted by use


async def rows_in(tenant: TenantRef) -> set[tuple[UUID, str]]:
    def read() -> set[tuple[UUID, str]]:
        return set(Memory.objects.values_list("subject_id", "text"))

    with scope.tenant_scope(tenant):
        return await tenant_db(read)


async def post(
    live: Live,
    tenant: TenantRef | str,
    key: str | None,
    *,
    body: bytes | None = None,
    document: object = None,
    method: str = "POST",
    headers: dict[str, str] | None = None,
) -> httpx2.Response:
    """Send one bare request, without the SDK."""
    host = tenant if isinstance(tenant, str) else f"{tenant.slug}.localhost"
    lines = {**HEADERS, "Host": host, **(headers or {})}
    if key is not None:
        lines["Authorization"] = f"Bearer {key}"
    async with httpx2.AsyncClient(timeout=20) as http:
        url = f"{live.site.address}{PATH}"
        if body is not None:
            return await http.request(method, url, content=body, headers=lines)
        return await http.request(method, url, json=document or LIST, headers=lines)


@both_protocols
async def test_an_assistant_remembers_recalls_lists_and_forgets(
    live: Live, committed: World, people: People, key_of: KeyOf, mode: str
) -> None:
    key = await key_of(people.ann, committed.acme)
    async with connected(live, committed.acme, key, mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"remember", "recall", "forget", "list_memories"}
        assert tools["recall"].annotations.read_only_hint  # type: ignore[union-attr]  # it has some
        assert tools["forget"].annotations.destructive_hint  # type: ignore[union-attr]  # as above
        assert tools["remember"].input_schema["required"] == ["text"]

        kept = await done(client, "remember", text="Ann grows tomatoes on the balcony.")
        again = await done(client, "remember", text="Ann grows  tomatoes on the balcony.")
        assert (kept["created"], again["created"]) == (True, False)
        assert again["memory"]["id"] == kept["memory"]["id"]
        await done(client, "remember", text="The bike needs a new chain.", kind="episodic")

        (first, *_) = (await done(client, "recall", query="tomatoes", limit=5))["results"]
        assert (first["id"], first["what"]) == (kept["memory"]["id"], "memory")
        assert "words" in first["why"]

        listed = await done(client, "list_memories", limit=1)
        assert [each["text"] for each in listed["memories"]] == ["The bike needs a new chain."]
        rest = await done(client, "list_memories", cursor=listed["next_cursor"])
        assert [each["id"] for each in rest["memories"]] == [kept["memory"]["id"]]
        assert rest["next_cursor"] is None

        gone = await done(client, "forget", memory_id=kept["memory"]["id"])
        assert gone == {"forgotten": kept["memory"]["id"]}
    assert await rows_in(committed.acme) == {(people.ann, "The bike needs a new chain.")}


async def test_what_an_assistant_does_stands_in_the_audit_and_counts_as_use(
    live: Live, committed: World, people: People, key_of: KeyOf
) -> None:
    key = await key_of(people.ann, committed.acme)
    async with connected(live, committed.acme, key) as client:
        await done(client, "remember", text="Ann plays the cello.")
        await done(client, "recall", query="cello")

    entry = await platform_db(AuditEntry.objects.get, action="memory.remembered")
    assert (entry.actor_id, entry.tenant_id) == (people.ann, committed.acme.id)
    with scope.tenant_scope(committed.acme):
        memory = await tenant_db(Memory.objects.get)
    assert (memory.subject_id, memory.use_count) == (people.ann, 1)


@pytest.mark.parametrize(
    "tool, arguments, code, words",
    [
        ("remember", {"text": ""}, "invalid_input", "text: Say what to remember."),
        ("remember", {"text": "  \n"}, "invalid_input", "text: Say what to remember."),
        ("remember", {"text": "x" * 200_000}, "invalid_input", "text: At most 2000 characters."),
        ("remember", {}, "invalid_input", "text: Field required."),
        ("remember", {"text": "a", "txt": "b"}, "invalid_input", "txt: Extra inputs are not"),
        ("remember", {"text": "a", "kind": "rumour"}, "invalid_input", "kind: Input should be"),
        ("remember", {"text": "a", "importance": 99}, "invalid_input", "importance: Give a whole"),
        ("remember", {"text": "my password is hunter2!x"}, "memory_holds_secret", "password"),
        ("recall", {"query": " "}, "invalid_input", "query: String should have at least 1"),
        ("recall", {"query": "a", "limit": 10_000}, "invalid_input", "limit: Input should be less"),
        ("recall", {"query": "a", "since": "2026-01-01T00:00"}, "invalid_input", "timezone"),
        ("recall", {"query": "a", "user_id": "x"}, "invalid_input", "user_id: Extra inputs"),
        (
            "forget",
            {"memory_id": "all"},
            "invalid_input",
            "memory_id: Input should be a valid UUID",
        ),
        ("list_memories", {"cursor": "x"}, "invalid_input", "cursor: Input should be a valid UUID"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else None,
)
async def test_a_tool_says_what_does_not_fit_so_that_a_model_can_mend_it(
    live: Live,
    committed: World,
    people: People,
    key_of: KeyOf,
    tool: str,
    arguments: dict[str, Any],
    code: str,
    words: str,
) -> None:
    key = await key_of(people.ann, committed.acme)
    async with connected(live, committed.acme, key) as client:
        refusal = await refused(client, tool, **arguments)
    assert refusal[0] == code
    assert words in refusal[1]
    assert await rows_in(committed.acme) == set()


@both_protocols
async def test_an_unknown_tool_is_an_error_of_the_protocol(
    live: Live, committed: World, people: People, key_of: KeyOf, mode: str
) -> None:
    key = await key_of(people.ann, committed.acme)
    async with connected(live, committed.acme, key, mode) as client:
        with pytest.raises(MCPError, match="Unknown tool: drop_tables"):
            await client.call_tool("drop_tables", {})


async def test_nobody_reaches_the_memories_of_somebody_else(
    live: Live, committed: World, people: People, key_of: KeyOf
) -> None:
    anns = await key_of(people.ann, committed.acme)
    beas = await key_of(people.bea, committed.acme)
    beas_elsewhere = await key_of(people.bea, committed.globex)
    async with (
        connected(live, committed.acme, anns) as ann,
        connected(live, committed.acme, beas) as bea,
        connected(live, committed.globex, beas_elsewhere) as elsewhere,
    ):
        kept = await done(ann, "remember", text="Ann is looking for another job.")
        for other in (bea, elsewhere):
            assert (await done(other, "recall", query="looking for another job"))["results"] == []
            assert (await done(other, "list_memories"))["memories"] == []
            code, _ = await refused(other, "forget", memory_id=kept["memory"]["id"])
            assert code == "memory_not_found"
        await done(bea, "remember", text="Bea knows acme.")
        assert (await done(elsewhere, "list_memories"))["memories"] == []
        code, _ = await refused(ann, "forget", memory_id=str(new_id()))
        assert code == "memory_not_found"
    assert await rows_in(committed.globex) == set()


async def test_two_workspaces_at_once_stay_apart_and_the_same_fact_is_kept_once(
    live: Live, committed: World, people: People, key_of: KeyOf
) -> None:
    keys = {ref: await key_of(people.bea, ref) for ref in (committed.acme, committed.globex)}

    async def remember(tenant: TenantRef, text: str) -> bool:
        async with connected(live, tenant, keys[tenant]) as client:
            created: bool = (await done(client, "remember", text=text))["created"]
            return created

    texts = [f"Fact number {number % 4} of this place." for number in range(12)]
    created = await asyncio.gather(
        *(remember(committed.acme, f"Acme: {text}") for text in texts),
        *(remember(committed.globex, f"Globex: {text}") for text in texts),
    )
    assert sum(created) == 8
    for tenant, name in ((committed.acme, "Acme"), (committed.globex, "Globex")):
        kept = await rows_in(tenant)
        assert len(kept) == 4
        assert all(text.startswith(name) for _owner, text in kept)


async def test_a_key_that_opens_nothing_here_is_told_401(
    live: Live, committed: World, people: People, key_of: KeyOf, browser_of: BrowserOf
) -> None:
    good = await key_of(people.ann, committed.acme)
    foreign = await key_of(people.gus, committed.globex)
    browser = await platform_db(browser_of, people.ann, committed.acme)
    cookie = f"{settings.SESSION_COOKIE_NAME}={browser.cookies[settings.SESSION_COOKIE_NAME].value}"
    answers = [
        await post(live, committed.acme, None),
        await post(live, committed.acme, None, headers={"Cookie": cookie}),
        await post(live, committed.acme, "karen_nonsense"),
        await post(live, committed.acme, good[:-1] + ("a" if good[-1] != "a" else "b")),
        await post(live, committed.acme, foreign),
        await post(live, committed.globex, good),
    ]
    assert [each.status_code for each in answers] == [401] * len(answers)
    for each in answers:
        assert each.headers["www-authenticate"] == 'Bearer realm="workspace"'
        document = each.json()
        assert (document["jsonrpc"], document["id"]) == ("2.0", None)
        assert document["error"]["data"]["type"] in {"not_authenticated", "api_key_invalid"}

    with pytest.raises((MCPError, ExceptionGroup)):
        async with connected(live, committed.acme, foreign, "legacy"):
            pass


async def test_an_expired_and_a_revoked_key_are_told_401(
    live: Live, committed: World, people: People, key_of: KeyOf
) -> None:
    def expire() -> None:
        ApiKey.objects.update(expires_at=now() - timedelta(seconds=1))

    def revoke() -> None:
        with scope.tenant_scope(committed.acme), scope.correlation_scope():
            actor = accounts_selectors.actor_for(people.bea, committed.acme)
            assert actor is not None
            with scope.actor_scope(actor):
                found = ApiKey.objects.get(user_id=people.bea)
                accounts.revoke_api_key(actor=actor, key_id=found.pk)

    expired = await key_of(people.ann, committed.acme)
    await platform_db(expire)
    revoked = await key_of(people.bea, committed.acme)
    await platform_db(revoke)
    for key in (expired, revoked):
        assert (await post(live, committed.acme, key)).status_code == 401


async def test_a_key_without_memory_is_told_403_and_one_that_reads_only_reads(
    live: Live, committed: World, people: People, key_of: KeyOf
) -> None:
    chats = await key_of(people.ann, committed.acme, ("chat.user",))
    answer = await post(live, committed.acme, chats)
    assert answer.status_code == 403
    assert answer.json()["error"]["data"]["type"] == "permission_denied"

    reads = await key_of(people.ann, committed.acme, (MEMORY_READ,))
    async with connected(live, committed.acme, reads) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert names == {"recall", "list_memories"}
        assert (await refused(client, "remember", text="x"))[0] == "permission_denied"
        assert (await refused(client, "forget", memory_id=str(new_id())))[0] == "permission_denied"
    assert await rows_in(committed.acme) == set()


async def test_pages_of_other_origins_and_rebound_names_are_refused(
    live: Live, committed: World, people: People, key_of: KeyOf
) -> None:
    key = await key_of(people.ann, committed.acme)

    async def status(host: TenantRef | str, origin: str | None = None) -> int:
        headers = {"Origin": origin} if origin is not None else {}
        return (await post(live, host, key, headers=headers)).status_code

    assert await status("evil.example") == 404
    assert await status(f"127.0.0.1:{live.site.port}") == 404  # the platform's own, not a workspace
    for origin in (
        "http://evil.example",
        "null",
        "http://globex.localhost",
        "ftp://acme.localhost",
    ):
        assert await status(committed.acme, origin) == 403
    assert await status(committed.acme, "http://acme.localhost") == 200
    assert await status(committed.acme) == 200


async def test_no_stream_is_offered_and_no_session_kept(
    live: Live, committed: World, people: People, key_of: KeyOf
) -> None:
    key = await key_of(people.ann, committed.acme)
    for method in ("GET", "DELETE", "PUT"):
        answer = await post(live, committed.acme, key, method=method)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    # Without any handshake, and under a session that another process is said to have begun.
    answer = await post(live, committed.acme, key, headers={"Mcp-Session-Id": "of-elsewhere"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert "mcp-session-id" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    assert len(answer.json()["result"]["tools"]) == 4


async def test_bodies_that_are_no_request_are_refused(
    live: Live, committed: World, people: People, key_of: KeyOf
) -> None:
    key = await key_of(people.ann, committed.acme)
    huge = await post(live, committed.acme, key, body=b" " * (1024 * 1024 + 1))
    assert (huge.status_code, huge.json()["error"]["data"]["type"]) == (413, "payload_too_large")
    for body in (b"", b"{", b"[]", b"[1,2]", b'"text"', b"{}", b"\xff\xfe"):
        answer = await post(live, committed.acme, key, body=body)
        assert answer.status_code == 400, body
    text = await post(live, committed.acme, key, headers={"Content-Type": "text/plain"})
    assert text.status_code == 400


async def test_what_stands_beside_it_still_goes_to_the_pages(
    live: Live, committed: World, people: People, key_of: KeyOf
) -> None:
    async with httpx2.AsyncClient() as http:
        host = {"Host": "acme.localhost"}
        for path in ("/mcp", "/mcp/", "/mcp/memory2", "/mcp/other"):
            answer = await http.get(f"{live.site.address}{path}", headers=host)
            assert answer.status_code == 404
            assert "text/html" in answer.headers["content-type"]
