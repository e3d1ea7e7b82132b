"""The periods of budgets. Pure."""

from datetime import date, timedelta
from enum import StrEnum


class Period(StrEnum):
    """How long a budget lasts; it begins anew at the next day, Monday or first of a month (UTC)."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


def period_start(period: Period, day: date) -> date:
    """Return the first day of the period that holds `day`."""
    match period:
        case Period.DAY:
            return day
        case Period.WEEK:
            return day - timedelta(days=day.weekday())
        case Period.MONTH:
            return day.replace(day=1)


def next_period_start(period: Period, day: date) -> date:
    """Return the first day after the period that holds `day`."""
    start = period_start(period, day)
    match period:
        case Period.DAY:
            return start + timedelta(days=1)
        case Period.WEEK:
            return start + timedelta(days=7)
        case Period.MONTH:
            return (start + timedelta(days=32)).replace(day=1)
