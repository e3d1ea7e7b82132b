"""Suite `core`: how long a new workspace, a socket and a start take."""

import asyncio
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.bench.people import Person, Socket, browsers, open_socket, sign_up
from tests.bench.processes import (
    Site,
    daphne_command,
    free_port,
    karen_environment,
    prepare,
    procfile_command,
    run_baseline_program,
    running,
    running_baseline,
    running_karen,
    spare_count,
    wait_until_answered,
)
from tests.bench.rows import BenchError, Budget, Figure, Row, p95

SIGNUP_COLD = Figure(
    name="signup_cold_s",
    unit="s",
    baseline="one schema by migrations",
    budget=Budget(at_most=1.0),
)
SIGNUP_WARM = Figure(
    name="signup_warm_s",
    unit="s",
    baseline="cold sign-up",
    budget=Budget(at_most=0.2),
)
WS_CONNECT = Figure(
    name="ws_connect_p95_ms",
    unit="ms",
    baseline="bare Channels consumer",
    budget=Budget(at_most=30, ratio_at_most=5),
)
STARTUP = Figure(
    name="startup_s",
    unit="s",
    baseline="bare Django under Daphne",
    budget=Budget(at_most=3.0),
)
FIGURES = (SIGNUP_COLD, SIGNUP_WARM, WS_CONNECT, STARTUP)

_SIGNUPS, _SIGNUPS_WARM_UP = 9, 2
_SPARES = 2
_SPARES_TIMEOUT_S = 60.0
_ROUNDS, _CONNECTS, _ALREADY_OPEN = 9, 20, 50
_STARTS = 7


def measure(folder: Path) -> list[Row]:
    """Return the suite's rows; cold sign-ups come first, while no spare schema exists."""
    migrated = run_migrations(folder)
    cold = cold_sign_ups(folder)
    with running_karen(folder / "warm", spare_workspaces=_SPARES) as site:
        warm = asyncio.run(_sign_ups(site, spares=_SPARES))
        karen, bare = asyncio.run(_connects(site, folder))
    started, bare_started = _starts(folder)
    return [
        SIGNUP_COLD.row(
            statistics.median(cold),
            n=len(cold),
            baseline_value=statistics.median(migrated),
            note=f"p95 {p95(cold):.3f} s; no spare schema, argon2 included",
        ),
        SIGNUP_WARM.row(
            statistics.median(warm),
            n=len(warm),
            baseline_value=statistics.median(cold),
            note=f"p95 {p95(warm):.3f} s; a worker makes the next spare meanwhile",
        ),
        WS_CONNECT.row(
            p95(karen),
            n=len(karen),
            baseline_value=p95(bare),
            note=f"p50 {statistics.median(karen):.1f} ms, bare {statistics.median(bare):.1f} ms;"
            f" {_ALREADY_OPEN} sockets open on each side",
        ),
        STARTUP.row(
            statistics.median(started),
            n=len(started),
            baseline_value=statistics.median(bare_started),
            note=f"slowest {max(started):.2f} s",
        ),
    ]


def run_migrations(folder: Path) -> list[float]:
    """Return the seconds that migrations need for a schema, without the first as warm-up."""
    environment = karen_environment(folder / "cold", spare_workspaces=0)
    prepare(environment)
    seconds: list[float] = run_baseline_program("migrated_schema", environment, "6")
    return seconds[1:]


def cold_sign_ups(folder: Path) -> list[float]:
    """Return the seconds of sign-ups that find no spare schema.

    Raises:
        BenchError: There was one.
    """
    with running_karen(folder / "cold", spare_workspaces=0) as site:
        if spare_count():
            raise BenchError("there are spare schemas already: start with an empty database")
        return asyncio.run(_sign_ups(site, spares=0))


async def _sign_ups(site: Site, *, spares: int) -> list[float]:
    seconds = []
    async with browsers() as session:
        for _ in range(_SIGNUPS_WARM_UP + _SIGNUPS):
            await _wait_for_spares(spares)
            seconds.append((await sign_up(session, site)).seconds)
    return seconds[_SIGNUPS_WARM_UP:]


async def _wait_for_spares(wanted: int) -> None:
    async with asyncio.timeout(_SPARES_TIMEOUT_S):
        while spare_count() < wanted:  # noqa: ASYNC110  # another process makes them
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)  # whoever made the spare has also committed and tidied up


async def _connects(karen: Site, folder: Path) -> tuple[list[float], list[float]]:
    """Open sockets one after another, Karen's and bare ones in turn; return milliseconds."""
    with running_baseline("bare_socket", folder) as bare:
        async with browsers() as session:
            person = await sign_up(session, karen)
        held = [await _socket(karen, person) for _ in range(_ALREADY_OPEN)]
        held += [await _bare_socket(bare) for _ in range(_ALREADY_OPEN)]
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(_ROUNDS):
            for _ in range(_CONNECTS):
                ours.append(await _timed_socket(karen, person))
                theirs.append(await _timed_socket(bare, None))
        for socket in held:
            await socket.close()
    return ours[_CONNECTS:], theirs[_CONNECTS:]  # the first round warms up


async def _socket(site: Site, person: Person) -> Socket:
    return await open_socket(site, host=person.host, path="/ws/chat/", cookies=person.cookies)


async def _bare_socket(site: Site) -> Socket:
    return await open_socket(site, host=f"localhost:{site.port}", path="/ws/")


async def _timed_socket(site: Site, person: Person | None) -> float:
    started = time.perf_counter()
    socket = await (_socket(site, person) if person else _bare_socket(site))
    elapsed = (time.perf_counter() - started) * 1000
    await socket.close()
    return elapsed


def _starts(folder: Path) -> tuple[list[float], list[float]]:
    """Return the seconds from process start to the first 200, Karen's and the bare project's."""
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(1 + _STARTS):  # the first reads everything from disk
        port = free_port()
        environment = karen_environment(folder / "warm", port=port)
        ours.append(_start(procfile_command("web"), environment, port, "/health/ready", folder))
        port = free_port()
        command = daphne_command("tests.bench.baselines.bare_django:application", port)
        theirs.append(_start(command, os.environ, port, "/", folder))
    return ours[1:], theirs[1:]


def _start(
    command: Sequence[str], environment: Mapping[str, str], port: int, path: str, folder: Path
) -> float:
    log = folder / "log" / "startup.log"
    started = time.perf_counter()
    with running(command, environment=environment, log=log) as process:
        wait_until_answered(process, port, path, log=log)
        return time.perf_counter() - started
