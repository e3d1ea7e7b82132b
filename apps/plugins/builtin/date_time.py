"""The tool that knows what time it is, here and elsewhere."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import Field

from apps.plugins.contracts import Arguments, Tool, ToolContext, ToolResult
from apps.plugins.domain import calendar
from apps.plugins.domain.messages import suggestion
from apps.plugins.errors import ToolRetry
from apps.plugins.permissions import USE

_LIMIT = 1_000_000_000


class Moment(Arguments):
    """What is asked about time."""

    operation: Literal["now", "convert", "difference", "add"] = Field(
        default="now",
        description=(
            "now: the present time. convert: `time` in `zone` to `to_zone`. difference: from "
            "`time` to `other_time`. add: `time` plus years … seconds, which may be negative."
        ),
    )
    zone: str = Field(
        default="UTC", max_length=64, description="IANA name such as Europe/Berlin, or a city."
    )
    to_zone: str | None = Field(default=None, max_length=64)
    time: str | None = Field(
        default=None,
        max_length=64,
        description="ISO 8601, such as 2026-03-01 or 2026-03-01T14:30; without it: now.",
    )
    other_time: str | None = Field(default=None, max_length=64)
    years: int = Field(default=0, ge=-_LIMIT, le=_LIMIT)
    months: int = Field(default=0, ge=-_LIMIT, le=_LIMIT)
    weeks: int = Field(default=0, ge=-_LIMIT, le=_LIMIT)
    days: int = Field(default=0, ge=-_LIMIT, le=_LIMIT)
    hours: int = Field(default=0, ge=-_LIMIT, le=_LIMIT)
    minutes: int = Field(default=0, ge=-_LIMIT, le=_LIMIT)
    seconds: int = Field(default=0, ge=-_LIMIT, le=_LIMIT)


@cache
def _zones() -> dict[str, str]:
    """Every zone by its name, and by its city where that is the only one of this name."""
    names = sorted(available_timezones())
    cities: dict[str, list[str]] = {}
    for name in names:
        if "/" in name and not name.startswith(("Etc/", "posix/", "right/", "SystemV/", "US/")):
            cities.setdefault(name.rpartition("/")[2].replace("_", " ").casefold(), []).append(name)
    known = {city: found[0] for city, found in cities.items() if len(found) == 1}
    return known | {name.casefold(): name for name in names}


def _zone(wanted: str) -> ZoneInfo:
    name = " ".join(wanted.split())
    known = _zones()
    found = known.get(name.replace(" ", "_").casefold()) or known.get(
        name.replace("_", " ").casefold()
    )
    try:
        if found is not None:
            return ZoneInfo(found)
    except (ZoneInfoNotFoundError, OSError):
        pass  # listed, but its data is not installed: as unknown as any other
    near = suggestion(name.replace(" ", "_"), sorted(set(known.values())))
    cities = "" if near else suggestion(name, sorted(known))
    raise ToolRetry(
        f"There is no time zone {wanted[:64]!r}.{near or cities} Use IANA names such as "
        "Europe/Berlin or America/New_York; abbreviations such as PST are ambiguous."
    )


def _parsed(text: str | None, zone: ZoneInfo, now: datetime) -> datetime:
    if text is None or text.strip().casefold() in {"", "now"}:
        return now.astimezone(zone)
    try:
        read = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ToolRetry(
            f"{text[:64]!r} is no time. Write ISO 8601, such as 2026-03-01T14:30 or 2026-03-01."
        ) from error
    return read if read.tzinfo else read.replace(tzinfo=zone)


def _told(moment: datetime) -> str:
    name = getattr(moment.tzinfo, "key", None) or moment.tzname() or ""
    zone = f" ({name})" if name else ""
    return f"{moment.strftime('%A')} {moment.isoformat(timespec='seconds')}{zone}"


def _now(arguments: Moment, context: ToolContext) -> ToolResult:
    here = context.now.astimezone(_zone(arguments.to_zone or arguments.zone))
    week = here.isocalendar().week
    return ToolResult(
        text=f"It is {_told(here)}, week {week}.",
        data={"time": here.isoformat(timespec="seconds"), "week": week},
    )


def _convert(arguments: Moment, context: ToolContext) -> ToolResult:
    zone = _zone(arguments.zone)
    target = _zone(arguments.to_zone or "UTC")
    there = _parsed(arguments.time, zone, context.now)
    here = there.astimezone(target)
    note = calendar.clock_change(there)
    return ToolResult(
        text=f"{_told(there)} is {_told(here)}.{note}",
        data={"time": here.isoformat(timespec="seconds"), "note": note.strip()},
    )


def _difference(arguments: Moment, context: ToolContext) -> ToolResult:
    if arguments.time is None and arguments.other_time is None:
        raise ToolRetry("difference needs `time`, `other_time` or both.")
    zone = _zone(arguments.zone)
    begin = _parsed(arguments.time, zone, context.now)
    end = _parsed(arguments.other_time, _zone(arguments.to_zone or arguments.zone), context.now)
    seconds = (end.astimezone(UTC) - begin.astimezone(UTC)).total_seconds()
    return ToolResult(
        text=f"From {_told(begin)} to {_told(end)}: {calendar.duration(seconds)} "
        f"({calendar.calendar_span(begin, end.astimezone(begin.tzinfo))}; {seconds:g} seconds).",
        data={"seconds": seconds},
    )


def _add(arguments: Moment, context: ToolContext) -> ToolResult:
    begin = _parsed(arguments.time, _zone(arguments.zone), context.now)
    by_calendar = calendar.add_months(begin, arguments.years * 12 + arguments.months)
    by_calendar += timedelta(days=arguments.weeks * 7 + arguments.days)
    # Days follow the calendar; hours are real time, also across a change of clocks.
    passing = timedelta(hours=arguments.hours, minutes=arguments.minutes, seconds=arguments.seconds)
    end = (by_calendar.astimezone(UTC) + passing).astimezone(by_calendar.tzinfo)
    if arguments.to_zone:
        end = end.astimezone(_zone(arguments.to_zone))
    return ToolResult(
        text=f"It will be {_told(end)}." if end > begin else f"It was {_told(end)}.",
        data={"time": end.isoformat(timespec="seconds")},
    )


_OPERATIONS = {"now": _now, "convert": _convert, "difference": _difference, "add": _add}


def tell_time(context: ToolContext, arguments: Moment) -> ToolResult:
    """Answer a question about time.

    Raises:
        ToolRetry: A zone or a time is not understood, or lies outside of the years 1 to 9999.
    """
    try:
        return _OPERATIONS[arguments.operation](arguments, context)
    except (OverflowError, ValueError) as error:
        raise ToolRetry("That lies outside of the years 1 to 9999.") from error


DATE_TIME = Tool(
    name="date_time",
    title="Date and time",
    description=(
        "The present date and time in any time zone, conversion between zones, the time between "
        "two moments, and dates before or after one. Use it whenever an answer depends on today."
    ),
    parameters=Moment,
    run=tell_time,
    permission=USE,
    timeout_s=5.0,
)
