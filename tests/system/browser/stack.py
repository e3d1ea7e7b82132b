"""The processes of `make run`, started as the command starts them, for tests that kill them."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tools.stack.bootstrap import ROOT

_STARTUP_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningStack:
    """`make run` in its own folder on its own port."""

    port: int
    process: "subprocess.Popen[bytes]"
    var: Path
    log: Path

    @property
    def platform(self) -> str:
        return f"http://localhost:{self.port}"

    def pids(self) -> set[int]:
        """Return every process below the starter."""
        return {child.pid for child in psutil.Process(self.process.pid).children(recursive=True)}

    def inference_worker(self) -> int:
        """Return the Celery process that runs the local model (not its supervisor)."""
        for child in psutil.Process(self.process.pid).children(recursive=True):
            command = child.cmdline()
            if any("gpu.inference" in part for part in command) and not any(
                "supervise" in part for part in command
            ):
                return child.pid
        raise LookupError("no inference worker runs")


@contextmanager
def _var_folder(kept: Path) -> Iterator[Path]:
    """Yield a folder that the database server's own account can enter; its logs are kept.

    It is none of pytest's: whichever run of pytest begins next closes those to everybody else.
    """
    var = Path(tempfile.mkdtemp(prefix="karen-stack-"))
    var.chmod(0o711)
    try:
        yield var
    finally:
        if (var / "log").exists():
            shutil.copytree(var / "log", kept / "log", dirs_exist_ok=True)
        shutil.rmtree(var)


@contextmanager
def running_stack(
    folder: Path, port: int, *, extra: Mapping[str, str] | None = None
) -> Iterator[RunningStack]:
    """Start everything as `make run` does, with `extra` variables; stop it as Ctrl-C does.

    Args:
        folder: Where its logs are kept.
        port: Where its web server listens.
        extra: More variables.
    """
    with _var_folder(folder) as var:
        yield from _run(folder / "run.log", var, port, extra or {})


def _run(log: Path, var: Path, port: int, extra: Mapping[str, str]) -> Iterator[RunningStack]:
    unwanted = {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "KAREN_ROLE"}
    environment = {
        **{name: value for name, value in os.environ.items() if name not in unwanted},
        "KAREN_VAR": str(var),
        "PORT": str(port),
        "PYTHONUNBUFFERED": "1",
        "ANSWER_MAX_TOKENS": "80",  # the small model likes to go on until it must stop
        # Two threads that have to share their cores with other tests mostly wait for each other,
        # and busily: the same answers then take three times as much of the processor.
        "LOCAL_THREADS": "1",
        **extra,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tools.stack.run"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_until_ready(process, log)
            yield RunningStack(port=port, process=process, var=var, log=log)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait(timeout=60)


def _wait_until_ready(process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _STARTUP_S
    while "Karen is ready" not in log.read_text(errors="replace"):
        try:
            process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            pass
        else:
            raise RuntimeError(f"make run ended:\n{log.read_text()[-3000:]}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"make run is not ready:\n{log.read_text()[-3000:]}")
