"""The supervisor restarts what dies and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tools.stack import supervise
from tools.stack.bootstrap import ROOT
from tools.stack.leftovers import is_alive, wait_until_gone

# A supervisor of two shells, in a process of its own because it owns signals and the main thread.
_PROGRAM = """
import os, pathlib, sys
from tools.stack.supervise import Supervisor
folder = pathlib.Path(sys.argv[1])
def remember(pids):
    (folder / "new").write_text(" ".join(map(str, pids.values())))
    (folder / "new").rename(folder / "pids")
supervisor = Supervisor(directory=folder, log_folder=folder, on_change=remember, grace_s=0.3)
supervisor.add("polite", "sleep 600", dict(os.environ))
deaf = "trap '' TERM; echo here; while :; do sleep 1; done"
supervisor.add("stubborn", ["/bin/sh", "-c", deaf], dict(os.environ))
sys.exit(supervisor.run())
"""


def _start(folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def _pids(folder: Path, *, without: int = 0) -> list[int]:
    deadline = time.monotonic() + 10
    pause = threading.Event()
    while time.monotonic() < deadline:
        if (folder / "pids").exists():
            pids = [int(text) for text in (folder / "pids").read_text().split()]
            if len(pids) == 2 and without not in pids:
                return pids
        pause.wait(0.02)
    pytest.fail("the children did not start")


def test_a_killed_child_is_back_within_seconds(tmp_path: Path) -> None:
    with _start(tmp_path) as supervisor:
        polite, stubborn = _pids(tmp_path)
        started = time.monotonic()
        os.kill(polite, signal.SIGKILL)
        replaced, same = _pids(tmp_path, without=polite)
        assert time.monotonic() - started < 5
        assert replaced != polite
        assert same == stubborn
        supervisor.send_signal(signal.SIGTERM)
        output, _nothing = supervisor.communicate(timeout=20)
    assert "polite was ended by SIGKILL; starting it again" in output
    assert "here" in (tmp_path / "stubborn.log").read_text()


def test_stopping_ends_also_a_child_that_ignores_it(tmp_path: Path) -> None:
    with _start(tmp_path) as supervisor:
        pids = _pids(tmp_path)
        supervisor.send_signal(signal.SIGINT)
        supervisor.communicate(timeout=20)
        assert supervisor.returncode == 130
    assert not any(is_alive(pid) for pid in pids)


def test_a_killed_supervisor_leaves_nobody_behind(tmp_path: Path) -> None:
    with _start(tmp_path) as supervisor:
        pids = _pids(tmp_path)
        supervisor.kill()
        supervisor.communicate(timeout=20)
    assert all(wait_until_gone(pid, 5.0) for pid in pids)


def test_pauses_double_up_to_the_longest_and_start_anew_after_a_healthy_life() -> None:
    pauses = [0.0]
    for _death in range(8):
        pauses.append(supervise.next_pause(pauses[-1], lived_s=0.1))
    assert pauses[1:4] == [0.2, 0.4, 0.8]
    assert pauses[-1] == supervise.LONGEST_PAUSE_S
    assert supervise.next_pause(10.0, lived_s=31.0) == supervise.FIRST_PAUSE_S


def test_every_line_of_the_procfile_is_read() -> None:
    names = set(supervise.read_procfile(ROOT / "Procfile"))
    assert names == {"web", "gpu", "worker", "worker2", "relay", "beat"}
