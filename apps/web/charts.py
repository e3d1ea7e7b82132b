"""Bar charts as numbers that a template writes into SVG: no script, no inline style. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil, log10

WIDTH, HEIGHT = 720.0, 220.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 4.0, 10.0, 24.0
_NOTHING = 1e-12
SERIES_MAX = 6  # as many colours as there are; what is smaller is added up as the last one


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One piece of a column; `series` counts from 1."""

    x: float
    y: float
    width: float
    height: float
    series: int
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A line of the scale, or a name below a column."""

    at: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Stacked columns, one for each day.

    Attributes:
        title: What is shown.
        summary: The same in one sentence, for who does not see it.
        legend: The names of the series by number.
    """

    title: str
    summary: str
    width: float
    height: float
    bars: tuple[Bar, ...]
    lines: tuple[Tick, ...]
    names: tuple[Tick, ...]
    legend: tuple[tuple[int, str], ...]

    @property
    def left(self) -> float:
        """Where the columns begin."""
        return _LEFT

    @property
    def right(self) -> float:
        """Where they end."""
        return WIDTH - _RIGHT

    @property
    def base(self) -> float:
        """The height of zero."""
        return HEIGHT - _BOTTOM


def largest_series(totals: Mapping[str, float], rest: str) -> dict[str, int]:
    """Return the number of each series, the largest first; all that are too many share the last."""
    ordered = sorted(totals, key=lambda name: (-totals[name], name))
    if len(ordered) <= SERIES_MAX:
        return {name: place for place, name in enumerate(ordered, start=1)}
    numbered = {name: min(place, SERIES_MAX) for place, name in enumerate(ordered, start=1)}
    return {**numbered, rest: SERIES_MAX}


def stacked_days(
    *,
    title: str,
    days: Sequence[date],
    values: Mapping[tuple[date, int], float],
    legend: Sequence[tuple[int, str]],
    written: Callable[[float], str],
    short: Callable[[float], str],
) -> Chart:
    """Return the chart of `values` by day and series number; every day has its place."""
    sums = {day: sum(values.get((day, number), 0.0) for number, _name in legend) for day in days}
    top = nice_ceiling(max(sums.values(), default=0.0))
    step = (WIDTH - _LEFT - _RIGHT) / max(len(days), 1)
    width = min(step * 0.72, 48.0)
    room = HEIGHT - _TOP - _BOTTOM
    bars: list[Bar] = []
    for place, day in enumerate(days):
        y = HEIGHT - _BOTTOM
        for number, name in legend:
            value = values.get((day, number), 0.0)
            if value <= 0:
                continue
            height = room * value / top
            y -= height
            bars.append(
                Bar(
                    x=round(_LEFT + place * step + (step - width) / 2, 2),
                    y=round(y, 2),
                    width=round(width, 2),
                    height=round(height, 2),
                    series=number,
                    title=f"{day:%Y-%m-%d} · {name}: {written(value)}",
                )
            )
    used = [day for day in days if sums[day] > 0]
    summary = f"{title}: {written(sum(sums.values()))}"
    if used:
        most = max(used, key=lambda day: sums[day])
        summary += f", most on {most:%Y-%m-%d}: {written(sums[most])}"
    return Chart(
        title=title,
        summary=summary,
        width=WIDTH,
        height=HEIGHT,
        bars=tuple(bars),
        lines=tuple(
            Tick(at=round(HEIGHT - _BOTTOM - room * part / 4, 2), label=short(top * part / 4))
            for part in (0, 2, 4)
        ),
        names=_names(days, step),
        legend=tuple(legend),
    )


def nice_ceiling(value: float) -> float:
    """Return the next larger of 1, 2, 4, 5, 8 or 10 times a power of ten; 1 for nothing."""
    if value < _NOTHING:
        return 1.0
    power = 10.0 ** ceil(log10(value) - 1)
    for factor in (1, 2, 4, 5, 8, 10):
        if value <= factor * power * 1.000001:
            return factor * power
    return 10 * power


def _names(days: Sequence[date], step: float) -> tuple[Tick, ...]:
    every = max(1, ceil(len(days) / 10))
    return tuple(
        Tick(at=round(_LEFT + (place + 0.5) * step, 2), label=f"{day.day} {day:%b}")
        for place, day in enumerate(days)
        if place % every == 0
    )
