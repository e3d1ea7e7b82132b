"""Suite `gateway`: what a call costs in the gateway, a kept answer, and a provider that dies.

The overhead is processor time without any network: the gateway in front of a model in memory,
beside the bare SDK in front of a transport in memory that answers as many events. A kept answer
and failing over are measured from outside, on Karen's real processes.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import Any

import aiohttp
import django
import httpx2
import openai

from tests.bench.openai import browser_headers, key_of, new_key
from tests.bench.people import browsers, sign_up
from tests.bench.processes import (
    ROOT,
    Site,
    daphne_command,
    free_port,
    karen_environment,
    running_karen,
    running_site,
    running_upstream,
)
from tests.bench.rows import BenchError, Budget, Figure, Row, median_of_medians, p95

OVERHEAD = Figure(
    name="gateway_overhead_p50_ms",
    unit="ms",
    baseline="bare SDK call, processor time",
    budget=Budget(at_most=2),
)
CACHE_HIT = Figure(
    name="cache_hit_p95_ms",
    unit="ms",
    baseline="Django view that checks a key and says nothing, same server",
    budget=Budget(at_most=5, ratio_at_most=1.5),
)
FAILOVER = Figure(name="failover_failed_turns", unit="", baseline="", budget=Budget(at_most=0))
FIGURES = (OVERHEAD, CACHE_HIT, FAILOVER)

_ROUNDS, _PER_ROUND, _WARM_UP = 9, 100, 20
_WORDS = 20
_TURNS = 50
_PATIENCE_S = 120.0


def measure(folder: Path) -> list[Row]:
    """Return the rows."""
    rows = [_overhead()]
    os.environ["API_REQUESTS_PER_MINUTE"] = "1000000"
    with ExitStack() as stack:
        upstream = stack.enter_context(running_upstream(folder))
        bare = stack.enter_context(_running_bare(folder))
        karen = stack.enter_context(running_karen(folder / "gateway", upstream=upstream))
        rows.append(asyncio.run(_cache_hit(karen, bare)))
        rows.append(_failover(karen, folder, upstream))
    return rows


# -- processor time, without a network


def _overhead() -> Row:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "karen_site.settings.test")
    django.setup()
    return asyncio.run(_overhead_row())


async def _overhead_row() -> Row:
    gateway, bare = _gateway_call(), _bare_call()
    rounds: dict[str, list[list[float]]] = {"gateway": [], "bare": []}
    for _ in range(_WARM_UP):
        await gateway()
        await bare()
    for _ in range(_ROUNDS):
        for name, call in (("gateway", gateway), ("bare", bare)):
            samples = []
            for _ in range(_PER_ROUND):
                started = time.process_time()
                await call()
                samples.append((time.process_time() - started) * 1000)
            rounds[name].append(samples)
    return OVERHEAD.row(
        median_of_medians(rounds["gateway"]),
        n=_ROUNDS * _PER_ROUND,
        baseline_value=median_of_medians(rounds["bare"]),
        note=f"{_WORDS} pieces of text a call; every stage, none of them switched on",
    )


def _gateway_call() -> Any:  # a coroutine function
    from apps.core import scope  # Django is set up only now
    from apps.core.ids import new_id
    from apps.core.scope import TenantRef
    from apps.providers import configuration, gateway, registry
    from apps.providers.configuration import Configuration
    from apps.providers.contracts import (
        ChatMessage,
        Finished,
        FinishReason,
        Flow,
        ModelInfo,
        ModelRequest,
        ProviderEvent,
        Role,
        TextDelta,
        Usage,
        UsageReport,
    )

    class InMemory:
        async def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
            for number in range(_WORDS):
                yield TextDelta(text=f"word{number} ")
            usage = Usage(prompt_tokens=9, completion_tokens=_WORDS, estimated=False)
            yield UsageReport(usage=usage)
            yield Finished(reason=FinishReason.STOP)

    model = ModelInfo(
        id="memory/model", label="", provider="memory", context_tokens=8_000, in_process=False,
        supports_tools=True,
    )  # fmt: skip
    registry.register(registry.Provider(kind="memory", models=lambda: (model,), adapter=InMemory))
    request = ModelRequest(
        model=model.id,
        messages=(ChatMessage(role=Role.USER, text="What does a lighthouse keeper do all day?"),),
        max_tokens=1024,
        temperature=0.7,
        partition="bench",
    )
    tenant = TenantRef(id=new_id(), slug="bench", schema="bench")
    records: list[object] = []

    async def call() -> None:
        with scope.tenant_scope(tenant):
            configuration.assume(Configuration())
            answer = gateway.stream_batches(
                flow=Flow.API_ANSWER, request=request, record=records.append
            )
            async with aclosing(answer) as batches:
                async for _batch in batches:
                    pass
        if len(records) > _PER_ROUND:
            records.clear()

    return call


def _bare_call() -> Any:  # a coroutine function
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    chunks = [
        {**chunk, "choices": [{"index": 0, "delta": {"content": f"word{n} "}}]}
        for n in range(_WORDS)
    ]
    chunks.append({**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    body = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in chunks)
    body += b"data: [DONE]\n\n"

    def answer(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body)

    client = openai.AsyncOpenAI(
        api_key="bench",
        base_url="http://bench.invalid/v1",
        max_retries=0,
        http_client=httpx2.AsyncClient(transport=httpx2.MockTransport(answer)),
    )

    async def call() -> None:
        stream = await client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "What does a lighthouse keeper do all day?"}],
            max_tokens=1024,
            stream=True,
        )
        async for _chunk in stream:
            pass

    return call


# -- a kept answer


def _running_bare(folder: Path) -> Any:  # a context manager of a Site
    port = free_port()
    return running_site(
        daphne_command("tests.bench.baselines.bare_view:application", port),
        environment=os.environ,
        port=port,
        path="/",
        log=folder / "log" / "bare_view.log",
    )


async def _cache_hit(karen: Site, bare: Site) -> Row:
    async with browsers() as session:
        person = await sign_up(session, karen)
        key = await key_of(session, karen, person)
        headers = {"Host": person.host, "Authorization": f"Bearer {key}"}
        await _keep_answers(session, karen, browser_headers(person))
        question = {
            "model": "openai/plain-50",
            "temperature": 0,
            "messages": [{"role": "user", "content": "What does a lighthouse keeper do all day?"}],
        }
        ways = {
            "karen": (f"{karen.address}/v1/chat/completions", headers),
            "bare": (f"{bare.address}/empty", {"Authorization": "Bearer bench"}),
        }
        times: dict[str, list[float]] = {"karen": [], "bare": []}
        for number in range(_WARM_UP + _ROUNDS * _PER_ROUND):
            for name, (url, sent) in ways.items():
                started = time.perf_counter()
                async with session.post(url, json=question, headers=sent) as answer:
                    await answer.read()
                    if answer.status != 200:
                        raise BenchError(f"{name} answers {answer.status}")
                if number >= _WARM_UP:
                    times[name].append((time.perf_counter() - started) * 1000)
    return CACHE_HIT.row(
        p95(times["karen"]),
        n=len(times["karen"]),
        baseline_value=p95(times["bare"]),
        note="50 words, not streamed; from the memory of the web process",
    )


async def _keep_answers(
    session: aiohttp.ClientSession, karen: Site, headers: dict[str, str]
) -> None:
    url = f"{karen.address}/api/v1/gateway/settings"
    async with session.patch(url, json={"cache_ttl_s": 600}, headers=headers) as answer:
        if answer.status != 200:
            raise BenchError(f"the cache cannot be switched on: {await answer.text()}")
    await asyncio.sleep(3)  # until the web process has seen it


# -- a provider that dies


_SET_UP = """
from apps.providers.models import Model, Provider
from apps.providers import configuration
from django.db import transaction
with transaction.atomic():
    for slug, url, names in {rows!r}:
        row = Provider.objects.create(slug=slug, label=slug, base_url=url)
        for name in names:
            Model.objects.create(provider=row, name=name)
    configuration.changed()
