"""The periods of budgets."""

from datetime import date, timedelta

import pytest
from hypothesis import given, strategies as st

from apps.providers.domain.periods import Period, next_period_start, period_start

DAYS = st.dates(min_value=date(2000, 1, 1), max_value=date(2200, 1, 1))
PERIODS = st.sampled_from(list(Period))


@given(PERIODS, DAYS)
def test_every_day_lies_in_exactly_one_period(period: Period, day: date) -> None:
    start, end = period_start(period, day), next_period_start(period, day)
    assert start <= day < end
    assert period_start(period, start) == start
    assert period_start(period, end) == end
    assert period_start(period, end - timedelta(days=1)) == start
    assert next_period_start(period, start) == end


@given(DAYS)
def test_weeks_begin_on_mondays_and_months_on_their_first(day: date) -> None:
    week = period_start(Period.WEEK, day)
    assert week.weekday() == 0
    assert next_period_start(Period.WEEK, day) - week == timedelta(days=7)
    month = period_start(Period.MONTH, day)
    assert (month.day, month.month) == (1, day.month)
    assert 28 <= (next_period_start(Period.MONTH, day) - month).days <= 31


@pytest.mark.parametrize(
    "period,day,start,end",
    [
        (Period.DAY, date(2027, 12, 31), date(2027, 12, 31), date(2028, 1, 1)),
        (Period.WEEK, date(2028, 1, 1), date(2027, 12, 27), date(2028, 1, 3)),
        (Period.MONTH, date(2028, 2, 29), date(2028, 2, 1), date(2028, 3, 1)),
        (Period.MONTH, date(2027, 12, 31), date(2027, 12, 1), date(2028, 1, 1)),
    ],
)
def test_periods_end_where_years_do(period: Period, day: date, start: date, end: date) -> None:
    assert (period_start(period, day), next_period_start(period, day)) == (start, end)
