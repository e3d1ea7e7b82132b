"""Reading the export: series by day, and topics that several people share."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from apps.core import scope
from apps.core.clock import now
from apps.core.errors import InvalidInput, PermissionDenied
from apps.core.scope import Actor
from apps.memory import tally
from apps.memory.analytics import gathering
from apps.memory.analytics.exporting import (
    ACTIVITY,
    CHANGES,
    RECALL_EVENT,
    TOPICS,
    file_of,
    folder_of,
)
from apps.memory.analytics.parquet import Files, opened
from apps.memory.contracts import MemoryAnalytics, MemoryDay, MemoryTopic

DAYS_DEFAULT, DAYS_MAX = 30, 400
# What fewer people's memories name is theirs and not the workspace's to see.
TOPIC_PEOPLE_MIN = 3
_TOPICS_MAX = 20
_NAMED_BY = 50  # entities of a topic that are asked for its name: one of them may be gone

_FLOWS = """
SELECT day, event, sum(count)::BIGINT FROM {files}
WHERE event NOT IN ('live', 'people') GROUP BY day, event
"""
_LEVELS = """
SELECT day, event, kind, sum(count)::BIGINT FROM {files}
WHERE event IN ('live', 'people') GROUP BY day, event, kind ORDER BY day, event, kind
"""
_COUNTED = """
SELECT day, event, sum(count)::BIGINT FROM {files} GROUP BY day, event
"""
_LATENCIES = """
WITH bucket AS (
    SELECT day, upper_ms, sum(count) AS count FROM {files} WHERE event = $2 GROUP BY day, upper_ms
), running AS (
    SELECT day, upper_ms, sum(count) OVER (PARTITION BY day ORDER BY upper_ms) AS so_far,
        sum(count) OVER (PARTITION BY day) AS total
    FROM bucket
)
SELECT day, min(upper_ms) FILTER (so_far >= 0.5 * total),
    min(upper_ms) FILTER (so_far >= 0.95 * total)
FROM running GROUP BY day
"""
_SHARED = """
WITH shared AS (
    SELECT topic, count(DISTINCT person) AS people, sum(count)::BIGINT AS mentions,
        array_agg(DISTINCT entity ORDER BY entity)[:$3] AS entities
    FROM {files} GROUP BY topic HAVING count(DISTINCT person) >= $2
)
SELECT topic, people, mentions, entities FROM shared ORDER BY mentions DESC, topic LIMIT $4
"""
_SHARED_BY_DAY = """
SELECT topic, day, sum(count)::BIGINT FROM {files} WHERE list_contains($2, topic)
GROUP BY topic, day ORDER BY day
"""


def read_analytics(
    *, actor: Actor, permission: str, first: date | None = None, last: date | None = None
) -> MemoryAnalytics:
    """Return how the memory of the tenant in scope did over a window of days (UTC), as exported.

    Args:
        actor: Who asks.
        permission: What the edge demands.
        first: The first day; 30 days up to `last`, if not given.
        last: The last day, included; today, if not given.

    Raises:
        PermissionDenied: The actor lacks the permission.
        InvalidInput: The days are in the wrong order or too many.
        ServiceUnavailable: The export cannot be read.
    """
    if not actor.may(permission):
        raise PermissionDenied(permission)
    until = last or now().date()
    since = first or until - timedelta(days=DAYS_DEFAULT - 1)
    if since > until:
        raise InvalidInput(fields={"from": ["It must not be later than the last day."]})
    count = (until - since).days + 1
    if count > DAYS_MAX:
        raise InvalidInput(fields={"from": [f"At most {DAYS_MAX} days."]})
    days = [since + timedelta(days=number) for number in range(count)]
    folder = folder_of(scope.require().id)
    if not folder.is_dir():  # asking leaves no traces
        return MemoryAnalytics(
            first=since, last=until, days=tuple(MemoryDay(day=day, live={}) for day in days),
            topics=(),
        )  # fmt: skip
    with opened(folder) as files:
        return MemoryAnalytics(
            first=since,
            last=until,
            days=_series(files, days),
            topics=_topics(files, days),
        )


def _series(files: Files, days: Sequence[date]) -> tuple[MemoryDay, ...]:
    flows: dict[date, dict[str, int]] = defaultdict(dict)
    live: dict[date, dict[str, int]] = defaultdict(dict)
    people: dict[date, int] = {}
    changes = [file_of(CHANGES, day) for day in days]
    activity = [file_of(ACTIVITY, day) for day in days]
    for day, event, count in files.ask(changes, _FLOWS) + files.ask(activity, _COUNTED):
        flows[day][event] = count
    for day, event, kind, count in files.ask(changes, _LEVELS):
        if event == "people":
            people[day] = count
        else:
            live[day][kind] = count
    latencies = {day: (p50, p95) for day, p50, p95 in files.ask(activity, _LATENCIES, RECALL_EVENT)}
    return tuple(
        _day(day, flows[day], live[day], people.get(day, 0), latencies.get(day, (None, None)))
        for day in days
    )


def _day(
    day: date,
    flows: Mapping[str, int],
    live: Mapping[str, int],
    people: int,
    latencies: tuple[float | None, float | None],
) -> MemoryDay:
    return MemoryDay(
        day=day,
        created=flows.get("created", 0),
        superseded=flows.get("superseded", 0),
        archived=flows.get("archived", 0),
        expired=flows.get("expired", 0),
        forgotten=flows.get("forgotten", 0),
        used=flows.get(tally.USED, 0),
        live=dict(live),
        people=people,
        recalls=flows.get(RECALL_EVENT, 0),
        recall_p50_ms=latencies[0],
        recall_p95_ms=latencies[1],
        sampled=flows.get(tally.SAMPLED, 0),
        found=flows.get(tally.FOUND, 0),
    )


def _topics(files: Files, days: Sequence[date]) -> tuple[MemoryTopic, ...]:
    names = [file_of(TOPICS, day) for day in days]
    shared = files.ask(names, _SHARED, TOPIC_PEOPLE_MIN, _NAMED_BY, _TOPICS_MAX)
    if not shared:
        return ()
    by_day: dict[str, dict[date, int]] = defaultdict(dict)
    for topic, day, count in files.ask(names, _SHARED_BY_DAY, [row[0] for row in shared]):
        by_day[topic][day] = count
    known = gathering.names_of([entity for row in shared for entity in row[3]])
    return tuple(
        MemoryTopic(name=name, people=people, mentions=mentions, by_day=by_day[topic])
        for topic, people, mentions, entities in shared
        if (name := _name(known, entities))
    )


def _name(known: Mapping[str, tuple[UUID, str]], entities: Sequence[Any]) -> str:
    """Return what a topic is called; empty where too few people's memories name it still."""
    named = [known[str(each)] for each in entities if str(each) in known]
    people = {subject_id for subject_id, _name in named}
    return named[0][1] if len(people) >= TOPIC_PEOPLE_MIN else ""
