"""Counting in calendars and clocks. Pure."""

from calendar import monthrange
from datetime import UTC, datetime

_STEPS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def add_months(moment: datetime, months: int) -> datetime:
    """Return the same day `months` later, or the last day of a month that is too short.

    Raises:
        ValueError: The year is outside of 1 to 9999.
    """
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise ValueError(f"year {year} is out of range")
    day = min(moment.day, monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Return a length of time in days, hours, minutes and seconds."""
    rest = abs(round(seconds))
    parts: list[str] = []
    for name, size in _STEPS:
        number, rest = divmod(rest, size)
        if number:
            parts.append(_counted(number, name))
    text = ", ".join(parts) or "0 seconds"
    return f"minus {text}" if seconds < 0 and parts else text


def calendar_span(begin: datetime, end: datetime) -> str:
    """Return the whole years, months and days between two moments of one zone."""
    if end < begin:
        begin, end = end, begin
    months = (end.year - begin.year) * 12 + end.month - begin.month
    if add_months(begin, months) > end:
        months -= 1
    days = (end - add_months(begin, months)).days
    years, months = divmod(months, 12)
    parts = [
        _counted(number, name)
        for number, name in ((years, "year"), (months, "month"), (days, "day"))
        if number
    ]
    return ", ".join(parts) or "less than a day"


def clock_change(moment: datetime) -> str:
    """Return a note for a local time that the clocks skip or show twice, or an empty string."""
    if (
        moment.tzinfo is None
        or moment.replace(fold=0).utcoffset() == moment.replace(fold=1).utcoffset()
    ):
        return ""
    again = moment.astimezone(UTC).astimezone(moment.tzinfo)
    if again.replace(tzinfo=None, fold=0) != moment.replace(tzinfo=None, fold=0):
        return " The clocks skip this local time; it was read as if they did not."
    return " The clocks show this local time twice; the first one is meant here."
