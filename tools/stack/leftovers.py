"""Processes and folders on this machine: who is alive, who may enter where."""

import os
import signal
import threading
import time
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Say whether a process with this number runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return False
    return state != "Z"


def works_in(pid: int, directory: Path) -> bool:
    """Say whether the process runs in `directory`; servers change into their data folder.

    A number from an old pid file may belong to somebody else's process by now.
    """
    try:
        return Path(f"/proc/{pid}/cwd").resolve(strict=True) == directory.resolve()
    except OSError:
        return False


def read_pid(path: Path) -> int | None:
    """Return the process number on the first line of a pid file."""
    try:
        return int(path.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def stop_process(pid: int, gently: signal.Signals, *, grace_s: float) -> None:
    """Ask a process that is not our child to end, and insist after `grace_s`."""
    for insistence in (gently, signal.SIGKILL):
        try:
            os.kill(pid, insistence)
        except ProcessLookupError:
            return
        if wait_until_gone(pid, grace_s):
            return


def wait_until_gone(pid: int, timeout_s: float) -> bool:
    """Wait for the end of a process; return whether it came."""
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while is_alive(pid):
        if time.monotonic() > deadline:
            return False
        pause.wait(0.02)
    return True
