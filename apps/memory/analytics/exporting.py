"""The export: a file for each day and table, written again until the day is over, then never.

The watermark is the first day that is not final. A day is final some minutes after its end, when
no transaction that began in it can still commit.
"""

import contextlib
import shutil
import time
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import redis
from django.conf import settings
from django.db import transaction

from apps.core import scope
from apps.core.clock import now
from apps.core.ids import new_id
from apps.core.logging import get_logger
from apps.jobs import services as jobs
from apps.memory import tally
from apps.memory.analytics import gathering
from apps.memory.analytics.parquet import Files, opened
from apps.tenants import selectors as tenants

logger = get_logger(__name__)

EXPORT_TASK = "memory.export_analytics"
CHANGES, TOPICS, ACTIVITY = "changes", "topics", "activity"
# Types in DuckDB's words, by table and column.
TABLES: dict[str, dict[str, str]] = {
    CHANGES: {
        "day": "DATE",
        "event": "VARCHAR",
        "kind": "VARCHAR",
        "origin": "VARCHAR",
        "count": "BIGINT",
    },
    TOPICS: {
        "day": "DATE",
        "topic": "VARCHAR",
        "person": "VARCHAR",
        "entity": "UUID",
        "count": "BIGINT",
    },
    ACTIVITY: {
        "day": "DATE",
        "hour": "SMALLINT",
        "event": "VARCHAR",
        "upper_ms": "DOUBLE",
        "count": "BIGINT",
    },
}
RECALL_EVENT = "recall"

_SETTLED = timedelta(minutes=10)
_BACK_DAYS = 92  # how far the first export goes back
_WATERMARK = "watermark"
_HALF_S = 3600.0


def root() -> Path:
    """Return where the folders of all workspaces lie."""
    return Path(settings.MEMORY_ANALYTICS_ROOT)


def folder_of(tenant_id: UUID) -> Path:
    """Return the folder of a workspace, which need not exist."""
    return root() / tenant_id.hex


def file_of(table: str, day: date) -> str:
    """Return the name of a table's file for a day, below a workspace's folder."""
    return f"{table}/{day.isoformat()}.parquet"


def export(*, at: datetime | None = None) -> int:
    """Write the files of every day that is not final, for the tenant in scope.

    Harmless when it runs twice, also at once: a file is replaced as a whole by an equal one.

    Args:
        at: The present moment, if it is to be another one.

    Returns:
        How many days were written.

    Raises:
        ServiceUnavailable: A file cannot be read or written.
    """
    moment = at or now()
    folder = folder_of(scope.require().id)
    first, last = _first_open_day(folder, moment.date()), moment.date()
    with opened(folder) as files:
        _remove_halves(folder)
        _write(files, CHANGES, first, last, gathering.changes(first, last))
        _write(files, TOPICS, first, last, gathering.topics(first, last))
        for day in _days(first, last):
            _write_activity(files, day)
    _keep_watermark(folder, (moment - _SETTLED).date())
    return len(_days(first, last))


def _first_open_day(folder: Path, today: date) -> date:
    try:
        return min(date.fromisoformat((folder / _WATERMARK).read_text("ascii").strip()), today)
    except (FileNotFoundError, ValueError):  # new, or damaged: everything once more
        earliest = gathering.first_day() or today
        return max(min(earliest, today), today - timedelta(days=_BACK_DAYS))


def _remove_halves(folder: Path) -> None:
    """Remove what killed exports left; younger halves may belong to one that runs."""
    border = time.time() - _HALF_S
    for half in folder.rglob("*.part"):
        with contextlib.suppress(FileNotFoundError):
            if half.stat().st_mtime < border:
                half.unlink()


def _keep_watermark(folder: Path, day: date) -> None:
    half = folder / f"{_WATERMARK}.{new_id().hex}.part"
    half.write_text(day.isoformat(), "ascii")
    half.replace(folder / _WATERMARK)


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _write(
    files: Files, table: str, first: date, last: date, rows: Iterable[Sequence[Any]]
) -> None:
    by_day: dict[date, list[tuple[Any, ...]]] = {day: [] for day in _days(first, last)}
    for row in rows:
        by_day[row[0]].append(tuple(row))
    for day, several in by_day.items():
        files.write(file_of(table, day), TABLES[table], several)


def _write_activity(files: Files, day: date) -> None:
    """Take over what was counted; where Redis lost something, what the file knows already stays."""
    name = file_of(ACTIVITY, day)
    known = files.salvage(name, "SELECT hour, event, upper_ms, count FROM {files}")
    counts = {(hour, event, upper): count for hour, event, upper, count in known}
    try:
        told = tally.read(day)
    except redis.RedisError:
        logger.warning("analytics.redis_unavailable")
        told = {}
    for (hour, what), count in told.items():
        upper = tally.upper_ms_of(what)
        key = (hour, what if upper is None else RECALL_EVENT, upper)
        counts[key] = max(count, counts.get(key, 0))
    ordered = sorted(counts.items(), key=lambda each: (each[0][0], each[0][1], each[0][2] or 0.0))
    rows = [(day, hour, event, upper, count) for (hour, event, upper), count in ordered]
    files.write(name, TABLES[ACTIVITY], rows)


def export_all() -> None:
    """Have every workspace exported in a task of its own, and remove folders of those gone.

    What is being deleted counts as gone: nobody reads its files any more. A deletion need not call
    `remove` for that, and one that does loses nothing to an export that was running.
    """
    for ref in tenants.list_refs():
        with scope.tenant_scope(ref), transaction.atomic():
            jobs.enqueue_on_commit(EXPORT_TASK)
    if not root().is_dir():
        return
    for folder in root().iterdir():
        try:
            tenant_id = UUID(folder.name)
        except ValueError:  # nothing of ours
            continue
        if tenants.is_leaving(tenant_id):
            remove(tenant_id)
            logger.info("analytics.removed", tenant=folder.name)


def remove(tenant_id: UUID) -> None:
    """Remove everything that was exported of a workspace."""
    shutil.rmtree(folder_of(tenant_id), ignore_errors=True)
