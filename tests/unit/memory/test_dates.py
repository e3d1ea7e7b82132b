"""Time expressions mean days, seen from when they were said."""

from datetime import date, timedelta

import pytest
from hypothesis import given, strategies as st

from apps.memory.domain.dates import Period, names_time, periods_in

SAID = date(2023, 5, 10)  # a Wednesday


def day(year: int, month: int, number: int) -> Period:
    return Period(first=date(year, month, number), last=date(year, month, number))


def days(first: date, last: date) -> Period:
    return Period(first=first, last=last)


@pytest.mark.parametrize(
    "text, meant",
    [
        ("I saw her yesterday.", day(2023, 5, 9)),
        ("Last night we sang.", day(2023, 5, 9)),
        ("the day before yesterday", day(2023, 5, 8)),
        ("See you tomorrow!", day(2023, 5, 11)),
        ("three days ago", day(2023, 5, 7)),
        ("a week ago", days(date(2023, 5, 1), date(2023, 5, 7))),
        ("last weekend", days(date(2023, 5, 6), date(2023, 5, 7))),
        ("next month", days(date(2023, 6, 1), date(2023, 6, 30))),
        ("two months ago", days(date(2023, 3, 1), date(2023, 3, 31))),
        ("last year", days(date(2022, 1, 1), date(2022, 12, 31))),
        ("on 7 March", day(2023, 3, 7)),
        ("On March 7th, 2021 it snowed", day(2021, 3, 7)),
        ("on 24 December", day(2022, 12, 24)),
        ("in May 2020", days(date(2020, 5, 1), date(2020, 5, 31))),
        ("in August", days(date(2022, 8, 1), date(2022, 8, 31))),
        ("since 2019", days(date(2019, 1, 1), date(2019, 12, 31))),
        ("last Tuesday", day(2023, 5, 9)),
        ("next Friday", day(2023, 5, 12)),
        ("2023-02-28", day(2023, 2, 28)),
    ],
)
def test_an_expression_means_its_days(text: str, meant: Period) -> None:
    assert periods_in(text, SAID) == [meant]
    assert names_time(text)


def test_several_come_in_the_order_of_the_text() -> None:
    found = periods_in("Yesterday I booked the trip for June 3rd, 2024.", SAID)

    assert found == [day(2023, 5, 9), day(2024, 6, 3)]


@pytest.mark.parametrize(
    "text",
    ["", "May I come in?", "the 45th of nothing", "March on!", "room 2019b", "a second thought"],
)
def test_what_is_no_time_means_nothing(text: str) -> None:
    assert periods_in(text, SAID) == []


@given(st.text(max_size=200), st.dates(min_value=date(1, 1, 1)))
def test_any_text_on_any_day_is_read(text: str, said: date) -> None:
    for period in periods_in(text, said):
        assert period.first <= period.last


@given(st.integers(0, 400), st.dates(min_value=date(1950, 1, 1), max_value=date(2200, 1, 1)))
def test_days_ago_are_counted_back(count: int, said: date) -> None:
    assert periods_in(f"{count} days ago", said) == [
        days(said - timedelta(count), said - timedelta(count))
    ]