"""
_EARLY, _LATE, _BACKUP = "ttft=100,itl=1000,len=20", "ttft=60000,itl=10,len=20", "ttft=10,len=20"


def _failover(karen: Site, folder: Path, backup: str) -> Row:
    with ExitStack() as dying:
        primary = dying.enter_context(running_upstream(folder / "primary"))
        rows = [("primary", primary, [_EARLY, _LATE]), ("backup", backup, [_BACKUP])]
        environment = karen_environment(folder / "gateway", port=karen.port, upstream=backup)
        done = subprocess.run(
            [sys.executable, "manage.py", "shell", "-c", _SET_UP.format(rows=rows)],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise BenchError(f"providers cannot be set up: {done.stderr.strip()[-300:]}")
        return asyncio.run(_turns_while_dying(karen, dying))


async def _turns_while_dying(karen: Site, dying: ExitStack) -> Row:
    async with browsers() as session:
        key, host = await new_key(session, karen)
        headers = {"Host": host, "Authorization": f"Bearer {key}"}
        await asyncio.sleep(3)  # until every process has seen the providers

        async def send(number: int) -> str:
            body = {
                "client_message_id": f"bench-{number}",
                "text": f"question {number}",
                "model": f"primary/{_EARLY if number % 2 else _LATE}",
            }
            url = f"{karen.address}/api/v1/turns"
            async with session.post(url, json=body, headers=headers) as answer:
                if answer.status != 202:
                    raise BenchError(f"not accepted: {answer.status} {await answer.text()}")
                return str((await answer.json())["turn_id"])

        turns = await asyncio.gather(*(send(number) for number in range(_TURNS)))
        await asyncio.sleep(3)  # the early ones are talking
        dying.close()
        states = await asyncio.gather(*(_end_of(session, karen, headers, each) for each in turns))
    counted = {state: states.count(state) for state in sorted(set(states))}
    failed = sum(state not in {"completed", "interrupted"} for state in states)
    return FAILOVER.row(failed, n=_TURNS, note=", ".join(f"{n} {s}" for s, n in counted.items()))


async def _end_of(
    session: aiohttp.ClientSession, karen: Site, headers: dict[str, str], turn_id: str
) -> str:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        url = f"{karen.address}/api/v1/turns/{turn_id}"
        async with session.get(url, headers=headers) as answer:
            state = str((await answer.json()).get("state"))
        if state in {"completed", "failed", "cancelled", "interrupted"}:
            return state
        await asyncio.sleep(0.5)
    return "unanswered"
