"""Suite rows of `/v1/chat/completions`: what Karen adds, and how many a web process serves.

Three ways lead to the same stub: straight, through a bare Django view that only passes bytes on
(same server, same options), and through Karen with a key, limits and checks. They take turns.
"""

import asyncio
import json
import os
import statistics
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.bench.people import Person, browsers, sign_up
from tests.bench.processes import (
    MODEL,
    Site,
    daphne_command,
    free_port,
    running_karen,
    running_site,
    running_upstream,
)
from tests.bench.rows import BenchError, Budget, Figure, Row, median_of_medians

_BARE = "bare Django view that passes the bytes through, same server"

ADDED = Figure(
    name="ttft_added_openai_p50_ms",
    unit="ms",
    baseline=_BARE,
    budget=Budget(at_most=12, ratio_at_most=2),
)
THROUGHPUT = Figure(
    name="openai_rps_c32",
    unit="1/s",
    baseline=_BARE,
    budget=Budget(at_least=65, ratio_at_least=0.6),
)
FIGURES = (ADDED, THROUGHPUT)

_ROUNDS, _PER_ROUND, _WARM_UP = 9, 20, 10
_STORMS, _STORM, _CONCURRENT = 5, 160, 32
_WORDS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One way to the stub.

    Attributes:
        url: Where completions are asked.
        model: The model's id there.
        headers: What the requests carry.
    """

    url: str
    model: str
    headers: Mapping[str, str] = field(default_factory=dict)


def measure(folder: Path) -> list[Row]:
    """Return the rows."""
    # One person's key carries the whole load here.
    os.environ["API_REQUESTS_PER_MINUTE"] = "1000000"
    with ExitStack() as stack:
        upstream = stack.enter_context(running_upstream(folder))
        bare = stack.enter_context(_running_relay(folder, upstream))
        karen = stack.enter_context(running_karen(folder / "openai", upstream=upstream))
        return asyncio.run(_measured(karen, bare, upstream))


def _running_relay(folder: Path, upstream: str) -> AbstractContextManager[Site]:
    port = free_port()
    return running_site(
        daphne_command("tests.bench.baselines.bare_relay:application", port),
        environment={**os.environ, "BENCH_UPSTREAM": upstream},
        port=port,
        path="/",
        log=folder / "log" / "bare_relay.log",
    )


async def _measured(karen: Site, bare: Site, upstream: str) -> list[Row]:
    async with browsers() as session:
        key, host = await new_key(session, karen)
        targets = {
            "stub": Target(url=f"{upstream}/chat/completions", model=MODEL),
            "bare": Target(url=f"{bare.address}/v1/chat/completions", model=MODEL),
            "karen": Target(
                url=f"{karen.address}/v1/chat/completions",
                model=f"openai/{MODEL}",
                headers={"Host": host, "Authorization": f"Bearer {key}"},
            ),
        }
        for target in targets.values():
            for _ in range(_WARM_UP):
                await _complete(session, target)
        firsts = await _one_by_one(session, targets)
        rates = await _storms(session, targets)
    return [_added_row(firsts), _throughput_row(rates)]


def _added_row(firsts: dict[str, list[list[float]]]) -> Row:
    straight = median_of_medians(firsts["stub"]) * 1000
    added = {name: median_of_medians(firsts[name]) * 1000 - straight for name in ("bare", "karen")}
    return ADDED.row(
        added["karen"],
        n=_ROUNDS * _PER_ROUND,
        baseline_value=added["bare"],
        note=f"straight to the stub: {straight:.2f} ms",
    )


def _throughput_row(rates: dict[str, list[float]]) -> Row:
    return THROUGHPUT.row(
        statistics.median(rates["karen"]),
        n=_STORMS * _STORM,
        baseline_value=statistics.median(rates["bare"]),
        note=f"straight to the stub: {statistics.median(rates['stub']):.0f}/s; "
        f"{_WORDS} words each; load {os.getloadavg()[0]:.1f} with stub, load tool and server",
    )


def browser_headers(person: Person) -> dict[str, str]:
    """Return what a person's browser sends with a request."""
    cookies = dict(each.split("=", 1) for each in person.cookies.split("; "))
    return {
        "Host": person.host,
        "Origin": f"http://{person.host}",
        "Cookie": person.cookies,
        "X-CSRFToken": cookies.get("csrftoken", ""),
    }


async def new_key(session: aiohttp.ClientSession, site: Site) -> tuple[str, str]:
    """Return (key, host) of a new person in a new workspace."""
    person = await sign_up(session, site)
    return await key_of(session, site, person), person.host


async def key_of(session: aiohttp.ClientSession, site: Site, person: Person) -> str:
    """Return a new key of a person."""
    headers = browser_headers(person)
    async with session.post(
        f"{site.address}/api/v1/keys", json={"name": "bench"}, headers=headers
    ) as answer:
        if answer.status != 201:
            raise BenchError(f"no key: {answer.status} {await answer.text()}")
        return str((await answer.json())["token"])


async def _one_by_one(
    session: aiohttp.ClientSession, targets: Mapping[str, Target]
) -> dict[str, list[list[float]]]:
    """Return seconds to the first word by target and round; the targets alternate."""
    firsts: dict[str, list[list[float]]] = {name: [] for name in targets}
    for _ in range(_ROUNDS):
        for rounds in firsts.values():
            rounds.append([])
        for _ in range(_PER_ROUND):
            for name, target in targets.items():
                firsts[name][-1].append(await _complete(session, target))
    return firsts


async def _storms(
    session: aiohttp.ClientSession, targets: Mapping[str, Target]
) -> dict[str, list[float]]:
    """Return completions per second by target and round."""
    rates: dict[str, list[float]] = {name: [] for name in targets}
    for _ in range(_STORMS):
        for name, target in targets.items():
            rates[name].append(await _storm(session, target))
    return rates


async def _storm(session: aiohttp.ClientSession, target: Target) -> float:
    left = _STORM

    async def client() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await _complete(session, target)

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(_CONCURRENT)))
    return _STORM / (time.perf_counter() - started)


async def _complete(session: aiohttp.ClientSession, target: Target) -> float:
    """Ask for one streamed completion and read all of it; return seconds to the first word.

    Raises:
        BenchError: It is not complete.
    """
    first, words = 0.0, 0
    body = {
        "model": target.model,
        "stream": True,
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": "What does a lighthouse keeper do all day?"}],
    }
    started = time.perf_counter()
    async with session.post(target.url, json=body, headers=target.headers) as answer:
        async for line in answer.content:
            if line.startswith(b"data: {") and b'"content"' in line:
                choices = json.loads(line.removeprefix(b"data: "))["choices"]
                if choices and choices[0]["delta"].get("content"):
                    words += 1
                    first = first or time.perf_counter() - started
    if answer.status != 200 or words != _WORDS:
        raise BenchError(f"{target.url} answered {answer.status} with {words} words")
    return first
