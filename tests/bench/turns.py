"""Durable turns under load: how many a second, and how long until the first word at 32 at once."""

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp

from tests.bench.people import Socket, open_socket
from tests.bench.processes import MODEL, Site
from tests.bench.rows import BenchError
from tests.chaos.people import Person

AT_ONCE = 32
_TURNS_EACH = 16  # a person may send twenty at once
_WARM_UP_EACH = 2
_TURN_TIMEOUT_S = 60.0
_QUESTION = "What does a lighthouse keeper do all day?"
_TERMINAL = {"done", "error", "cancelled", "interrupted"}


@dataclass(slots=True)
class Load:
    """What 32 people at once got.

    Attributes:
        first_s: Seconds from sending to the first word, for each turn.
        per_s: Turns (or requests) a second while all were busy.
    """

    first_s: list[float] = field(default_factory=list)
    per_s: float = 0.0


async def turns_through_karen(site: Site, people: Sequence[Person]) -> Load:
    """Have everybody send one message after another over sockets of their own."""
    sockets = [
        await open_socket(
            site, host=f"{p.slug}.localhost:{site.port}", path="/ws/chat/", cookies=p.cookies
        )
        for p in people
    ]
    try:
        await asyncio.gather(*(_turns(socket, _WARM_UP_EACH) for socket in sockets))
        started = time.perf_counter()
        samples = await asyncio.gather(*(_turns(socket, _TURNS_EACH) for socket in sockets))
        seconds = time.perf_counter() - started
    finally:
        for socket in sockets:
            await socket.close()
    first = [sample for each in samples for sample in each]
    return Load(first_s=first, per_s=len(first) / seconds)


async def _turns(socket: Socket, count: int) -> list[float]:
    conversation: str | None = None
    samples = []
    for _ in range(count):
        async with asyncio.timeout(_TURN_TIMEOUT_S):
            first, conversation = await turn(socket, conversation)
        samples.append(first)
    return samples


async def turn(
    socket: Socket, conversation: str | None, *, model: str | None = None
) -> tuple[float, str]:
    """Send a message and follow its answer to the end; return seconds to the first word.

    Raises:
        BenchError: Something else than a complete answer came.
    """
    first = 0.0
    started = time.perf_counter()
    await socket.send(
        type="message",
        ref="1",
        conversation_id=conversation,
        client_message_id=secrets.token_hex(8),
        text=_QUESTION,
        model=model,
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


async def requests_straight(session: aiohttp.ClientSession, upstream: str) -> Load:
    """Ask the stub of a provider directly, as many at once."""
    await asyncio.gather(*(straight(session, upstream) for _ in range(AT_ONCE)))
    started = time.perf_counter()
    samples = await asyncio.gather(*(_requests(session, upstream) for _ in range(AT_ONCE)))
    seconds = time.perf_counter() - started
    first = [sample for each in samples for sample in each]
    return Load(first_s=first, per_s=len(first) / seconds)


async def _requests(session: aiohttp.ClientSession, upstream: str) -> list[float]:
    return [await straight(session, upstream) for _ in range(_TURNS_EACH)]


async def straight(session: aiohttp.ClientSession, upstream: str) -> float:
    """Ask the stub as the worker does, to the end; return seconds to the first word.

    Raises:
        BenchError: It said nothing.
    """
    first = 0.0
    body = {
        "model": MODEL,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": _QUESTION}],
    }
    started = time.perf_counter()
    async with session.post(f"{upstream}/chat/completions", json=body) as answer:
        async for line in answer.content:
            if not first and b'"content":"word' in line:
                first = time.perf_counter() - started
    if not first:
        raise BenchError(f"the stub answered {answer.status} without a word")
    return first
