"""Create `.venv` and install what a command needs; the only part that runs without it.

Standard library only: this is the first thing a fresh clone runs, on the system's own Python.
Every set of requirements leaves a mark of its content, so the second time costs milliseconds.
"""

import argparse
import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools.stack.console import StackError, run_command, say, warn

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
REQUIREMENTS = ROOT / "requirements"
MARKS = VENV / "karen-installed.json"
OLDEST_PYTHON = (3, 11)
# What a command may ask for, in the order of installation.
SETS = ("base", "models", "local_model", "test", "dev")
HEARTBEAT_S = 10.0


def main() -> int:
    """Install the sets of requirements named on the command line."""
    parser = argparse.ArgumentParser(prog="bootstrap", description=__doc__)
    parser.add_argument("sets", nargs="+", choices=SETS)
    wanted = parser.parse_args().sets
    require_python()
    with one_at_a_time():
        ensure_venv()
        for name in SETS:
            if name in wanted:
                ensure_installed(name)
    return 0


def require_python() -> None:
    """Refuse a Python that is too old.

    Raises:
        StackError: It is older than the lock files were made for.
    """
    if sys.version_info < OLDEST_PYTHON:
        have = ".".join(map(str, sys.version_info[:3]))
        raise StackError(
            f"Karen needs Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer and this is {have}:"
            " name another one with `make PYTHON=python3.11 run`."
        )


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let a second `make` in the same clone wait instead of installing into the same folder."""
    try:
        with (ROOT / ".venv.lock").open("w") as lock:
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                say("Another command is installing into .venv; waiting for it.")
                fcntl.lockf(lock, fcntl.LOCK_EX)
            yield
    except PermissionError:
        raise StackError(
            f"{ROOT} is not writable for you: run `sudo chown -R $(id -un) .` there,"
            " or clone into a folder of yours."
        ) from None


def ensure_venv() -> None:
    """Create `.venv`, also over one that was interrupted or whose Python has gone.

    Raises:
        StackError: The system's Python cannot create one.
    """
    probe = [str(VENV_PYTHON), "-c", "import pip, sys; assert sys.prefix != sys.base_prefix"]
    if MARKS.exists() and VENV_PYTHON.exists():
        return
    if (
        VENV_PYTHON.exists()
        and subprocess.run(probe, check=False, capture_output=True).returncode == 0
    ):
        return
    say("Creating .venv …")
    create = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    done = subprocess.run(create, check=False, capture_output=True, text=True)
    if done.returncode == 0:
        return
    if "ensurepip" in done.stdout + done.stderr:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise StackError(
            "This Python cannot create virtual environments: run"
            f" `sudo apt-get install python{version}-venv` (Debian, Ubuntu) and try again."
        )
    raise StackError(f"Creating .venv failed: {last_line(done.stderr or done.stdout)}")


def ensure_installed(name: str) -> None:
    """Install one set of requirements unless exactly this content is installed already."""
    digest = content_digest(name)
    marks = read_marks()
    if marks.get(name) == digest:
        return
    if name == "local_model":
        if not install_local_model():
            return
    else:
        say(f"Installing requirements/{name}.txt …")
        no_deps = ["--no-deps"] if name == "models" else []
        uv_install([*no_deps, "-r", str(REQUIREMENTS / f"{name}.txt")])
    MARKS.write_text(json.dumps(marks | {name: digest}, indent=1))


def content_digest(name: str) -> str:
    """Return what identifies an installation: the lock file and the Python it is for."""
    lock = (REQUIREMENTS / f"{name}.txt").read_bytes()
    return hashlib.sha256(lock + sys.version.encode()).hexdigest()


def read_marks() -> dict[str, str]:
    """Return which content of which set is installed."""
    try:
        marks: dict[str, str] = json.loads(MARKS.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return marks


def uv_install(arguments: Sequence[str]) -> None:
    """Install with uv, which needs seconds where pip needs minutes.

    Raises:
        StackError: A package could not be fetched or installed.
    """
    ensure_uv()
    command = [str(VENV / "bin" / "uv"), "pip", "install", "--quiet", "--compile-bytecode"]
    command += ["--python", str(VENV_PYTHON), *arguments]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env=os.environ | uv_environment()
    )
    if done.returncode != 0:
        sys.stderr.write(done.stderr)
        raise StackError(
            "Installing the packages failed (see above): check the connection to the package"
            " index, or name yours with `PIP_INDEX_URL=… make run`."
        )


def ensure_uv() -> None:
    """Install the pinned uv into `.venv`.

    Raises:
        StackError: pip could not fetch it.
    """
    lock = (REQUIREMENTS / "dev.txt").read_text()
    pin = re.search(r"^uv==\S+", lock, re.MULTILINE)
    if pin is None:
        raise StackError(
            "requirements/dev.txt pins no uv: run `git checkout requirements/dev.txt`."
        )
    version = pin[0].removeprefix("uv==")
    if list(VENV.glob(f"lib/python*/site-packages/uv-{version}.dist-info")):
        return
    done = subprocess.run(
        [
            str(VENV_PYTHON),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            pin[0],
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise StackError(
            f"pip could not install {pin[0]} ({last_line(done.stderr)}): check the connection to"
            " the package index, or name yours with `PIP_INDEX_URL=… make run`."
        )


def uv_environment() -> dict[str, str]:
    """Return the variables that make uv use the package index pip is configured for.

    uv reads neither `pip.conf` nor `PIP_*`; a person behind a mirror has set those.
    """
    listing = subprocess.run(
        [str(VENV_PYTHON), "-m", "pip", "config", "list"],
        check=False,
        capture_output=True,
        text=True,
    ).stdout
    pip = pip_configuration(listing)
    chosen = {
        "UV_DEFAULT_INDEX": pip.get("index-url", ""),
        "UV_INDEX": pip.get("extra-index-url", ""),
        "UV_FIND_LINKS": ",".join(pip.get("find-links", "").split()),
        "SSL_CERT_FILE": pip.get("cert", ""),
    }
    if chosen["UV_INDEX"]:
        # Every index holds parts of the whole there, as pip treats them.
        chosen["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if not os.access(Path.home(), os.W_OK):
        chosen["UV_CACHE_DIR"] = str(VENV / "cache")
    return {name: value for name, value in chosen.items() if value and name not in os.environ}


def pip_configuration(listing: str) -> dict[str, str]:
    """Return the options in the output of `pip config list`, the environment's over the files'."""
    options: dict[str, str] = {}
    for line in sorted(listing.splitlines(), key=lambda line: line.startswith(":env:")):
        key, separator, quoted = line.partition("=")
        if separator:
            options[key.rpartition(".")[2]] = " ".join(shlex.split(quoted)).strip()
    return options


def install_local_model() -> bool:
    """Compile and install the local model engine; return whether it is there now.

    Raises:
        StackError: It cannot be compiled and no other model is configured.
    """
    settings = read_settings(os.environ)
    if settings.get("LOCAL_MODEL", "1").strip().lower() in {"0", "false", "no", "off"}:
        return False
    remote = bool(settings.get("OPENAI_API_KEY") or settings.get("OPENAI_BASE_URL"))
    if not compiled_wheel_is_cached() and not compilers_present():
        return _without_local_model(
            "the local model engine must be compiled once and there is no C compiler",
            remedy="run `sudo apt-get install build-essential` (Debian, Ubuntu)",
            remote=remote,
        )
    log = Path(tempfile.gettempdir()) / f"karen-local-model-{os.getuid()}.log"
    if _compile_local_model(log):
        log.unlink(missing_ok=True)
        return True
    return _without_local_model(
        f"compiling the local model engine failed, see {log}",
        remedy="mend what it names and try again",
        remote=remote,
    )


def _without_local_model(cause: str, *, remedy: str, remote: bool) -> bool:
    if remote:
        warn(f"{cause}; carrying on with the OpenAI-compatible service. To have both, {remedy}.")
        return False
    raise StackError(
        f"{cause[0].upper()}{cause[1:]}: {remedy}, put OPENAI_API_KEY=… (and OPENAI_BASE_URL=…)"
        " into .env, or start without a model of your own by LOCAL_MODEL=0."
    )


def _compile_local_model(log: Path) -> bool:
    """Run pip on the engine's lock file with a line now and then; return whether it went well."""
    command = [
        str(VENV_PYTHON),
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
    ]
    command += ["-r", str(REQUIREMENTS / "local_model.txt")]
    if compiled_wheel_is_cached():
        say("Installing the local model engine (compiled earlier) …")
    else:
        say(
            "Compiling the local model engine (llama.cpp). This happens once per machine and takes"
            f" 5 to 10 minutes on two cores; details in {log}"
        )
    started = time.monotonic()
    with log.open("w") as output:
        # Its own session: Ctrl-C is then ours to pass on, to the compilers as well.
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        try:
            while True:
                try:
                    return process.wait(HEARTBEAT_S) == 0
                except subprocess.TimeoutExpired:
                    minutes, seconds = divmod(int(time.monotonic() - started), 60)
                    say(f"  … {minutes}:{seconds:02} min, {compile_progress(log)}")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, 15)
                process.wait()


