"""The primary provider dies under fifty turns: none fails, none is joined of two halves."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from uuid import UUID

import httpx2
import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from apps.conversations import degradation, orchestrator
from apps.conversations.models.turns import Turn
from apps.core import scope
from apps.core.concurrency import platform_db, tenant_db
from apps.core.scope import Actor
from apps.providers import breaker, configuration, health, registry, selectors
from apps.providers.adapters.openai_compatible import OpenAICompatibleAdapter
from apps.providers.domain import stub
from apps.providers.models import Call
from apps.providers.testing import write_ledger
from tests.app.providers.conftest import set_up, upstream_with
from tests.factories import send
from tests.fixtures.database import World
from tests.stubs.upstream import Upstream

TURNS, WORDS = 50, 8
# When the primary dies about half of the turns are in the middle of an answer, the other half
# has not heard a word.
EARLY, LATE = "ttft=100,itl=1500,len=8", "ttft=60000,itl=10,len=8"
BACKUP = "ttft=10,itl=1,len=8"
_DEADLINE = httpx2.Timeout(connect=2.0, read=30.0, write=5.0, pool=5.0)


@pytest.fixture
def adapters(settings: Settings) -> Iterator[list[OpenAICompatibleAdapter]]:
    settings.LOCAL_MODEL = False
    made: list[OpenAICompatibleAdapter] = []
    before = registry.wire("openai_compatible")
    assert before is not None

    def build(endpoint: registry.Endpoint) -> OpenAICompatibleAdapter:
        made.append(OpenAICompatibleAdapter(endpoint, timeout=_DEADLINE, grace_s=0.2))
        return made[-1]

    registry.register_wire("openai_compatible", build)
    degradation.outages.forget()
    yield made
    registry.register_wire("openai_compatible", before)
    degradation.outages.forget()


@pytest.fixture
async def primary(
    committed: World, adapters: list[OpenAICompatibleAdapter]
) -> AsyncIterator[Upstream]:
    async with upstream_with(adapters) as server:
        yield server


@pytest.fixture
async def backup(
    committed: World, adapters: list[OpenAICompatibleAdapter]
) -> AsyncIterator[Upstream]:
    async with upstream_with(adapters) as server:
        with scope.tenant_scope(committed.acme), scope.correlation_scope():
            yield server


def _run(turn_id: UUID) -> None:
    try:
        orchestrator.run_turn(turn_id=turn_id)
    finally:
        connection.close()  # as the task base does: a thread that is done holds none


def _run_all(turn_ids: list[UUID]) -> None:
    with ThreadPoolExecutor(max_workers=len(turn_ids)) as pool:
        runs = [pool.submit(copy_context().run, partial(_run, each)) for each in turn_ids]
        for run in runs:
            run.result()


async def _moment(seconds: float) -> None:
    await platform_db(threading.Event().wait, seconds)


async def _all_asked(primary: Upstream) -> None:
    async with asyncio.timeout(60):
        while sum(primary.calls.values()) < TURNS:
            await _moment(0.1)
    await _moment(0.7)  # and the early ones have said something


async def test_no_turn_fails_when_the_primary_dies_and_it_is_asked_again_when_it_is_back(
    committed: World,
    ann: Actor,
    primary: Upstream,
    backup: Upstream,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(breaker, "LONGEST_PAUSE_S", 4.0)
    await tenant_db(set_up, "primary", primary.base_url, EARLY, LATE)
    await tenant_db(set_up, "backup", backup.base_url, BACKUP)
    port = int(primary.base_url.rsplit(":", 1)[1].split("/")[0])
    questions = {f"question {n}": EARLY if n % 2 else LATE for n in range(TURNS)}

    def sent() -> dict[UUID, str]:
        return {
            send(actor=ann, tenant=committed.acme, text=text, model=f"primary/{model}").turn_id: (
                stub.answer(text, WORDS)
            )
            for text, model in questions.items()
        }

    answers = await tenant_db(sent)
    running = asyncio.create_task(tenant_db(_run_all, list(answers)))
    await _all_asked(primary)
    await primary.stop()
    async with asyncio.timeout(_DEADLINE.read or 30):  # what failing over may add
        await running
    await platform_db(write_ledger)

    turns = await tenant_db(
        lambda: list(Turn.objects.select_related("answer").filter(pk__in=list(answers)))
    )
    by_state = {state: [turn for turn in turns if turn.state == state] for state in
                ("completed", "interrupted", "failed")}  # fmt: skip
    assert len(by_state["failed"]) == 0
    assert len(by_state["completed"]) + len(by_state["interrupted"]) == TURNS
    assert len(by_state["completed"]) >= TURNS // 2
    for turn in by_state["completed"]:  # one model's words from the first to the last
        assert (turn.answer.text, turn.model) == (answers[turn.pk], f"backup/{BACKUP}")
    for turn in by_state["interrupted"]:  # what was said stays, and nothing is put behind it
        assert turn.model == f"primary/{EARLY}"
        assert 0 < len(turn.answer.text) < len(answers[turn.pk])
        assert answers[turn.pk].startswith(turn.answer.text)
    calls = await tenant_db(lambda: list(Call.objects.filter(turn_id__in=list(answers))))
    assert sum(call.status == "ok" for call in calls) == len(by_state["completed"])

    await configuration.loaded()
    place = health.place_of(selectors.get_model(f"primary/{EARLY}"))
    assert breaker.is_open(place)

    again = Upstream()
    await again.start(port=port)
    try:
        async with asyncio.timeout(90):
            while breaker.open_for_s(place) > 0:
                await _moment(0.2)
        turn_id = await tenant_db(
            lambda: (
                send(
                    actor=ann, tenant=committed.acme, text="later", model=f"primary/{EARLY}"
                ).turn_id
            )
        )
        running = asyncio.create_task(tenant_db(orchestrator.run_turn, turn_id=turn_id))
        async with asyncio.timeout(60):
            await running
        later = await tenant_db(lambda: Turn.objects.get(pk=turn_id))
        assert (later.state, later.model) == ("completed", f"primary/{EARLY}")
        assert not breaker.is_open(place)
    finally:
        await again.stop()
