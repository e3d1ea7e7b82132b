"""A web process that is told to end finishes the calls of other assistants and then goes."""

import asyncio
import signal
import threading
from pathlib import Path
from uuid import UUID

import httpx2
import pytest
from django.db import connection, transaction
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from apps.accounts.permissions import MEMORY_READ, MEMORY_WRITE
from apps.core import scope
from apps.core.concurrency import platform_db, tenant_db
from apps.memory.models import Memory
from apps.memory.services.subjects import locked_subject
from tests.fixtures.database import World
from tests.fixtures.live import NewKey
from tests.fixtures.people import People
from tests.system.web_process import running_web

pytestmark = pytest.mark.system

CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "remember", "arguments": {"text": "Said at the last moment."}},
}


class Held:
    """A person's memory that nobody can write to until it is let go."""

    def __init__(self) -> None:
        self.taken, self.let_go = threading.Event(), threading.Event()

    @transaction.atomic
    def hold(self, subject_id: UUID) -> None:
        locked_subject(subject_id)
        self.taken.set()
        self.let_go.wait(20)


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND query LIKE '%memory_subject%' AND datname = current_database()"
        )
        return bool(cursor.fetchone()[0])


async def test_a_call_under_way_is_finished_and_connected_clients_hold_nothing_up(
    committed: World, people: People, new_key: NewKey, tmp_path: Path
) -> None:
    scopes = (MEMORY_READ, MEMORY_WRITE)
    key = await platform_db(new_key, people.ann, committed.acme, scopes=scopes)
    headers = {
        "Host": "acme.localhost",
        "Authorization": f"Bearer {key}",
        "Accept": "application/json, text/event-stream",
    }
    held = Held()
    with running_web(tmp_path) as web:
        address = f"http://127.0.0.1:{web.port}/mcp/memory"
        async with (
            httpx2.AsyncClient(headers=headers, timeout=20) as http,
            Client(streamable_http_client(address, http_client=http), mode="legacy") as client,
        ):
            await client.list_tools()  # and stays connected
            with scope.tenant_scope(committed.acme):
                holding = asyncio.create_task(tenant_db(held.hold, people.ann))
                await platform_db(held.taken.wait, 10)
            call = asyncio.create_task(http.post(address, json=CALL))
            while not await platform_db(somebody_waits):
                assert not call.done(), call.result()
            web.process.send_signal(signal.SIGTERM)
            while await platform_db(web.readiness) == 200:
                pass
            held.let_go.set()
            answer = await call
            await holding
            status = await platform_db(web.process.wait, 10)

    assert status == 0
    assert answer.status_code == 200
    assert answer.json()["result"]["structuredContent"]["created"]
    with scope.tenant_scope(committed.acme):
        assert await tenant_db(Memory.objects.count) == 1
    assert "mcp.failed" not in web.log.read_text()
