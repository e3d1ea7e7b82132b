"""The embedded PostgreSQL and Valkey: kept data, repairs, refusals, nothing left behind."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from tools.stack.account import server_account
from tools.stack.bootstrap import ROOT
from tools.stack.console import StackError
from tools.stack.leftovers import read_pid, wait_until_gone
from tools.stack.services import Services, embedded_services

pytestmark = pytest.mark.system

# Servers end with the thread that started them, so the killed starter is a process of its own.
_KILLED = """
import os, pathlib, signal, sys
from tools.stack.services import embedded_services
with embedded_services(pathlib.Path(sys.argv[1]), durable=False):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the servers' own account can enter when we are root; pytest's are closed."""
    made = Path(tempfile.mkdtemp(prefix="karen-stack-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


def _remember(services: Services) -> int:
    with psycopg.connect(services.database_url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (at timestamptz DEFAULT now())")
        connection.execute("INSERT INTO kept DEFAULT VALUES")
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
        assert row is not None
        return int(row[0])


def test_data_survives_a_restart(folder: Path) -> None:
    for start in (1, 2, 3):
        with embedded_services(folder, durable=False) as services:
            assert _remember(services) == start
            with redis.Redis.from_url(f"{services.redis_url}/1") as client:
                assert client.ping()


def test_valkey_refuses_whoever_has_no_password(folder: Path) -> None:
    with embedded_services(folder, durable=False) as services:
        port = services.redis_url.rpartition(":")[2]
        with (
            redis.Redis(port=int(port)) as stranger,
            pytest.raises(redis.exceptions.AuthenticationError),
        ):
            stranger.ping()


def test_a_killed_run_leaves_no_server_and_loses_nothing(folder: Path) -> None:
    with embedded_services(folder, durable=False) as services:
        _remember(services)
    subprocess.run([sys.executable, "-c", _KILLED, str(folder)], check=False, cwd=ROOT)
    for pid_file in ("postgres/postmaster.pid", "valkey/valkey.pid"):
        pid = read_pid(folder / pid_file)
        assert pid is None or wait_until_gone(pid, 10.0)
    with embedded_services(folder, durable=False) as services:
        assert _remember(services) == 2


def _interrupted_early(data: Path) -> None:
    (data / "base" / "1").mkdir(parents=True)
    (data / "PG_VERSION").touch()


def _interrupted_beside(data: Path) -> None:
    (data.with_name("postgres.new") / "global").mkdir(parents=True)


@pytest.mark.parametrize("interruption", [_interrupted_early, _interrupted_beside])
def test_a_half_prepared_folder_is_repaired(
    folder: Path, interruption: Callable[[Path], None]
) -> None:
    interruption(folder / "postgres")
    with embedded_services(folder, durable=False) as services:
        assert _remember(services) == 1


def test_a_number_that_another_process_has_by_now_is_no_hindrance(folder: Path) -> None:
    with embedded_services(folder, durable=False) as services:
        _remember(services)
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (folder / "postgres" / "postmaster.pid").write_text(f"{stranger.pid}\n")
        with embedded_services(folder, durable=False) as services:
            assert _remember(services) == 2
        assert stranger.poll() is None
        stranger.send_signal(signal.SIGKILL)


def test_a_damaged_folder_with_data_is_never_touched(folder: Path) -> None:
    with embedded_services(folder, durable=False) as services:
        _remember(services)
    control = folder / "postgres" / "global" / "pg_control"
    kept = control.read_bytes()
    control.unlink()
    with pytest.raises(StackError, match="damaged"), embedded_services(folder, durable=False):
        pass
    control.write_bytes(kept)
    server_account().take(folder / "postgres")
    if os.geteuid() == 0:
        os.chown(control, *(server_account().uid or 0, server_account().gid or 0))
    with embedded_services(folder, durable=False) as services:
        assert _remember(services) == 2


def test_files_of_somebody_else_are_never_removed(folder: Path) -> None:
    (folder / "postgres").mkdir()
    (folder / "postgres" / "thesis.txt").write_text("years of work")
    with pytest.raises(StackError, match=r"thesis\.txt"), embedded_services(folder, durable=False):
        pass
    assert (folder / "postgres" / "thesis.txt").exists()


def test_a_cluster_of_another_version_is_refused(folder: Path) -> None:
    (folder / "postgres").mkdir()
    (folder / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(StackError, match="PostgreSQL 9"), embedded_services(folder, durable=False):
        pass


def test_a_deep_folder_gets_a_socket_elsewhere(folder: Path) -> None:
    deep = folder / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    with embedded_services(deep, durable=False) as services:
        assert _remember(services) == 1


def test_real_servers_are_used_as_they_are(folder: Path) -> None:
    database, cache = "postgresql://db.example/karen", "redis://cache.example"
    with embedded_services(folder, database_url=database, redis_url=cache) as services:
        assert services.environment() == {"DATABASE_URL": database, "REDIS_URL": cache}
    assert not any(folder.iterdir())


@pytest.mark.parametrize("name", ["postgres", "valkey"])
def test_a_server_that_was_killed_comes_back_at_the_same_address(folder: Path, name: str) -> None:
    with embedded_services(folder, durable=True) as services:
        _remember(services)
        server = next(each for each in services.servers if each.name == name)
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait(timeout=10)
        assert server.is_dead

        server.revive()

        assert _remember(services) == 2
        with redis.Redis.from_url(f"{services.redis_url}/1") as client:
            assert client.ping()
