"""The environment of a run: `.env`, secrets made once, the folder `var`, and its lock."""

import base64
import contextlib
import errno
import fcntl
import json
import os
import secrets
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from dotenv import dotenv_values

from tools.stack.bootstrap import ROOT, VENV
from tools.stack.console import StackError
from tools.stack.leftovers import is_alive, read_pid


@dataclass(slots=True, kw_only=True)
class RunRecord:
    """What other commands may know about the run in progress; `var/run.json`."""

    pid: int
    port: int
    environment: dict[str, str]
    processes: dict[str, int] = field(default_factory=dict)

    def write(self, var: Path) -> None:
        """Store it where only we can read it: the URLs hold passwords."""
        fresh = var / "run.json.new"
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(asdict(self), indent=1))
        fresh.replace(var / "run.json")


def read_run(var: Path) -> RunRecord | None:
    """Return the run in progress over `var`, if there is one."""
    try:
        record = RunRecord(**json.loads((var / "run.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return record if is_alive(record.pid) and read_pid(var / "run.lock") == record.pid else None


def read_environment() -> dict[str, str]:
    """Return the environment of every process of a run: the shell's over `.env` over defaults."""
    from_file = {k: v for k, v in dotenv_values(ROOT / ".env").items() if v is not None}
    environment = {
        "PORT": "8000",
        "BIND": "127.0.0.1",
        "KAREN_VAR": "var",
        "DJANGO_SETTINGS_MODULE": "karen_site.settings.dev",
        **from_file,
        **os.environ,
    }
    var = Path(environment["KAREN_VAR"]).expanduser()
    environment["KAREN_VAR"] = str(var if var.is_absolute() else ROOT / var)
    environment["PATH"] = f"{VENV / 'bin'}:{environment.get('PATH', '/usr/bin:/bin')}"
    environment["PYTHONUNBUFFERED"] = "1"
    # Compiling every module anew would cost each process of each start two seconds.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def var_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder for runtime files, existing and writable.

    Raises:
        StackError: It cannot be made or written.
    """
    var = Path(environment["KAREN_VAR"])
    try:
        var.mkdir(parents=True, exist_ok=True)
        probe = var / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise StackError(
            f"{var} cannot be written ({error.strerror}): run `sudo chown -R $(id -un) {var}`,"
            " or name another folder, `KAREN_VAR=~/karen-var make run`."
        ) from None
    return var


@contextmanager
def sole_run(var: Path) -> Iterator[None]:
    """Hold the lock of `var`, which ends with our process however it ends.

    Raises:
        StackError: Another run holds it.
    """
    with (var / "run.lock").open("a+") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in {errno.EACCES, errno.EAGAIN}:
                raise
            record = read_run(var)
            where = f" at http://localhost:{record.port}" if record else ""
            who = f" (process {read_pid(var / 'run.lock')})"
            raise StackError(
                f"Karen is already running over {var}{where}{who}: stop it there with Ctrl-C, or"
                " start a second one with `KAREN_VAR=var2 PORT=8001 make run`."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        try:
            yield
        finally:
            with contextlib.suppress(FileNotFoundError):
                (var / "run.json").unlink()


def is_locked(var: Path) -> bool:
    """Say whether a run holds `var`."""
    try:
        with (var / "run.lock").open("a+") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def read_secrets(var: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the keys nobody set; made once and kept in `var/secrets.env` for its owner only."""
    path = var / "secrets.env"
    kept = {k: v for k, v in dotenv_values(path).items() if v} if path.exists() else {}
    made = {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "PLATFORM_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }
    both = made | kept
    if both != kept:
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        fresh.write_text("".join(f"{name}={value}\n" for name, value in both.items()))
        fresh.replace(path)
    return {name: value for name, value in both.items() if not environment.get(name)}


def require_free_port(environment: Mapping[str, str]) -> int:
    """Return the port the web server will listen on.

    Raises:
        StackError: It is not a port, or not ours to take.
    """
    text = environment["PORT"]
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise StackError(
            f"PORT must be a number from 1 to 65535, not {text!r}: `PORT=8001 make run`."
        )
    port = int(text)
    bind = environment["BIND"]
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with closing(socket.socket(family)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, port))
        except OSError as error:
            raise StackError(_port_refused(error, bind, port)) from None
    return port


def _port_refused(error: OSError, bind: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} is taken{_port_holder(port)}:"
            f" stop that, or choose another with `PORT={port + 1} make run`."
        )
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"Port {port} is reserved for root: choose another with `PORT=8000 make run`."
    return (
        f"BIND={bind} is no address of this machine ({error.strerror}): `BIND=127.0.0.1 make run`."
    )


def _port_holder(port: int) -> str:
    """Return " by <program>" where the system tells us."""
    try:
        listing = subprocess.run(
            ["ss", "-Hltnp", f"sport = :{port}"], check=False, capture_output=True, text=True
        ).stdout
    except FileNotFoundError:
        return ""
    program = listing.partition('users:(("')[2].partition('"')[0]
    pid = listing.partition("pid=")[2].partition(",")[0]
    return f" by {program} (process {pid})" if program and pid else ""
