"""Run the lines of the Procfile, restart what dies, and stop all of it together.

honcho would stop everything when one process dies; here a killed worker must be back at once. So
only honcho's reading of the Procfile and its printer are used. One thread, because the children
are bound to the life of the thread that starts them.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from honcho.colour import get_colours
from honcho.environ import parse_procfile
from honcho.printer import Message, Printer

from tools.stack.console import INTERRUPTED, StackError
from tools.stack.logs import fresh_log
from tools.stack.parentage import start_child
from tools.stack.server import Server

GRACE_S = 4.0
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
# Who lived this long was healthy: its next death starts with the shortest pause again.
HEALTHY_AFTER_S = 30.0
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def read_procfile(path: Path) -> dict[str, str]:
    """Return name → command line of a Procfile."""
    commands: dict[str, str] = parse_procfile(path.read_text()).processes
    return commands


def next_pause(previous_s: float, lived_s: float) -> float:
    """Return how long to wait before the next start of a process that died."""
    if lived_s >= HEALTHY_AFTER_S or previous_s == 0.0:
        return FIRST_PAUSE_S
    return min(previous_s * 2, LONGEST_PAUSE_S)


@dataclass(slots=True)
class Child:
    """One line of the Procfile and the process that runs it now."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    colour: str | None
    log: BinaryIO
    restart: bool = True
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    start_at: float = 0.0
    pause_s: float = 0.0
    tail: bytes = field(default=b"")

    def is_due(self, now: float) -> bool:
        """Say whether it is time to start it."""
        return self.process is None and now >= self.start_at

    def send(self, number: signal.Signals) -> None:
        """Signal the process and all it started."""
        if self.process is not None:
            # It may have ended a moment ago; it is collected next.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)


