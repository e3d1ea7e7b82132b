"""Parquet files, written and asked by DuckDB: the only module that imports it.

Every session lives in this process's memory, has one thread, and reaches the files of one folder
and nothing else on this machine or beyond.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from apps.core.errors import ServiceUnavailable
from apps.core.ids import new_id
from apps.core.logging import get_logger

logger = get_logger(__name__)

_OPTIONS: dict[str, str | bool | int | float | list[str]] = {
    "threads": "1",
    "memory_limit": "256MB",
}

Row = tuple[Any, ...]


class Files:
    """A folder of Parquet files while a session is open; see `opened`."""

    def __init__(self, folder: Path, session: duckdb.DuckDBPyConnection) -> None:
        self.folder = folder
        self._session = session

    def write(self, name: str, columns: Mapping[str, str], rows: Sequence[Row]) -> None:
        """Write rows as a file, as a whole or not at all; an older one of that name is replaced.

        Args:
            name: The file, below the folder.
            columns: Types in DuckDB's words by column.
            rows: Values in the order of the columns.
        """
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        half = target.with_name(f"{target.name}.{new_id().hex}.part")
        spelled = ", ".join(f"{column} {kind}" for column, kind in columns.items())
        lists = ", ".join(f"unnest(${n}::{kind}[])" for n, kind in enumerate(columns.values(), 1))
        values = [list(each) for each in zip(*rows, strict=True)] or [[] for _ in columns]
        try:
            self._session.execute(f"CREATE OR REPLACE TEMP TABLE written ({spelled})")
            self._session.execute(f"INSERT INTO written SELECT {lists}", values)
            self._session.execute(f"COPY written TO '{_quoted(half)}' (FORMAT parquet)")
            _settle(half)
            half.replace(target)
        finally:
            half.unlink(missing_ok=True)

    def ask(self, names: Sequence[str], statement: str, *values: object) -> list[Row]:
        """Return the rows of a statement over `{files}`; none, if none of the files exists.

        Args:
            names: Files below the folder; those that are not there are left out.
            statement: SQL that selects from `{files}`; values stand as `$2`, `$3` and so on.
            values: In that order.
        """
        there = [str(path) for name in names if (path := self.folder / name).is_file()]
        if not there:
            return []
        asked = statement.replace("{files}", "read_parquet($1)")
        return self._session.execute(asked, [there, *values]).fetchall()

    def salvage(self, name: str, statement: str) -> list[Row]:
        """Return the rows of a statement over one file; none, where it is missing or damaged."""
        try:
            return self.ask([name], statement)
        except duckdb.Error:
            logger.warning("analytics.file_damaged", file=name)
            return []


@contextmanager
def opened(folder: Path) -> Iterator[Files]:
    """Open a session over a folder, which is made where it is new.

    Raises:
        ServiceUnavailable: A file cannot be read or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with duckdb.connect(":memory:", config=_OPTIONS) as session:
            session.execute(f"SET allowed_directories = ['{_quoted(folder)}']")
            session.execute("SET enable_external_access = false")
            session.execute("SET lock_configuration = true")
            yield Files(folder, session)
    except (duckdb.Error, OSError) as error:
        logger.exception("analytics.failed", folder=folder.name)
        raise ServiceUnavailable from error


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _settle(path: Path) -> None:
    """Have the file's bytes on the disk before its name is."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
