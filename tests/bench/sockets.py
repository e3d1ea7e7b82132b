"""A thousand sockets: what they lose, how late it comes, what they weigh; and one that is deaf."""

import asyncio
import json
import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import psutil
import psycopg
import redis

from tests.bench.people import Socket, open_socket
from tests.bench.processes import Site
from tests.bench.rows import BenchError
from tests.chaos.people import Person

SOCKETS, STREAMING, SECONDS = 1_000, 100, 60
_ITL_MS = 200
_AT_ONCE = 20
_ACK_EVERY = 32
_WORDS = SECONDS * 1000 // _ITL_MS
_MODEL = f"stub/itl={_ITL_MS},len={_WORDS}"
_QUIET_MODEL = "stub/ttft=600000"
_DEAF_EVENTS, _DEAF_EVENT_BYTES = 3_200, 16_384  # 50 MB
_TERMINAL = {"done", "error", "cancelled", "interrupted"}


@dataclass(slots=True)
class Delivery:
    """What reached the clients.

    Attributes:
        events: Events received.
        damaged: Words missing, doubled or out of order, and turns without their one end.
        delays_s: From the entry in the log to the client.
        idle_kb: Resident memory of the server for each socket that only is there.
    """

    events: int = 0
    damaged: int = 0
    delays_s: list[float] = field(default_factory=list)
    idle_kb: float = 0.0


def resident_kb(pid: int) -> float:
    """Return the resident memory of a process."""
    return float(psutil.Process(pid).memory_info().rss) / 1024


async def open_many(
    site: Site, count: int, people: Sequence[Person], *, host: str = "", path: str = "/ws/chat/"
) -> list[Socket]:
    """Open sockets, some at a time; `host` is for servers without workspaces."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> Socket:
        person = people[number % len(people)] if people else None
        where = host or f"{person.slug if person else ''}.localhost:{site.port}"
        async with gate:
            return await open_socket(
                site, host=where, path=path, cookies=person.cookies if person else ""
            )

    return list(await asyncio.gather(*(one(number) for number in range(count))))


async def close_all(sockets: Sequence[Socket]) -> None:
    """Close sockets, some at a time."""
    for start in range(0, len(sockets), _AT_ONCE):
        await asyncio.gather(*(each.close() for each in sockets[start : start + _AT_ONCE]))


async def idle_kb(site: Site, people: Sequence[Person], *, host: str = "", path: str) -> float:
    """Return what one idle socket adds to the server's memory."""
    await close_all(await open_many(site, 50, people, host=host, path=path))
    before = resident_kb(site.pid)
    sockets = await open_many(site, SOCKETS - STREAMING, people, host=host, path=path)
    added = resident_kb(site.pid) - before
    await close_all(sockets)
    return added / len(sockets)


async def deliver(site: Site, people: Sequence[Person]) -> Delivery:
    """Have a tenth of a thousand sockets receive an answer for a minute."""
    found = Delivery()
    sockets = await open_many(site, SOCKETS, people)
    try:
        await asyncio.gather(*(_receive(socket, found) for socket in sockets[:STREAMING]))
    finally:
        await close_all(sockets)
    return found


async def _receive(socket: Socket, found: Delivery) -> None:
    await socket.send(
        type="message",
        ref="1",
        conversation_id=None,
        client_message_id=secrets.token_hex(8),
        text="What does a lighthouse keeper do all day?",
        model=_MODEL,
    )
    text, ids, ends = "", [(0, 0)], 0
    async with asyncio.timeout(SECONDS + 60):
        while not ends:
            frame = await socket.receive()
            if frame["type"] == "accepted":
                continue
            if frame["type"] != "event":
                raise BenchError(f"instead of an answer came {frame}")
            milliseconds, _, sequence = frame["id"].partition("-")
            found.delays_s.append(max(time.time() - int(milliseconds) / 1000, 0.0))
            found.damaged += (int(milliseconds), int(sequence)) <= ids[-1]
            ids.append((int(milliseconds), int(sequence)))
            found.events += 1
            text += frame["event"].get("text", "")
            ends += frame["event"]["kind"] in _TERMINAL
            if ends or len(ids) % _ACK_EVERY == 0:
                await socket.send(type="ack", turn_id=frame["turn_id"], id=frame["id"])
    numbers = ["".join(c for c in word if c.isdigit()) for word in text.split()]
    found.damaged += numbers != [str(number) for number in range(1, _WORDS + 1)]


_BEGIN_S = 15.0


async def slow_reader_mb(site: Site, person: Person) -> float:
    """Return by how much the server grows for a client that never reads a stream of 50 MB."""
    host = f"{person.slug}.localhost:{site.port}"
    socket = await open_socket(site, host=host, path="/ws/chat/", cookies=person.cookies)
    await socket.send(
        type="message",
        ref="1",
        conversation_id=None,
        client_message_id=secrets.token_hex(8),
        text="Wait.",
        model=_QUIET_MODEL,
    )
    frame = await socket.receive()
    turn_id = frame["turn_id"]
    socket.pause()
    before = most = resident_kb(site.pid)
    tenant = _tenant_of(person.slug)
    key = f"{tenant}:turn:{turn_id.replace('-', '')}:events"
    payload = json.dumps({"kind": "delta", "attempt": 1, "text": "x" * _DEAF_EVENT_BYTES})
    with redis.Redis.from_url(f"{os.environ['REDIS_URL']}/1") as client:
        try:
            async with asyncio.timeout(_BEGIN_S):
                while not client.exists(key):  # noqa: ASYNC110  # another process writes it
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            raise BenchError(f"the turn did not begin: no log {key}") from error
        for _ in range(_DEAF_EVENTS):
            client.xadd(key, {"e": payload}, maxlen=20_000)
            most = max(most, resident_kb(site.pid))
        client.delete(key)
    await asyncio.sleep(1.0)
    most = max(most, resident_kb(site.pid))
    socket.abort()
    return (most - before) / 1024


def _tenant_of(slug: str) -> str:
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        row = connection.execute(
            "SELECT id FROM public.tenants_tenant WHERE slug = %s", [slug]
        ).fetchone()
    if row is None:
        raise BenchError(f"no workspace {slug}")
    return str(row[0]).replace("-", "")