class Supervisor:
    """Keeps the children of a run alive until it is told to stop."""

    def __init__(
        self,
        *,
        directory: Path,
        log_folder: Path,
        printer: Printer | None = None,
        on_change: Callable[[dict[str, int]], None] = lambda _pids: None,
        grace_s: float = GRACE_S,
    ) -> None:
        self._directory = directory
        self._log_folder = log_folder
        self._printer = printer or Printer(sys.stdout, width=8)
        self._on_change = on_change
        self._grace_s = grace_s
        self._children: list[Child] = []
        self._servers: list[Server] = []
        self._colours = get_colours()
        self._selector = selectors.DefaultSelector()
        self._stop_requests = 0

    def add(
        self,
        name: str,
        command: str | Sequence[str],
        environment: Mapping[str, str],
        *,
        restart: bool = True,
    ) -> None:
        """Add a child; a command line runs in a shell that becomes the program."""
        argv = ["/bin/sh", "-c", f"exec {command}"] if isinstance(command, str) else command
        log = fresh_log(self._log_folder / f"{name}.log").open("ab", buffering=0)
        colour = next(self._colours) if restart else None
        self._children.append(Child(name, argv, environment, colour, log, restart))

    def guard(self, server: Server) -> None:
        """Start an embedded server again when it dies."""
        self._servers.append(server)

    def run(self) -> int:
        """Run all children until a signal asks to stop; return the exit status."""
        waker, wakened = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        before = {number: signal.getsignal(number) for number in (*_STOPPING, signal.SIGCHLD)}
        signal.set_wakeup_fd(wakened, warn_on_full_buffer=False)
        for number in _STOPPING:
            signal.signal(number, self._request_stop)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        self._selector.register(waker, selectors.EVENT_READ)
        try:
            while not self._stop_requests:
                self._start_due()
                self._wait()
            self._stop()
        finally:
            self._kill_all()
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._selector.close()
            for child in self._children:
                child.log.close()
        return INTERRUPTED

    def _request_stop(self, _number: int, _frame: object) -> None:
        self._stop_requests += 1

    def _start_due(self) -> None:
        now = time.monotonic()
        due = [child for child in self._children if child.is_due(now)]
        for child in due:
            self._start(child)
        if due:
            self._report_change()

    def _start(self, child: Child) -> None:
        child.process = start_child(
            child.command,
            death=signal.SIGKILL,  # every process is crash-safe by design
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self._directory,
            env=dict(child.environment),
            start_new_session=True,  # Ctrl-C reaches us alone; we end them in order
        )
        child.started_at = time.monotonic()
        assert child.process.stdout is not None
        os.set_blocking(child.process.stdout.fileno(), False)
        self._selector.register(child.process.stdout, selectors.EVENT_READ, child)

    def _wait(self) -> None:
        """Wait for output, a signal or the next start that is due; then collect the dead."""
        now = time.monotonic()
        starts = [child.start_at - now for child in self._children if child.process is None]
        timeout = max(0.0, min([*starts, 1.0]))
        for key, _events in self._selector.select(timeout):
            if isinstance(key.data, Child):
                self._read(key.data)
            else:
                os.read(key.fd, 4096)
        self._collect()

    def _read(self, child: Child) -> bool:
        """Pass on what a child printed; return whether there was something."""
        if child.process is None or child.process.stdout is None:
            return False
        try:
            data = os.read(child.process.stdout.fileno(), 65536)
        except BlockingIOError:
            return False
        child.log.write(data)
        *lines, child.tail = (child.tail + data).split(b"\n")
        if not data:
            lines, child.tail = ([child.tail] if child.tail else []), b""
            self._close_output(child)
        for line in lines:
            self._print(child.name, line, child.colour)
        return bool(data)

    def _close_output(self, child: Child) -> None:
        if child.process is not None and child.process.stdout is not None:
            self._selector.unregister(child.process.stdout)
            child.process.stdout.close()
            child.process.stdout = None

    def _revive_servers(self) -> None:
        for server in self._servers:
            if self._stop_requests or not server.is_dead:
                continue
            ended = describe_end(server.process.returncode)
            self._print("karen", f"{server.name} {ended}; starting it again".encode())
            try:
                server.revive()
            except StackError as error:  # its last processes may need a moment to go
                self._print("karen", str(error).encode())

    def _collect(self) -> None:
        self._revive_servers()
        dead = [
            child
            for child in self._children
            if child.process is not None and child.process.poll() is not None
        ]
        for child in dead:
            self._bury(child)
        if dead:
            self._report_change()

    def _bury(self, child: Child) -> None:
        assert child.process is not None
        child.send(signal.SIGKILL)  # whatever it started and left behind
        while self._read(child):
            pass
        self._close_output(child)
        now = time.monotonic()
        child.pause_s = next_pause(child.pause_s, now - child.started_at)
        child.start_at = now + child.pause_s if child.restart else float("inf")
        if child.restart and not self._stop_requests:
            ended = describe_end(child.process.returncode)
            self._print("karen", f"{child.name} {ended}; starting it again".encode())
        child.process = None

    def _print(self, name: str, line: bytes, colour: str | None = None) -> None:
        moment = datetime.now().astimezone()
        self._printer.write(Message("line", line or b" ", moment, name, colour))

    def _report_change(self) -> None:
        alive = {child.name: child.process.pid for child in self._children if child.process}
        self._on_change(alive)

    def _stop(self) -> None:
        """Ask all to end; insist after the grace time or at a second Ctrl-C."""
        asked = self._stop_requests
        self._print("karen", b"Stopping ...")
        for child in self._children:
            child.restart = False
            child.send(signal.SIGTERM)
        deadline = time.monotonic() + self._grace_s
        while any(child.process for child in self._children):
            if time.monotonic() > deadline or self._stop_requests > asked:
                return
            self._wait()

    def _kill_all(self) -> None:
        for child in self._children:
            child.send(signal.SIGKILL)
            if child.process is not None:
                child.process.wait()


def describe_end(status: int) -> str:
    """Return how a process ended, in words."""
    if status >= 0:
        return f"ended with status {status}"
    return f"was ended by {signal.Signals(-status).name}"
