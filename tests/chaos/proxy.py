"""A TCP proxy that can break every connection the way a dying network does."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_LOOPBACK = "127.0.0.1"


class Proxy:
    """Passes bytes between clients and the web server.

    Attributes:
        port: Where clients connect.
        resets: How many connections were reset.
    """

    def __init__(self, upstream_port: int) -> None:
        self.port = 0
        self.resets = 0
        self._upstream_port = upstream_port
        self._clients: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def reset_all(self) -> int:
        """Answer every client with RST, without a closing handshake; return how many there were."""
        count = len(self._clients)
        for writer in list(self._clients):
            _reset(writer)
        self.resets += count
        return count

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect one client with the web server."""
        try:
            upstream = await asyncio.open_connection(_LOOPBACK, self._upstream_port)
        except OSError:
            _reset(writer)
            return
        self._clients.add(writer)
        try:
            both = [
                asyncio.create_task(_pump(reader, upstream[1])),
                asyncio.create_task(_pump(upstream[0], writer)),
            ]
            self._tasks.update(both)
            _, pending = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            self._tasks.difference_update(both)
        finally:
            self._clients.discard(writer)
            for end in (writer, upstream[1]):
                end.close()
                with suppress(OSError):
                    await end.wait_closed()


def _reset(writer: asyncio.StreamWriter) -> None:
    found = writer.get_extra_info("socket")
    if found is not None:
        with suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def running_proxy(upstream_port: int) -> AsyncIterator[Proxy]:
    """Serve a proxy on a free port while the block runs."""
    proxy = Proxy(upstream_port)
    server = await asyncio.start_server(proxy.serve, _LOOPBACK, 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.reset_all()
