"""Suite `chat`: what Karen adds to the time until the first word, and how much it bears.

The model is a stub that answers at once, so nearly everything measured is Karen: socket, database,
queue, worker, log of events and back. Each turn through Karen is paired with a request straight to
the stub, from the same process, right after it.
"""

import asyncio
import os
import secrets
import statistics
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

from tests.bench.people import Person, browsers, open_socket, sign_up
from tests.bench.processes import (
    Site,
    karen_environment,
    running_baseline,
    running_karen,
    running_upstream,
)
from tests.bench.rows import BenchError, Budget, Figure, Row, median_of_medians, p95
from tests.bench.sockets import STREAMING, deliver, idle_kb, slow_reader_mb
from tests.bench.turns import AT_ONCE, requests_straight, straight, turn, turns_through_karen
from tests.chaos.people import Person as Member, people_of

ADDED_P50 = Figure(
    name="ttft_added_ws_p50_ms",
    unit="ms",
    baseline="first chunk straight from the stub",
    budget=Budget(at_most=60),
)
ADDED_P95 = Figure(
    name="ttft_added_ws_p95_ms",
    unit="ms",
    baseline="first chunk straight from the stub",
    budget=Budget(at_most=120),
)
ADDED_C32 = Figure(
    name="ttft_added_ws_c32_p95_ms",
    unit="ms",
    baseline="first chunk straight from the stub, 32 at once",
    budget=Budget(at_most=250),
)
TURNS = Figure(
    name="turns_per_s", unit="1/s", baseline="the stub's requests", budget=Budget(at_least=40)
)
LOST = Figure(name="sockets_1000_lost", unit="", baseline="", budget=Budget(at_most=0))
DELAY = Figure(name="sockets_1000_delay_p95_ms", unit="ms", baseline="", budget=Budget(at_most=250))
MEMORY = Figure(
    name="socket_memory_kb",
    unit="KB",
    baseline="bare Channels consumer",
    budget=Budget(at_most=60),
)
DEAF = Figure(name="slow_reader_mb", unit="MB", baseline="", budget=Budget(at_most=5))
FIGURES = (ADDED_P50, ADDED_P95, ADDED_C32, TURNS, LOST, DELAY, MEMORY, DEAF)

_ROUNDS, _TURNS, _WARM_UP = 9, 12, 4
_TURN_TIMEOUT_S = 60.0


def measure(folder: Path) -> list[Row]:
    """Return the suite's rows; a part that fails leaves only its own rows without values."""
    rows: list[Row] = []
    with running_upstream(folder) as upstream:
        with running_karen(folder / "chat", upstream=upstream) as site:
            rows += _part((ADDED_P50, ADDED_P95), lambda: _one_at_a_time(site, upstream))
        with running_karen(folder / "load", upstream=upstream) as site:
            people = _people(folder / "load", site, upstream)
            rows += _part((ADDED_C32, TURNS), lambda: _at_once(site, upstream, people))
        with running_karen(folder / "sockets", upstream=upstream) as site:
            people = _people(folder / "sockets", site, upstream)
            rows += _part((MEMORY,), lambda: _memory(folder, site, people))
            rows += _part((LOST, DELAY), lambda: _thousand(site, people))
            rows += _part((DEAF,), lambda: _deaf(site, people[0]))
    return rows


def _part(figures: tuple[Figure, ...], measured: Callable[[], Awaitable[list[Row]]]) -> list[Row]:
    async def run() -> list[Row]:
        return await measured()

    try:
        return asyncio.run(run())
    except (BenchError, OSError, TimeoutError, aiohttp.ClientError) as error:
        return [figure.missing(f"{type(error).__name__}: {error}") for figure in figures]


def _people(folder: Path, site: Site, upstream: str) -> list[Member]:
    environment = karen_environment(folder, port=site.port, upstream=upstream)
    name = secrets.token_hex(3)
    return people_of({**os.environ, **environment}, AT_ONCE // 2, [f"left{name}", f"right{name}"])


# -- one at a time


async def _one_at_a_time(site: Site, upstream: str) -> list[Row]:
    rounds = await _rounds(site, upstream)
    added = [[(through - alone) * 1000 for through, alone in turns] for turns in rounds]
    everything = [sample for samples in added for sample in samples]
    alone = [sample * 1000 for turns in rounds for _, sample in turns]
    note = f"{len(rounds)} rounds of {_TURNS} turns, each round in another workspace"
    return [
        ADDED_P50.row(
            median_of_medians(added),
            n=len(everything),
            baseline_value=statistics.median(alone),
            note=note,
        ),
        ADDED_P95.row(p95(everything), n=len(everything), baseline_value=p95(alone), note=note),
    ]


async def _rounds(site: Site, upstream: str) -> list[list[tuple[float, float]]]:
    """Return (through Karen, straight) in seconds, by round; the first round warms up."""
    async with browsers() as session:
        # A person may send only so many messages in a minute, so every round has its own.
        people = [await sign_up(session, site) for _ in range(1 + _ROUNDS)]
        rounds = [await _round(session, site, person, upstream) for person in people]
    return rounds[1:]


async def _round(
    session: aiohttp.ClientSession, site: Site, person: Person, upstream: str
) -> list[tuple[float, float]]:
    socket = await open_socket(site, host=person.host, path="/ws/chat/", cookies=person.cookies)
    samples = []
    try:
        conversation: str | None = None
        for _ in range(_WARM_UP + _TURNS):
            async with asyncio.timeout(_TURN_TIMEOUT_S):
                through, conversation = await turn(socket, conversation)
                samples.append((through, await straight(session, upstream)))
            # Nothing of the last turn is still under way, and no rhythm lines up with a timer.
            await asyncio.sleep(0.1 + secrets.randbelow(100) / 1000)
    finally:
        await socket.close()
    return samples[_WARM_UP:]


# -- many at once


async def _at_once(site: Site, upstream: str, people: list[Member]) -> list[Row]:
    async with browsers() as session:
        alone = await requests_straight(session, upstream)
    through = await turns_through_karen(site, people)
    added = (p95(through.first_s) - p95(alone.first_s)) * 1000
    note = f"{AT_ONCE} people at once, {len(through.first_s)} turns of 50 tokens"
    return [
        ADDED_C32.row(
            added, n=len(through.first_s), baseline_value=p95(alone.first_s) * 1000, note=note
        ),
        TURNS.row(through.per_s, n=len(through.first_s), baseline_value=alone.per_s, note=note),
    ]


async def _memory(folder: Path, site: Site, people: list[Member]) -> list[Row]:
    ours = await idle_kb(site, people, path="/ws/chat/")
    with running_baseline("bare_socket", folder) as bare:
        theirs = await idle_kb(bare, [], host=f"localhost:{bare.port}", path="/ws/")
    return [MEMORY.row(ours, n=900, baseline_value=theirs, note="900 idle sockets")]


async def _thousand(site: Site, people: list[Member]) -> list[Row]:
    found = await deliver(site, people)
    note = f"{found.events} events on {STREAMING} of 1,000 sockets in a minute"
    return [
        LOST.row(found.damaged, n=found.events, note=note),
        DELAY.row(p95(found.delays_s) * 1000, n=found.events, note="from the log to the client"),
    ]


async def _deaf(site: Site, person: Member) -> list[Row]:
    return [DEAF.row(await slow_reader_mb(site, person), n=1, note="a stream of 50 MB")]