def compile_progress(log: Path) -> str:
    """Return what pip is doing, in a few words."""
    for line in reversed(log.read_text(errors="replace").splitlines()):
        step = re.search(
            r"\b(Collecting|Downloading|Installing|Building|Preparing|Getting)\b.*", line
        )
        if step:
            return step[0].removesuffix(": still running...").removesuffix(": started")
    return "starting"


def compiled_wheel_is_cached() -> bool:
    """Say whether pip compiled this very version on this machine before."""
    lock = (REQUIREMENTS / "local_model.txt").read_text()
    version = re.search(r"^llama-cpp-python==(\S+)", lock, re.MULTILINE)
    cached = subprocess.run(
        [str(VENV_PYTHON), "-m", "pip", "cache", "list", "llama_cpp_python"],
        check=False,
        capture_output=True,
        text=True,
    ).stdout
    return version is not None and f"llama_cpp_python-{version[1]}-" in cached


def compilers_present() -> bool:
    """Say whether a C and a C++ compiler can be found."""
    c = os.environ.get("CC", "").split()[:1] or ["cc", "gcc", "clang"]
    cxx = os.environ.get("CXX", "").split()[:1] or ["c++", "g++", "clang++"]
    return all(any(shutil.which(name) for name in names) for names in (c, cxx))


def read_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the few settings installation depends on: `.env` under the environment.

    Karen itself reads `.env` with python-dotenv, which is not installed yet.
    """
    settings: dict[str, str] = {}
    dotenv = ROOT / ".env"
    if dotenv.is_file():
        for line in dotenv.read_text().splitlines():
            key, separator, value = line.strip().removeprefix("export ").partition("=")
            if separator and not key.startswith("#"):
                settings[key.strip()] = value.strip().strip("'\"")
    return settings | dict(environment)


def last_line(output: str) -> str:
    """Return the last line of a program's output that says something."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


if __name__ == "__main__":
    sys.exit(run_command(main))
