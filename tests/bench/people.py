"""The load: people who sign up with a browser's requests and chat over a socket."""

import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin

from tests.bench.processes import LOOPBACK, Site
from tests.bench.rows import BenchError

_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who is signed in to a workspace of their own.

    Attributes:
        host: Host and port of the workspace.
        cookies: The Cookie header of their browser there.
        seconds: From sending the sign-up form to the first page of the workspace.
    """

    host: str
    cookies: str
    seconds: float


class Browser:
    """One browser: cookies by host, connections kept open, no name resolution."""

    def __init__(self, session: aiohttp.ClientSession, site: Site) -> None:
        self._session = session
        self._site = site
        self._cookies: dict[str, dict[str, str]] = {}

    def cookies(self, host: str) -> str:
        """Return the Cookie header for a host."""
        return "; ".join(f"{k}={v}" for k, v in self._cookies.get(host, {}).items())

    def cookie(self, host: str, name: str) -> str:
        """Return one cookie."""
        return self._cookies[host][name]

    async def ask(
        self, host: str, path: str, *, form: dict[str, str] | None = None, status: int
    ) -> str:
        """Send one request and read the whole answer.

        Returns:
            Where the answer redirects to; empty when it does not.

        Raises:
            BenchError: The answer has another status.
        """
        headers = {"Host": host, "Origin": f"http://{host}"}
        if self._cookies.get(host):
            headers["Cookie"] = self.cookies(host)
        async with self._session.request(
            "GET" if form is None else "POST",
            f"{self._site.address}{path}",
            headers=headers,
            data=form,
            allow_redirects=False,
        ) as answer:
            text = await answer.text()
            if answer.status != status:
                said = " ".join(text.split())[:120]
                raise BenchError(f"{path}: {answer.status} instead of {status}: {said}")
            kept = self._cookies.setdefault(host, {})
            kept.update({name: morsel.value for name, morsel in answer.cookies.items()})
            return answer.headers.get("Location", "")


@asynccontextmanager
async def browsers() -> AsyncIterator[aiohttp.ClientSession]:
    """Yield what browsers send their requests with."""
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    async with aiohttp.ClientSession(
        timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        yield session


async def sign_up(session: aiohttp.ClientSession, site: Site) -> Person:
    """Create an account with a workspace and go there, as the form and its redirects do.

    Raises:
        BenchError: A step did not answer as it should.
    """
    browser = Browser(session, site)
    platform, slug = f"localhost:{site.port}", f"bench-{secrets.token_hex(6)}"
    await browser.ask(platform, "/signup/", status=200)
    form = {
        "csrfmiddlewaretoken": browser.cookie(platform, "csrftoken"),
        "organisation": f"Bench {slug}",
        "slug": slug,
        "name": "Bench Person",
        "email": f"{slug}@bench.example",
        "password": f"correct horse {slug}",
    }
    started = time.perf_counter()
    entry = urlsplit(await browser.ask(platform, "/signup/", form=form, status=302))
    chat = await browser.ask(entry.netloc, entry.path, status=302)
    await browser.ask(entry.netloc, chat, status=200)
    seconds = time.perf_counter() - started
    return Person(host=entry.netloc, cookies=browser.cookies(entry.netloc), seconds=seconds)


Frame = dict[str, Any]


class Socket:
    """A chat socket that speaks JSON."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, **frame: object) -> None:
        """Send one frame."""
        await self._connection.send(json.dumps(frame))

    async def receive(self) -> Frame:
        """Return the next frame."""
        frame: Frame = json.loads(await self._connection.recv())
        return frame

    def pause(self) -> None:
        """Read nothing more from the network."""
        self._connection.transport.pause_reading()

    def abort(self) -> None:
        """Drop the connection without a word."""
        self._connection.transport.abort()

    async def close(self) -> None:
        """Close it with the closing handshake."""
        await self._connection.close()


async def open_socket(site: Site, *, host: str, path: str, cookies: str = "") -> Socket:
    """Open a socket and wait for its `ready` frame.

    Raises:
        BenchError: Something else came.
    """
    connection = await connect(
        f"ws://{host}{path}",
        host=LOOPBACK,
        port=site.port,
        origin=Origin(f"http://{host}"),
        additional_headers={"Cookie": cookies} if cookies else None,
        open_timeout=_TIMEOUT_S,
        proxy=None,
    )
    socket = Socket(connection)
    frame = await socket.receive()
    if frame.get("type") != "ready":
        raise BenchError(f"the socket began with {frame}")
    return socket
