"""Charts and amounts as people read them."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from apps.providers.contracts import Flow
from apps.web.amounts import money_text, percent_text, seconds_text, short_count
from apps.web.charts import (
    HEIGHT,
    SERIES_MAX,
    WIDTH,
    largest_series,
    nice_ceiling,
    stacked_days,
)
from apps.web.views.usage import FLOWS

VALUES = st.floats(min_value=0, max_value=1e12, allow_nan=False)


@given(
    st.dictionaries(st.tuples(st.integers(0, 30), st.integers(1, 3)), VALUES), st.integers(1, 400)
)
def test_every_bar_lies_inside_the_chart_and_columns_stand_on_zero(
    sparse: dict[tuple[int, int], float], length: int
) -> None:
    start = date(2027, 1, 1)
    days = [start + timedelta(days=place) for place in range(length)]
    values = {(start + timedelta(days=day), series): v for (day, series), v in sparse.items()}
    chart = stacked_days(
        title="Cost",
        days=days,
        values=values,
        legend=[(1, "a"), (2, "b"), (3, "c")],
        written=str,
        short=short_count,
    )
    for bar in chart.bars:
        assert 0 <= bar.x <= bar.x + bar.width <= WIDTH
        assert -0.01 <= bar.y <= bar.y + bar.height <= HEIGHT
    shown = sum(1 for (day, _series), value in values.items() if value > 0 and day in set(days))
    assert len(chart.bars) == shown
    assert 1 <= len(chart.names) <= 11


@given(VALUES)
def test_the_scale_ends_above_the_highest_column_and_not_far(value: float) -> None:
    top = nice_ceiling(value)
    assert value <= top * 1.00001
    assert value < 1e-12 or top <= value * 2.01


@given(st.dictionaries(st.text(min_size=1, max_size=5), VALUES, max_size=20))
def test_series_are_numbered_by_size_and_what_is_too_many_shares_the_last(
    totals: dict[str, float],
) -> None:
    numbers = largest_series(totals, "rest")
    assert set(totals) <= set(numbers)
    assert all(1 <= number <= SERIES_MAX for number in numbers.values())
    own = sorted((name for name in totals if numbers[name] < SERIES_MAX), key=numbers.__getitem__)
    largest = sorted(totals.values(), reverse=True)
    assert [totals[name] for name in own] == largest[: SERIES_MAX - 1]


@pytest.mark.parametrize(
    "amount,text",
    [
        (None, "–"),
        ("0", "$0"),
        ("0.0000000001", "$0.00000000010"),
        ("0.0012", "$0.0012"),
        ("0.00123456", "$0.0012"),
        ("0.05", "$0.050"),
        ("0.1", "$0.10"),
        ("12.345", "$12.35"),
        ("1234567.891", "$1,234,567.89"),
    ],
)
def test_money_is_written_with_the_digits_that_say_something(amount: str | None, text: str) -> None:
    assert money_text(None if amount is None else Decimal(amount)) == text


def test_a_trace_is_not_written_as_nothing() -> None:
    assert [percent_text(share) for share in (0, 0.001, 0.5, 1.2)] == [
        "0 %", "< 1 %", "50 %", "120 %",
    ]  # fmt: skip
    assert [seconds_text(ms) for ms in (None, 0, 999, 1234)] == ["–", "0 ms", "999 ms", "1.2 s"]
    assert [short_count(n) for n in (0, 999, 1200, 3e6, 2.5e9)] == [
        "0",
        "999",
        "1.2k",
        "3M",
        "2.5B",
    ]


def test_every_purpose_of_a_call_has_a_name_for_people() -> None:
    assert set(FLOWS) == {flow.value for flow in Flow}
