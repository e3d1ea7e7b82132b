"""PostgreSQL and Valkey for one run: embedded ones, or those the environment names."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.stack.account import server_account
from tools.stack.postgres import running_postgres
from tools.stack.server import Server
from tools.stack.valkey import running_valkey


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Where the database and Redis of a run are."""

    database_url: str
    redis_url: str
    servers: tuple[Server, ...] = ()

    def environment(self) -> dict[str, str]:
        """Return the variables that tell Karen about them."""
        return {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}


@contextmanager
def embedded_services(
    directory: Path, *, durable: bool = True, database_url: str = "", redis_url: str = ""
) -> Iterator[Services]:
    """Run PostgreSQL and Valkey with data below `directory` and stop them at the end.

    Start it from the main thread: the servers end with the thread that started them.

    Args:
        directory: Folder for `postgres/`, `valkey/` and `log/`; made if missing.
        durable: Off for data that need not survive a crash; it is twice as fast.
        database_url: A real server; no PostgreSQL is started.
        redis_url: A real server; no Valkey is started.

    Raises:
        StackError: A server cannot run; the text says why and what to do.
    """
    directory = directory.absolute()
    with ExitStack() as stack:
        if not (database_url and redis_url):
            account = server_account()
        servers: list[Server] = []
        if not redis_url:
            servers.append(
                stack.enter_context(running_valkey(directory / "valkey", account, durable=durable))
            )
            redis_url = servers[-1].url
        if not database_url:
            servers.append(
                stack.enter_context(
                    running_postgres(directory / "postgres", account, durable=durable)
                )
            )
            database_url = servers[-1].url
        yield Services(database_url=database_url, redis_url=redis_url, servers=tuple(servers))
