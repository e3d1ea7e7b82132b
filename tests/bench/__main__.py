"""Measure: `make bench`, or `make bench ARGS="core chat"` for some suites.

Prints a table and writes `var/bench/<suite>.json`. The status is 1 when a row is missing or over
its budget.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

import aiohttp
import psycopg
from websockets.exceptions import WebSocketException

from tests.bench.processes import ROOT, karen_environment
from tests.bench.rows import BenchError, Figure, Row, disturbance, table, write_rows

# In this order: the first needs an empty database. A suite may have several modules.
SUITES = ("core", "chat", "gateway", "local", "search", "memory")
_PARTS = {"chat": ("chat", "openai", "context")}


class Suite(Protocol):
    """A module of measurements."""

    FIGURES: Sequence[Figure]

    def measure(self, folder: Path) -> list[Row]:
        """Return a row for each of `FIGURES`; `folder` is for what its processes write."""


def main() -> int:
    """Run the suites named on the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("suites", nargs="*", help=", ".join(SUITES))
    wanted = set(parser.parse_args().suites or SUITES)
    if not wanted <= set(SUITES):
        parser.error(f"the suites are {', '.join(SUITES)}")
    if "DATABASE_URL" not in os.environ:
        parser.error("start it with `make bench`: it needs a database and a Valkey of its own")
    bench = (ROOT / os.environ.get("KAREN_VAR", "var")) / "bench"
    scratch = bench / f"run-{os.getpid()}"
    note = disturbance()
    if note:
        sys.stderr.write(f"{note}: the figures will be worse than they are\n")
    rows: list[Row] = []
    for suite in (name for name in SUITES if name in wanted):
        sys.stdout.write(f"measuring {suite} …\n")
        sys.stdout.flush()
        parts = [run_suite(part, scratch) for part in _PARTS.get(suite, (suite,))]
        measured = [row.with_note(note) for rows_ in parts for row in rows_]
        write_rows(bench / f"{suite}.json", measured)
        rows += measured
    sys.stdout.write(table(rows) + "\n")
    if all(row.value is not None for row in rows):
        shutil.rmtree(scratch, ignore_errors=True)
    else:
        sys.stdout.write(f"what the processes said is in {scratch}\n")
    return 0 if all(row.ok for row in rows) else 1


def run_suite(name: str, scratch: Path) -> list[Row]:
    """Measure one suite; whatever goes wrong leaves its rows without values."""
    # A suite that runs parts of Karen in this process finds the settings of `make run`.
    environment = karen_environment(scratch)
    for variable in ("DJANGO_SETTINGS_MODULE", "SECRET_KEY", "PLATFORM_KEY"):
        os.environ[variable] = environment[variable]
    suite = cast("Suite", import_module(f"tests.bench.{name}"))
    try:
        return suite.measure(scratch)
    except (
        BenchError,
        OSError,
        TimeoutError,
        aiohttp.ClientError,
        psycopg.Error,
        WebSocketException,
    ) as error:
        why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return [figure.missing(why) for figure in suite.FIGURES]


if __name__ == "__main__":
    sys.exit(main())
