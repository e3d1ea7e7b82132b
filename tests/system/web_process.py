"""A web process over the database and the Redis of this test run, for tests that stop it."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin

from tools.stack.bootstrap import ROOT
from tools.stack.supervise import read_procfile

_STARTUP_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class WebProcess:
    """Daphne as the Procfile starts it.

    Attributes:
        port: Where it listens.
        process: The process itself.
        log: What it prints.
    """

    port: int
    process: "subprocess.Popen[bytes]"
    log: Path

    def readiness(self) -> int:
        """Return the status of `/health/ready`; 0 where nobody listens."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/health/ready", headers={"Host": f"localhost:{self.port}"})
            return connection.getresponse().status
        except (OSError, HTTPException):
            return 0
        finally:
            connection.close()

    def socket(self, slug: str, cookies: str) -> connect:
        """Open the chat socket of a workspace: a context manager yielding a `ClientConnection`."""
        host = f"{slug}.localhost:{self.port}"
        return connect(
            f"ws://{host}/ws/chat/",
            host="127.0.0.1",
            port=self.port,
            origin=Origin(f"http://{host}"),
            additional_headers={"Cookie": cookies},
            ping_interval=None,
            proxy=None,
        )


@contextmanager
def running_web(folder: Path, extra: Mapping[str, str] | None = None) -> Iterator[WebProcess]:
    """Run the web process while the block runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "karen_site.settings.test",
        "KAREN_VAR": str(folder),
        "PORT": str(port),
        "PUBLIC_PORT": str(port),
        "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ.get('PATH', '')}",
        **(extra or {}),
    }
    log = folder / "web.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {read_procfile(ROOT / 'Procfile')['web']}"],
            env=environment,
            cwd=ROOT,
            stdout=output,
            stderr=output,
        )
        web = WebProcess(port=port, process=process, log=log)
        try:
            _wait_until_ready(web)
            yield web
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(timeout=20)


def _wait_until_ready(web: WebProcess) -> None:
    deadline = time.monotonic() + _STARTUP_S
    while web.readiness() != 200:
        with contextlib.suppress(subprocess.TimeoutExpired):
            web.process.wait(timeout=0.1)
            raise RuntimeError(f"the web process ended: {web.log.read_text()[-2000:]}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"the web process is not ready: {web.log.read_text()[-2000:]}")


__all__ = ["ClientConnection", "WebProcess", "running_web"]
