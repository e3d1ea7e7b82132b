"""What the export reads from the database: counts by day of the tenant in scope."""

import hashlib
import hmac
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from apps.audit import selectors as audit
from apps.core import scope
from apps.core.crypto import derive_key

Row = tuple[Any, ...]

FORGOTTEN_ACTION = "memory.forgotten"

_FIRST_DAY = "SELECT min(created_at)::date FROM memory_memory"
_CHANGES = """
SELECT day, event, kind, origin, count(*) FROM (
    SELECT created_at::date AS day, 'created' AS event, kind, origin
    FROM memory_memory WHERE created_at >= %(since)s AND created_at < %(until)s
    UNION ALL
    SELECT retired_at::date, CASE WHEN superseded_by_id IS NOT NULL THEN 'superseded'
        WHEN status = 'expired' THEN 'expired' ELSE 'archived' END, kind, origin
    FROM memory_memory WHERE retired_at >= %(since)s AND retired_at < %(until)s
) AS change GROUP BY day, event, kind, origin ORDER BY day, event, kind, origin
"""
# What held at the end of each day; of today, what holds now.
_LEVELS = """
SELECT day::date, memory.kind, count(*), grouping(memory.kind), count(DISTINCT memory.subject_id)
FROM generate_series(%(since)s::timestamptz, %(until)s - interval '1 day', '1 day') AS day
JOIN memory_memory AS memory ON memory.created_at < day + interval '1 day'
    AND (memory.retired_at IS NULL OR memory.retired_at >= day + interval '1 day')
GROUP BY GROUPING SETS ((day, memory.kind), (day)) ORDER BY day, memory.kind
"""
_TOPICS = """
SELECT memory.created_at::date, entity.key, entity.subject_id, entity.id, count(*)
FROM memory_memory AS memory
JOIN memory_mention AS mention ON mention.memory_id = memory.id
JOIN memory_entity AS entity ON entity.id = mention.entity_id
WHERE memory.created_at >= %(since)s AND memory.created_at < %(until)s
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
_NAMES = """
SELECT entity.id, entity.subject_id, entity.name FROM memory_entity AS entity
WHERE entity.id = ANY(%s::uuid[])
    AND EXISTS (SELECT FROM memory_mention AS mention WHERE mention.entity_id = entity.id)
"""


def first_day() -> date | None:
    """Return the day of the oldest memory; None where there is none."""
    found: date | None = _fetched(_FIRST_DAY, {})[0][0]
    return found


def changes(first: date, last: date) -> list[Row]:
    """Return (day, event, kind, origin, count) of a span of days, both included.

    Events are flows (`created`, `superseded`, `archived`, `expired`, `forgotten`) and, as of the
    end of each day, levels (`live` by kind, `people`).
    """
    span = _span(first, last)
    rows = _fetched(_CHANGES, span)
    for day, kind, count, is_total, people in _fetched(_LEVELS, span):
        rows.append((day, "people", "", "", people) if is_total else (day, "live", kind, "", count))
    forgotten: Counter[date] = Counter()
    entries = audit.list_entries(tenant_id=scope.require().id).filter(
        action=FORGOTTEN_ACTION, at__gte=span["since"], at__lt=span["until"]
    )
    for at, data in entries.values_list("at", "data"):
        forgotten[at.astimezone(UTC).date()] += _how_many(data or {})
    return rows + [(day, "forgotten", "", "", count) for day, count in sorted(forgotten.items())]


def _how_many(data: Mapping[str, Any]) -> int:
    """Return of how many memories an entry tells: "forget all" is one entry, with counts in it."""
    return int(data.get("memories", 0 if "said" in data else 1))


def topics(first: date, last: date) -> list[Row]:
    """Return (day, topic, person, entity, count) of a span of days, both included.

    Topic and person are digests that only this installation can make; the name is looked up by
    the entity's id when it is shown, so what was forgotten has none.
    """
    key = derive_key("memory-analytics", tenant_id=scope.require().id)

    def digest(text: str) -> str:
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:24]

    return [
        (day, digest(f"topic|{name}"), digest(f"person|{person}"), entity, count)
        for day, name, person, entity, count in _fetched(_TOPICS, _span(first, last))
    ]


def names_of(entity_ids: Sequence[Any]) -> dict[str, tuple[UUID, str]]:
    """Return whose, and what, entities are that memories mention still, by id."""
    found = _fetched(_NAMES, [[str(each) for each in entity_ids]])
    return {str(pk): (subject_id, name) for pk, subject_id, name in found}


def _span(first: date, last: date) -> dict[str, datetime]:
    since = datetime(first.year, first.month, first.day, tzinfo=UTC)
    until = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)
    return {"since": since, "until": until}


def _fetched(statement: str, values: Any) -> list[Row]:  # noqa: ANN401  # a mapping or a sequence
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
