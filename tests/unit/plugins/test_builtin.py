"""Date and time, and units: what they say and what they refuse."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from apps.core.ids import new_id
from apps.core.scope import SYSTEM, TenantRef
from apps.plugins.builtin.calculator import CALCULATOR
from apps.plugins.builtin.date_time import DATE_TIME, Moment, tell_time
from apps.plugins.builtin.units import CONVERT_UNITS, Conversion, convert
from apps.plugins.contracts import ToolContext
from apps.plugins.domain import calendar
from apps.plugins.domain.units import UnitProblem, unit_terms
from apps.plugins.errors import ToolRetry
from apps.plugins.selectors import tool_spec

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CONTEXT = ToolContext(
    tenant=TenantRef(id=new_id(), slug="acme", schema="acme"),
    actor=SYSTEM,
    conversation_id=new_id(),
    turn_id=new_id(),
    now=NOW,
)


def said(**arguments: object) -> str:
    return tell_time(CONTEXT, Moment.model_validate(arguments)).text


def converted(value: str, source: str, target: str) -> str:
    arguments = Conversion(value=Decimal(value), from_unit=source, to_unit=target)
    return str(convert(CONTEXT, arguments).data["value"])


@pytest.mark.parametrize("zone", ["Europe/Berlin", "europe/berlin", "Berlin", " berlin "])
def test_now_is_the_moment_of_the_call_in_any_zone(zone: str) -> None:
    assert said(zone=zone) == "It is Sunday 2026-03-01T13:00:00+01:00 (Europe/Berlin), week 9."


@pytest.mark.parametrize(
    "zone,hint",
    [("Europe/Berlim", "Europe/Berlin"), ("New Yrok", "new york"), ("PST", "IANA"), ("", "IANA")],
)
def test_an_unknown_zone_is_told_with_near_ones(zone: str, hint: str) -> None:
    with pytest.raises(ToolRetry, match=hint):
        said(zone=zone)


def test_a_time_is_converted_between_zones() -> None:
    text = said(operation="convert", time="2026-07-01T09:00", zone="Tokyo", to_zone="New_York")
    assert "2026-06-30T20:00:00-04:00 (America/New_York)" in text


def test_times_that_clocks_skip_or_show_twice_are_said_to_be_so() -> None:
    skipped = said(operation="convert", time="2026-03-29T02:30", zone="Berlin")
    twice = said(operation="convert", time="2026-10-25T02:30", zone="Berlin")
    assert "skip" in skipped
    assert "twice" in twice


def test_a_difference_is_told_in_days_and_in_the_calendar() -> None:
    text = said(operation="difference", time="2024-02-29", other_time="2026-03-01T06:30")
    assert "731 days, 6 hours, 30 minutes (2 years, 1 day;" in text


def test_days_follow_the_calendar_and_hours_follow_the_clock() -> None:
    start = {"operation": "add", "time": "2026-03-28T12:00", "zone": "Berlin"}
    assert "2026-03-29T12:00:00+02:00" in said(**start, days=1)
    assert "2026-03-29T13:00:00+02:00" in said(**start, hours=24)
    assert "2026-02-28" in said(operation="add", time="2026-01-31", months=1)


@pytest.mark.parametrize(
    "arguments",
    [
        {"operation": "add", "years": 9000},
        {"operation": "add", "seconds": -(10**9), "weeks": -(10**9)},
        {"operation": "convert", "time": "tomorrow"},
        {"operation": "convert", "time": "2026-02-30"},
        {"operation": "difference"},
        {"operation": "convert", "time": "0001-01-01T00:00", "zone": "Tokyo"},
        {"operation": "convert", "time": "9999-12-31T23:59", "to_zone": "Tokyo"},
    ],
)
def test_what_makes_no_time_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ToolRetry):
        said(**arguments)


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)), st.data())  # noqa: DTZ001  # drawn without a zone, as the strategy wants
def test_a_span_added_again_reaches_the_end(begin: datetime, data: st.DataObject) -> None:
    begin = begin.replace(tzinfo=ZoneInfo("UTC"))
    months = data.draw(st.integers(0, 1200))
    later = calendar.add_months(begin, months)
    assert later >= begin
    assert calendar.duration((later - begin).total_seconds())
    assert calendar.calendar_span(begin, later + timedelta(seconds=1))


@pytest.mark.parametrize(
    "value,source,target,result",
    [
        ("20", "degC", "degF", "68"),
        ("-40", "F", "C", "-40"),
        ("0", "Celsius", "K", "273.15"),
        ("0", "°C", "°F", "32"),
        ("1", "mile", "km", "1.609344"),
        ("100", "km/h", "mph", "62.1371192237"),
        ("1", "GiB", "MB", "1073.741824"),
        ("5", "KB", "byte", "5000"),
        ("2", "cups", "ml", "473.176473"),
        ("8", "fl oz", "mL", "236.5882365"),
        ("1", "m2", "sq ft", "10.7639104167"),
        ("1", "m³", "L", "1000"),
        ("10", "feet per second", "m/s", "3.048"),
        ("9.81", "m/s^2", "ft/s**2", "32.1850393701"),
        ("1", "kWh", "kcal", "860.420650096"),
        ("180", "deg", "rad", "3.14159265359"),
        ("0", "km", "mi", "0"),
        ("1e-10", "m", "angstrom", "1"),
        ("100", "Mbps", "MB/s", "12.5"),
    ],
)
def test_units_are_converted(value: str, source: str, target: str, result: str) -> None:
    assert converted(value, source, target) == result


@pytest.mark.parametrize(
    "source,target,says",
    [
        ("kilometr", "m", "Did you mean kilometer"),
        ("km", "kg", "one cannot become the other"),
        ("USD", "EUR", "Money"),
        ("$", "EUR", "Money"),
        ("m**9**9**9", "m", "not understood"),
        ("m^99", "m", "not understood"),
        ("(m)", "m", "not understood"),
        ("degC/m", "K/m", "product|There is no unit|delta"),
        ("__class__", "m", "no unit|not understood"),
        ("m;import os", "m", "not understood"),
    ],
)
def test_units_that_make_no_sense_are_refused(source: str, target: str, says: str) -> None:
    with pytest.raises(ToolRetry, match=says):
        converted("1", source, target)


def test_a_value_beyond_reason_is_refused() -> None:
    with pytest.raises(ToolRetry, match="too large"):
        converted("1e100000", "m", "km")


@given(st.text(alphabet="mkghsC°F/*^ 0123456789²per_()-", max_size=30))
def test_any_text_is_a_unit_or_a_clear_problem(text: str) -> None:
    try:
        terms = unit_terms(text)
    except UnitProblem:
        return
    assert all(abs(power) <= 9 for _, power in terms)


@pytest.mark.parametrize("tool", [CALCULATOR, DATE_TIME, CONVERT_UNITS], ids=lambda t: t.name)
def test_what_models_are_told_is_small_and_sound(tool: object) -> None:
    spec = tool_spec(tool)  # type: ignore[arg-type]  # pytest hands it through
    schema = json.dumps(spec.parameters)
    assert spec.parameters["type"] == "object"
    assert '"title"' not in schema
    assert len(schema) + len(spec.description) < 2_500
