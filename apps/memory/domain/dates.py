"""Time expressions in English texts: which days they mean, seen from when they were said. Pure.

"yesterday", "last week", "in May 2023", "three months ago", "on 7 March", "last Tuesday", "since
2019". Rules, not a model: they say the same each time, cost microseconds, and what they do not
know they leave alone.
"""

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
_MONTHS |= {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}
_MONTHS["sept"] = 9
_DAYS = {name.lower(): number for number, name in enumerate(calendar.day_name)}
_NUMBERS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "couple": 2, "three": 3, "few": 3, "four": 4, "five": 5,
    "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
}  # fmt: skip

_MONTH = r"(?P<month>" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + r")\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_UNIT = r"(?P<unit>day|week|weekend|month|year)"
_COUNT = r"(?:a\s+)?(?P<count>\d{1,3}|" + "|".join(_NUMBERS) + r")(?:\s+of)?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Days from the first to the last, both included."""

    first: date
    last: date

    def meets(self, other: "Period") -> bool:
        """Say whether they share a day."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSpan:
    """Where in a text a time expression stands, and the days it means."""

    start: int
    end: int
    period: Period


Resolve = Callable[[re.Match[str], date], Period | None]


def periods_in(text: str, said_on: date) -> list[Period]:
    """Return the days that the time expressions of a text mean, in the text's order.

    Args:
        text: Any text.
        said_on: The day on which it was said, from which "yesterday" counts.
    """
    return [span.period for span in time_spans(text, said_on)]


def time_spans(text: str, said_on: date) -> list[TimeSpan]:
    """Return the time expressions of a text in its order.

    Of those that overlap the longest stays, the earlier rule among equals.
    """
    found = [
        (match.start(), match.end(), period)
        for pattern, resolve in _RULES
        for match in pattern.finditer(text)
        if (period := _resolved(resolve, match, said_on)) is not None
    ]
    taken: list[TimeSpan] = []
    for start, end, period in sorted(found, key=lambda each: each[0] - each[1]):
        if all(end <= other.start or start >= other.end for other in taken):
            taken.append(TimeSpan(start=start, end=end, period=period))
    return sorted(taken, key=lambda each: each.start)


def names_time(text: str) -> bool:
    """Say whether the text names a date, a span or a time of day."""
    return any(pattern.search(text) for pattern, _resolve in _RULES) or bool(_VAGUE.search(text))


def looking_ahead(span: TimeSpan, text: str, said_on: date) -> TimeSpan:
    """Return a span of a sentence about the future: its "June" and "Friday" are those to come.

    Args:
        span: Of `text`.
        text: The sentence.
        said_on: The day on which it was said.
    """
    words, period = text[span.start : span.end].lower(), span.period
    if period.last > said_on or re.search(r"\d{4}|\b(?:ago|last|past|yesterday)\b", words):
        return span
    if any(re.search(rf"\b{month}\b", words) for month in _MONTHS):
        while period.last < said_on:
            period = _a_year_later(period)
    elif any(day in words for day in _DAYS):
        while period.last <= said_on:
            period = _span(period.first + timedelta(7), period.last + timedelta(7))
    return TimeSpan(start=span.start, end=span.end, period=period)


def _a_year_later(period: Period) -> Period:
    if period.first != period.last:
        return _month(period.first.year + 1, period.first.month)
    day = period.first
    leap = (day.month, day.day) == (2, 29)
    moved = date(day.year + 1, day.month, 28 if leap else day.day)
    return _span(moved, moved)


def worded(period: Period) -> str:
    """Return a period in words that mean the same whenever they are read, such as "in May 2023"."""
    first, last = period.first, period.last
    if first == last:
        return f"on {first.day} {calendar.month_name[first.month]} {first.year}"
    if (first.month, first.day, last.month, last.day) == (1, 1, 12, 31) and first.year == last.year:
        return f"in {first.year}"
    if first.day == 1 and (last + timedelta(1)).day == 1 and first.month == last.month:
        return f"in {calendar.month_name[first.month]} {first.year}"
    month = calendar.month_name[first.month]
    return f"in the week of {first.day} {month} {first.year}"


def _resolved(resolve: Resolve, match: re.Match[str], said_on: date) -> Period | None:
    try:
        return resolve(match, said_on)
    except (ValueError, OverflowError):  # the 31st of June, a year nobody lives in
        return None


def _span(first: date, last: date) -> Period:
    return Period(first=first, last=last)


def _month(year: int, month: int) -> Period:
    return _span(date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1]))


def _months_from(day: date, months: int) -> Period:
    total = day.year * 12 + day.month - 1 + months
    return _month(total // 12, total % 12 + 1)


def _unit_from(day: date, unit: str, steps: int) -> Period:
    """Return the day, week, weekend, month or year `steps` from the one that `day` is in."""
    if unit == "day":
        return _span(day + timedelta(steps), day + timedelta(steps))
    if unit == "month":
        return _months_from(day, steps)
    if unit == "year":
        return _span(date(day.year + steps, 1, 1), date(day.year + steps, 12, 31))
    monday = day - timedelta(day.weekday()) + timedelta(weeks=steps)
    return _span(monday + timedelta(5 if unit == "weekend" else 0), monday + timedelta(6))


def _count(match: re.Match[str]) -> int:
    text = match["count"].lower()
    return int(text) if text.isdigit() else _NUMBERS[text]


def _iso(match: re.Match[str], _said: date) -> Period:
    day = date.fromisoformat(match[0])
    return _span(day, day)


def _full_date(match: re.Match[str], said: date) -> Period:
    """Resolve "7 March" or "March 7th, 2023"; without a year it is the last one, or one soon."""
    year, month = match["year"], _MONTHS[match["month"].lower()]
    day = date(int(year) if year else said.year, month, int(match["day"]))
    if not year and day > said + timedelta(180):
        day = day.replace(year=day.year - 1)
    return _span(day, day)


def _month_and_year(match: re.Match[str], said: date) -> Period:
    month, year = _MONTHS[match["month"].lower()], match["year"]
    if year:
        return _month(int(year), month)
    if match[1].lower() in {"last", "this past"} or month > said.month:
        return _month(said.year - (month >= said.month), month)
    return _month(said.year, month)


def _year(match: re.Match[str], _said: date) -> Period:
    return _span(date(int(match["year"]), 1, 1), date(int(match["year"]), 12, 31))


def _near(days: int) -> Resolve:
    return lambda _match, said: _unit_from(said, "day", days)


def _ago(match: re.Match[str], said: date) -> Period:
    return _unit_from(said, match["unit"].lower(), -_count(match))


def _ahead(match: re.Match[str], said: date) -> Period:
    return _unit_from(said, match["unit"].lower(), _count(match))


def _relative(match: re.Match[str], said: date) -> Period:
    steps = {"last": -1, "past": -1, "previous": -1, "next": 1, "coming": 1}
    return _unit_from(said, match["unit"].lower(), steps.get(match["which"].lower(), 0))


def _weekday(match: re.Match[str], said: date) -> Period:
    """Resolve "last Tuesday", "on Tuesday" to one before, "next Tuesday" to one to come."""
    back = (said.weekday() - _DAYS[match["weekday"].lower()]) % 7
    which = (match["which"] or "").lower()
    if which in {"next", "this", "coming"}:
        day = said + timedelta((7 - back) % 7 or 7)
    else:
        day = said - timedelta(back or 7)
    return _span(day, day)


def _rule(pattern: str, resolve: Resolve) -> tuple[re.Pattern[str], Resolve]:
    return re.compile(rf"\b{pattern}\b", re.IGNORECASE), resolve


_RULES: tuple[tuple[re.Pattern[str], Resolve], ...] = (
    _rule(r"(?:19|20)\d\d-\d\d-\d\d", _iso),
    _rule(rf"{_DAY}\s+(?:of\s+)?{_MONTH}(?:,?\s+{_YEAR})?", _full_date),
    _rule(rf"{_MONTH}\s+{_DAY}(?:,?\s+{_YEAR})?", _full_date),
    _rule(rf"(in|since|last|this past|until|by|of|early|late|during)\s+{_MONTH}(?:,?\s+{_YEAR})?",
          _month_and_year),
    _rule(rf"(){_MONTH},?\s+{_YEAR}", _month_and_year),
    _rule(rf"(?:in|since|from|until|by|of|before|after|during)\s+{_YEAR}", _year),
    _rule(r"(?:the\s+)?day\s+before\s+yesterday", _near(-2)),
    _rule(r"yesterday|last\s+night", _near(-1)),
    _rule(r"today|tonight|this\s+(?:morning|afternoon|evening)", _near(0)),
    _rule(r"(?:the\s+)?day\s+after\s+tomorrow", _near(2)),
    _rule(r"tomorrow", _near(1)),
    _rule(rf"{_COUNT}\s+{_UNIT}s?\s+(?:ago|back|earlier)", _ago),
    _rule(rf"in\s+{_COUNT}\s+{_UNIT}s?", _ahead),
    _rule(rf"(?P<which>last|past|previous|this|next|coming)\s+{_UNIT}", _relative),
    _rule(r"(?:(?P<which>last|past|this|next|coming|on)\s+)(?P<weekday>" + "|".join(_DAYS) + ")",
          _weekday),
)  # fmt: skip
_VAGUE = re.compile(
    r"\b(?:\d{1,2}(?::\d\d)?\s?(?:am|pm|a\.m\.|p\.m\.)|\d{1,2}:\d\d|(?:19|20)\d\d"
    rf"|(?:{'|'.join(_DAYS)})s?"
    r"|recently|lately|(?:for|past|last|over|next|few|couple\s+of|\d+|"
    + "|".join(name for name in _NUMBERS if len(name) > 2)
    + r")\s+(?:hours?|minutes?|days?|weeks?|months?|years?|decades?)"
    r"|(?:last|this|next)\s+(?:spring|summer|autumn|fall|winter|christmas|thanksgiving|easter))\b",
    re.IGNORECASE,
)
