"""The processes of `make run` as targets, and what their database holds."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from string import digits

import psutil
import psycopg
import redis

from tests.chaos.checker import Observed, StoredMessage, StoredTurn
from tests.chaos.people import SLUGS, Person, people_of
from tests.system.browser.stack import running_stack
from tools.stack.leftovers import read_pid
from tools.stack.runtime import read_run

_SERVERS = {"postgres": "postgres/postmaster.pid", "valkey": "valkey/valkey.pid"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A running Karen that may be shot at.

    Attributes:
        port: Where the web server listens.
        var: Its folder.
        people: Who may chat there.
        environment: Its variables.
        history: What clients of earlier runs saw; the database holds that as well.
    """

    port: int
    var: Path
    people: list[Person]
    environment: dict[str, str]
    history: list[Observed] = field(default_factory=list)

    def pids(self, name: str) -> list[int]:
        """Return the processes of `web`, `worker`, `gpu`, `relay`, `beat`, `valkey`, `postgres`."""
        if name in _SERVERS:
            server = read_pid(self.var / _SERVERS[name])
            found = [] if server is None else [server]
        else:
            record = read_run(self.var)
            running = record.processes.items() if record is not None else ()
            found = [pid for role, pid in running if role.rstrip(digits) == name]
        if not found:
            raise LookupError(f"{name} does not run")
        return found

    def signal(self, name: str, number: signal.Signals, *, only_one: bool = False) -> list[int]:
        """Send a signal to all processes of a kind, or to one of them, and to all below it.

        Returns:
            The ids of the processes, without those below.
        """
        pids = self.pids(name)[: 1 if only_one else None]
        below = [child for pid in pids for child in psutil.Process(pid).children(recursive=True)]
        for pid in pids:
            os.kill(pid, number)
        if name != "postgres" or number != signal.SIGKILL:
            # PostgreSQL's own children notice by themselves, and they must.
            for child in below:
                child.send_signal(number)
        return pids

    def break_readers(self) -> int:
        """Break the connections on which web processes wait for events; return how many."""
        with redis.Redis.from_url(f"{self.environment['REDIS_URL']}/1") as client:
            waiting = [one["id"] for one in client.client_list() if one["cmd"] == "xread"]
            for identifier in waiting:
                client.client_kill_filter(_id=identifier)
        return len(waiting)

    def stored(self) -> tuple[list[StoredMessage], list[StoredTurn]]:
        """Read every message and turn of both workspaces, past all of Karen's code."""
        messages, turns = [], []
        with psycopg.connect(self.environment["DATABASE_URL"]) as connection:
            for slug in SLUGS:
                row = connection.execute(
                    "SELECT schema_name FROM public.tenants_tenant WHERE slug = %s", [slug]
                ).fetchone()
                assert row is not None
                for found in connection.execute(
                    "SELECT id, conversation_id, parent_id, role, parts, client_message_id"
                    f' FROM "{row[0]}".conversations_message'
                ):
                    text = "".join(part["text"] for part in found[4] if part["type"] == "text")
                    messages.append(
                        StoredMessage(
                            slug=slug,
                            id=str(found[0]),
                            conversation_id=str(found[1]),
                            parent_id=str(found[2] or ""),
                            role=found[3],
                            text=text,
                            client_message_id=found[5] or "",
                        )
                    )
                turns += [
                    StoredTurn(
                        slug=slug,
                        id=str(found[0]),
                        user_message_id=str(found[1]),
                        answer_id=str(found[2]),
                        state=found[3],
                        attempt=found[4],
                    )
                    for found in connection.execute(
                        "SELECT id, user_message_id, answer_id, state, attempt"
                        f' FROM "{row[0]}".conversations_turn'
                    )
                ]
        return messages, turns


def free_port() -> int:
    """Return a port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_target(folder: Path, *, people: int) -> Iterator[Target]:
    """Start everything as `make run` does, with two workspaces of `people` people each."""
    port = free_port()
    extra = {
        "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
        "DEMO": "0",
        "LOCAL_MODEL": "0",
        "SPARE_WORKSPACES": "0",
        "ANSWER_MAX_TOKENS": "20000",
    }
    with running_stack(folder, port, extra=extra) as running:
        var = running.var
        record = read_run(var)
        assert record is not None
        environment = {**os.environ, **extra, **record.environment}
        made = people_of(environment, people, SLUGS)
        yield Target(port=port, var=var, people=made, environment=environment)
