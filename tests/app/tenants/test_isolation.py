"""Test 1 of decisions §8: two tenants with equal ids, everything interleaved, no crossing."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.test import Client

from apps.conversations import selectors
from apps.conversations.models.conversations import Conversation
from apps.conversations.permissions import CHAT
from apps.core import scope
from apps.core.concurrency import tenant_db
from apps.core.errors import NoTenantInScope
from apps.core.scope import Actor, TenantRef
from apps.jobs import services as jobs
from apps.tenants.postgresql.base import SchemaSetByHand
from tests.factories import twin_conversations
from tests.fixtures.database import World
from tests.fixtures.people import People
from tests.fixtures.work import Connect, Fetch

ActorIn = Callable[[UUID, TenantRef], Actor]
BrowserOf = Callable[[UUID, TenantRef | None], Client]


def _title(conversation_id: UUID) -> str:
    return Conversation.objects.get(pk=conversation_id).title


async def test_sockets_requests_and_tasks_interleaved_never_cross(
    worker: World,
    people: People,
    browser_of: BrowserOf,
    connect: Connect,
    fetch: Fetch,
) -> None:
    """50 sockets, 50 requests and 20 turns of a person who is a member of both tenants."""
    refs = (worker.acme, worker.globex)
    conversation_id, _ = await tenant_db_in(
        worker.acme, twin_conversations, owner_id=people.bea, tenants=refs
    )
    browsers = {ref.slug: await tenant_db_in(ref, browser_of, people.bea, ref) for ref in refs}
    crossings: list[str] = []

    async def ask_over_http(ref: TenantRef) -> None:
        answer = await fetch(
            f"/api/v1/conversations/{conversation_id}", client=browsers[ref.slug], tenant=ref
        )
        if answer["status"] != 200 or f'"title of {ref.slug}"'.encode() not in answer["body"]:
            crossings.append(f"http {ref.slug} {answer}")

    async def ask_over_socket(ref: TenantRef, *, turn: bool) -> None:
        async with connect(browsers[ref.slug], ref) as socket:
            ready = await socket.receive()
            if ready["type"] != "ready":
                crossings.append(f"socket {ref.slug} {ready}")
            if turn:
                await socket.send(
                    type="message",
                    client_message_id=f"m-{ref.slug}-{id(socket)}",
                    text=f"only {ref.slug}",
                    model="echo/plain",
                )
                frames = await socket.receive_answer()
                text = "".join(f.get("event", {}).get("text", "") for f in frames)
                if f"only {ref.slug}" not in text:
                    crossings.append(f"turn {ref.slug} {frames}")

    await asyncio.gather(
        *(ask_over_http(refs[n % 2]) for n in range(50)),
        *(ask_over_socket(refs[n % 2], turn=n < 20) for n in range(50)),
    )

    assert crossings == []


async def tenant_db_in(
    ref: TenantRef, function: Callable[..., Any], *args: object, **kw: object
) -> Any:
    with scope.tenant_scope(ref):
        return await tenant_db(function, *args, **kw)


async def test_threads_and_tasks_read_their_own_tenant(committed: World, people: People) -> None:
    refs = (committed.acme, committed.globex)
    with scope.tenant_scope(committed.acme):
        conversation_id, _ = await tenant_db(twin_conversations, owner_id=people.bea, tenants=refs)

    async def read(ref: TenantRef) -> bool:
        with scope.tenant_scope(ref):
            await asyncio.sleep(0)
            title = await tenant_db(_title, conversation_id)
            return title == f"title of {ref.slug}"

    answers = await asyncio.gather(*(read(refs[n % 2]) for n in range(400)))

    assert all(answers)


def test_a_rolled_back_transaction_does_not_leave_its_schema_behind(
    committed: World, people: People
) -> None:
    refs = (committed.acme, committed.globex)
    conversation_id, _ = twin_conversations(owner_id=people.bea, tenants=refs)

    for _round in range(3):
        with scope.tenant_scope(committed.acme), pytest.raises(ZeroDivisionError):
            with transaction.atomic():
                assert _title(conversation_id) == "title of acme"
                raise ZeroDivisionError
        with scope.tenant_scope(committed.globex):
            assert _title(conversation_id) == "title of globex"


def test_a_savepoint_rollback_does_not_leave_its_schema_behind(
    committed: World, people: People
) -> None:
    refs = (committed.acme, committed.globex)
    conversation_id, _ = twin_conversations(owner_id=people.bea, tenants=refs)

    with scope.tenant_scope(committed.acme), transaction.atomic():
        assert _title(conversation_id) == "title of acme"
        with scope.tenant_scope(committed.globex), pytest.raises(ZeroDivisionError):
            with transaction.atomic():
                assert _title(conversation_id) == "title of globex"
                raise ZeroDivisionError
        assert _title(conversation_id) == "title of acme"
        with scope.tenant_scope(committed.globex):
            assert _title(conversation_id) == "title of globex"


def test_tenant_content_without_a_tenant_raises(committed: World) -> None:
    with pytest.raises(NoTenantInScope):
        Conversation.objects.count()
    with pytest.raises(NoTenantInScope):
        Conversation.objects.create(owner_id=committed.acme.id)


def test_raw_sql_without_a_tenant_does_not_find_tenant_content(committed: World) -> None:
    from django.db.utils import ProgrammingError  # only this test looks at the raw error

    with pytest.raises(ProgrammingError), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM conversations_conversation")
    connection.close()


def test_a_schema_is_never_set_by_hand(committed: World) -> None:
    with pytest.raises(SchemaSetByHand):
        connection.set_schema(committed.acme.schema)  # type: ignore[attr-defined]  # the library's


async def test_database_work_from_async_code_needs_a_tenant(committed: World) -> None:
    with pytest.raises(NoTenantInScope):
        await tenant_db(_title, committed.acme.id)


def test_a_tenant_task_cannot_be_enqueued_without_a_tenant(committed: World) -> None:
    with pytest.raises(NoTenantInScope):
        jobs.enqueue_on_commit("conversations.run_turn", turn_id=committed.acme.id)


def test_a_person_of_both_tenants_sees_only_the_current_ones(
    committed: World, people: People, actor_in: ActorIn
) -> None:
    refs = (committed.acme, committed.globex)
    twin_conversations(owner_id=people.bea, tenants=refs)

    for ref in refs:
        with scope.tenant_scope(ref):
            rows = selectors.list_conversations(actor=actor_in(people.bea, ref), permission=CHAT)
            assert [row.title for row in rows] == [f"title of {ref.slug}"]
