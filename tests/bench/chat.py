"""Suite `chat`: what Karen adds to the time until the first word.

The model is a stub that answers at once, so nearly everything measured is Karen: socket, database,
queue, worker, log of events and back. Each turn through Karen is paired with a request straight to
the stub, from the same process, right after it.
"""

import asyncio
import json
import secrets
import statistics
import time
from pathlib import Path

import aiohttp

from tests.bench.people import Person, Socket, browsers, open_socket, sign_up
from tests.bench.processes import MODEL, Site, running_karen, running_upstream
from tests.bench.rows import BenchError, Budget, Figure, Row, median_of_medians, p95

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
FIGURES = (ADDED_P50, ADDED_P95)

_ROUNDS, _TURNS, _WARM_UP = 9, 12, 4
_TURN_TIMEOUT_S = 60.0
_TERMINAL = {"done", "error", "cancelled", "interrupted"}


def measure(folder: Path) -> list[Row]:
    """Return the suite's rows."""
    with (
        running_upstream(folder) as upstream,
        running_karen(folder / "chat", upstream=upstream) as site,
    ):
        rounds = asyncio.run(_rounds(site, upstream))
    added = [[(through - straight) * 1000 for through, straight in turns] for turns in rounds]
    everything = [sample for samples in added for sample in samples]
    straight = [sample * 1000 for turns in rounds for _, sample in turns]
    note = f"{len(rounds)} rounds of {_TURNS} turns, each round in another workspace"
    return [
        ADDED_P50.row(
            median_of_medians(added),
            n=len(everything),
            baseline_value=statistics.median(straight),
            note=note,
        ),
        ADDED_P95.row(p95(everything), n=len(everything), baseline_value=p95(straight), note=note),
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
                through, conversation = await _turn(socket, conversation)
                samples.append((through, await _straight(session, upstream)))
            # Nothing of the last turn is still under way, and no rhythm lines up with a timer.
            await asyncio.sleep(0.1 + secrets.randbelow(100) / 1000)
    finally:
        await socket.close()
    return samples[_WARM_UP:]


async def _turn(socket: Socket, conversation: str | None) -> tuple[float, str]:
    """Send a message and follow its answer to the end; return seconds to the first word."""
    first = 0.0
    started = time.perf_counter()
    await socket.send(
        type="message",
        ref="1",
        conversation_id=conversation,
        client_message_id=secrets.token_hex(8),
        text="What does a lighthouse keeper do all day?",
        model=None,
    )
    while True:
        frame = await socket.receive()
        if frame["type"] == "accepted":
            conversation = frame["conversation_id"]
        elif frame["type"] != "event":
            raise BenchError(f"instead of an answer came {frame}")
        elif frame["event"]["kind"] == "delta":
            first = first or time.perf_counter() - started
        elif frame["event"]["kind"] in _TERMINAL:
            await socket.send(type="ack", turn_id=frame["turn_id"], id=frame["id"])
            if frame["event"]["kind"] != "done" or not first or not conversation:
                raise BenchError(f"the turn ended with {frame['event']}")
            return first, conversation


async def _straight(session: aiohttp.ClientSession, upstream: str) -> float:
    """Ask the stub as the worker does; return seconds to the first word."""
    first = 0.0
    body = {
        "model": MODEL,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": "What does a lighthouse keeper do all day?"}],
    }
    started = time.perf_counter()
    async with session.post(f"{upstream}/chat/completions", json=body) as answer:
        async for line in answer.content:
            if not first and line.startswith(b"data: {"):
                choices = json.loads(line.removeprefix(b"data: "))["choices"]
                if choices and choices[0]["delta"].get("content"):
                    first = time.perf_counter() - started
    if not first:
        raise BenchError(f"the stub answered {answer.status} without a word")
    return first
