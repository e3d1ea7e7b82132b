"""Karen's real processes, the stub of a model provider and the baselines, for one measurement.

The command lines are those of the Procfile, so what is measured is what `make run` starts. This
process only asks and measures; whatever answers runs in processes of its own.
"""

import base64
import json
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import psycopg

from tests.bench.rows import BenchError
from tools.stack.parentage import start_child
from tools.stack.supervise import read_procfile

ROOT = Path(__file__).parents[2]
LOOPBACK = "127.0.0.1"
MODEL = "plain-50"
_PORTS = range(8400, 8500)
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 15.0
_POLL_S = 0.005
_KAREN_ROLES = ("web", "worker", "worker2", "relay")  # the model is remote: no engine, no canaries


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A web server on the loopback."""

    port: int
    pid: int

    @property
    def address(self) -> str:
        """Its base URL."""
        return f"http://{LOOPBACK}:{self.port}"


@cache
def _keys() -> dict[str, str]:
    return {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "PLATFORM_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }


def karen_environment(
    folder: Path, *, port: int = 8400, spare_workspaces: int = 2, upstream: str = ""
) -> dict[str, str]:
    """Return the environment of Karen's processes, independent of a developer's `.env`.

    Args:
        folder: Where they write.
        port: Where the web server listens.
        spare_workspaces: Schemas kept ready for sign-ups.
        upstream: Base URL of the model provider.
    """
    chosen = {
        "DJANGO_SETTINGS_MODULE": "karen_site.settings.dev",
        "KAREN_VAR": str(folder),
        "PORT": str(port),
        "PUBLIC_PORT": "",
        "BIND": LOOPBACK,
        "BASE_DOMAIN": "localhost",
        "SCHEME": "http",
        "DEMO": "0",
        "EMAIL_URL": "",
        "SPARE_WORKSPACES": str(spare_workspaces),
        "SIGN_UPS_PER_HOUR": "1000",  # everybody here comes from one address
        "CHAT_MESSAGES_PER_MINUTE": "100000",  # one person does what many would
        "CHAT_TURNS_PER_USER": "1000",
        "OPENAI_API_KEY": "",
        "OPENAI_BASE_URL": upstream,
        "OPENAI_MODELS": MODEL if upstream else "",
        "DEFAULT_MODEL": f"openai/{MODEL}" if upstream else "",
        "LOG_LEVEL": "INFO",
        "LOG_JSON": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore:You're running the worker with superuser",
    }
    return {**os.environ, **_keys(), **chosen}


def free_port() -> int:
    """Return a port of the loopback that nobody listens on.

    Raises:
        BenchError: There is none in our range.
    """
    start = secrets.randbelow(len(_PORTS))
    for step in range(len(_PORTS)):
        port = _PORTS[(start + step) % len(_PORTS)]
        if _is_free(port):
            return port
    raise BenchError("no free port from 8400 to 8499")


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


@contextmanager
def running(
    command: Sequence[str], *, environment: Mapping[str, str], log: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program in a session of its own while the block runs; its output goes to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = start_child(
            command,
            death=signal.SIGTERM,
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def procfile_command(role: str) -> list[str]:
    """Return how `make run` starts a process; the shell becomes the program."""
    return ["/bin/sh", "-c", f"exec {read_procfile(ROOT / 'Procfile')[role]}"]


def daphne_command(application: str, port: int) -> list[str]:
    """Return how a baseline is served: by the same server with the same options as Karen."""
    karens = read_procfile(ROOT / "Procfile")["web"].rpartition(" ")[0]
    words = karens.replace("${BIND:-127.0.0.1}", LOOPBACK).replace("${PORT:-8000}", str(port))
    return [*shlex.split(words), application]


def wait_until_answered(
    process: "subprocess.Popen[bytes]", port: int, path: str, *, log: Path
) -> None:
    """Ask a web server until it says 200.

    Raises:
        BenchError: It ended, or did not answer in time.
    """
    deadline, pause = time.monotonic() + _START_TIMEOUT_S, threading.Event()
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BenchError(f"{log.stem} ended with {process.returncode}: {_tail(log)}")
        with closing(HTTPConnection(LOOPBACK, port, timeout=5)) as connection:
            try:
                connection.request("GET", path)
                if connection.getresponse().status == 200:
                    return
            except (OSError, HTTPException):
                pass  # not listening yet
        pause.wait(_POLL_S)
    raise BenchError(f"{log.stem} did not answer in {_START_TIMEOUT_S:.0f} s: {_tail(log)}")


def _tail(log: Path) -> str:
    return " | ".join(log.read_text(errors="replace").splitlines()[-3:])[-500:]


@contextmanager
def running_site(
    command: Sequence[str], *, environment: Mapping[str, str], port: int, path: str, log: Path
) -> Iterator[Site]:
    """Run a web server while the block runs, from its first 200 on."""
    with running(command, environment=environment, log=log) as process:
        wait_until_answered(process, port, path, log=log)
        yield Site(port=port, pid=process.pid)


@contextmanager
def running_baseline(module: str, folder: Path) -> Iterator[Site]:
    """Serve `tests.bench.baselines.<module>:application` with Daphne."""
    port = free_port()
    command = daphne_command(f"tests.bench.baselines.{module}:application", port)
    log = folder / "log" / f"{module}.log"
    with running_site(command, environment=os.environ, port=port, path="/", log=log) as site:
        yield site


@contextmanager
def running_upstream(folder: Path) -> Iterator[str]:
    """Run the stub of a model provider as a server of its own; yield its base URL."""
    port = free_port()
    command = [sys.executable, "-m", "tests.stubs.upstream", "--port", str(port)]
    log = folder / "log" / "upstream.log"
    with running_site(
        command, environment=os.environ, port=port, path="/v1/models", log=log
    ) as site:
        yield f"{site.address}/v1"


def prepare(environment: Mapping[str, str]) -> None:
    """Bring database, template and static files up to date.

    Raises:
        BenchError: It failed.
    """
    done = subprocess.run(
        [sys.executable, "manage.py", "prepare"],
        cwd=ROOT,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BenchError(f"manage.py prepare failed: {done.stderr.strip()[-500:]}")


@contextmanager
def running_karen(folder: Path, *, spare_workspaces: int = 2, upstream: str = "") -> Iterator[Site]:
    """Prepare the database and run Karen's web server, worker and relay."""
    port = free_port()
    environment = karen_environment(
        folder, port=port, spare_workspaces=spare_workspaces, upstream=upstream
    )
    prepare(environment)
    with ExitStack() as stack:
        for role in _KAREN_ROLES[1:]:
            log = folder / "log" / f"{role}.log"
            stack.enter_context(running(procfile_command(role), environment=environment, log=log))
        site = running_site(
            procfile_command("web"),
            environment=environment,
            port=port,
            path="/health/ready",
            log=folder / "log" / "web.log",
        )
        yield stack.enter_context(site)


def run_baseline_program(module: str, environment: Mapping[str, str], *arguments: str) -> Any:
    """Run `python -m tests.bench.baselines.<module>` to its end and return the JSON it prints.

    Raises:
        BenchError: It failed.
    """
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.baselines.{module}", *arguments],
        cwd=ROOT,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BenchError(f"the baseline {module} failed: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])


def spare_count() -> int:
    """Return how many schemas are ready for sign-ups."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        row = connection.execute("SELECT count(*) FROM public.tenants_spareschema").fetchone()
    assert row is not None
    return int(row[0])
