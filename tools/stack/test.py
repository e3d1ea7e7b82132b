"""`make test` and `make bench`: programs over a database and a Valkey of their own."""

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools.stack.account import server_account
from tools.stack.bootstrap import ROOT, VENV_PYTHON
from tools.stack.console import run_command, say, warn
from tools.stack.parentage import end_with_make, start_child
from tools.stack.runtime import read_environment, var_folder
from tools.stack.services import embedded_services

_PROCESSES_MAX = 4  # each has three of the sixteen databases of Redis

_DEVELOPERS_OWN = (
    "DATABASE_URL",
    "REDIS_URL",
    "DJANGO_SETTINGS_MODULE",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "PYTHONDONTWRITEBYTECODE",  # every process would compile every module anew
)


def main() -> int:
    """Run `python -m <module> <arguments>` over services of its own; return its exit status."""
    end_with_make()
    parser = argparse.ArgumentParser(prog="tools.stack.test", description=__doc__)
    parser.add_argument("--browser", action="store_true", help="make sure that Chromium is there")
    parser.add_argument("--durable", action="store_true", help="measure with fsync on")
    parser.add_argument("module", help="such as pytest or tests.bench")
    options, arguments = parser.parse_known_args()
    if options.browser:
        ensure_chromium()
    with own_stack(durable=options.durable) as environment:
        if options.module != "pytest":
            return run_module(options.module, arguments, environment)
        arguments += shlex.split(environment.get("ARGS", ""))
        passes = [arguments] if arguments else list(whole_suite())
        statuses = [run_module("pytest", chosen, environment) for chosen in passes]
        return max(statuses)


@contextmanager
def own_stack(*, durable: bool = False) -> Iterator[dict[str, str]]:
    """Yield an environment with services of its own, below a folder that is removed at the end.

    Settings of the developer's `.env` and shell (real servers, keys of paid services) are left out.
    """
    environment = {**os.environ}
    for name in (
        "DATABASE_URL",
        "REDIS_URL",
        "DJANGO_SETTINGS_MODULE",
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
    ):
        environment.pop(name, None)
    environment["PATH"] = f"{VENV_PYTHON.parent}:{environment.get('PATH', '/usr/bin:/bin')}"
    with short_lived_folder() as folder, embedded_services(folder, durable=durable) as services:
        yield environment | services.environment()


@contextmanager
def short_lived_folder() -> Iterator[Path]:
    """Yield `var/test-<pid>`, or a temporary folder where the servers cannot enter that."""
    var = var_folder(read_environment())
    folder = var / f"test-{os.getpid()}"
    if not server_account().can_enter(var):
        folder = Path(tempfile.mkdtemp(prefix="karen-test-"))
        folder.chmod(0o711)
    folder.mkdir(exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def whole_suite() -> Iterator[list[str]]:
    """Yield the passes of the whole suite: first what runs in this process, then what starts more.

    The tests that start whole stacks, drive a browser or kill processes come last, two at
    a time: with more of them the local model gets too little of the cores.
    """
    together = sorted(
        str(folder.relative_to(ROOT))
        for folder in (ROOT / "tests").iterdir()
        if folder.name in {"unit", "meta", "access", "app", "web_js"}
    )
    processes = min(os.cpu_count() or 1, _PROCESSES_MAX)
    beside = ["-q", "--dist", "loadfile"]
    yield [*beside, "-n", str(processes), *together]
    # The longest begin first (`tests/conftest.py`), not those with the most tests.
    yield [*beside, "-n", "2", "--no-loadscope-reorder", "tests/system", "tests/chaos"]


def run_module(module: str, arguments: Sequence[str], environment: dict[str, str]) -> int:
    """Run a Python module on our terminal; Ctrl-C reaches it too, and it may finish its report."""
    process = start_child(
        [str(VENV_PYTHON), "-m", module, *arguments],
        cwd=ROOT,
        env=environment,
        death=signal.SIGTERM,
    )
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()
        return process.wait()


def ensure_chromium() -> None:
    """Install Debian's Chromium where we may; otherwise say loudly what will be skipped."""
    if shutil.which("chromium"):
        return
    apt = shutil.which("apt-get")
    if apt and os.geteuid() == 0:
        say("Installing Chromium for the browser tests …")
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (
            ["update", "-qq"],
            ["install", "-y", "-qq", "--no-install-recommends", "chromium"],
        ):
            subprocess.run([apt, *arguments], check=False, env=quiet, stdout=subprocess.DEVNULL)
    if not shutil.which("chromium"):
        warn("=" * 76)
        warn("NO BROWSER TESTS: Chromium is missing. Run `sudo apt-get install chromium`.")
        warn("=" * 76)


if __name__ == "__main__":
    sys.exit(run_command(main))
