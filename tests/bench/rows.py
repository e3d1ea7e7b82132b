"""One figure with its baseline, its budget and the verdict; and how figures become one."""

import json
import math
import os
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from typing_extensions import override

_BUSY_LOAD = 1.0  # runnable processes that are not ours, before anything was started


class BenchError(Exception):
    """Something that should have worked did not; the row it was for has no value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a figure and its ratio to the baseline may be; None means no limit."""

    at_most: float | None = None
    at_least: float | None = None
    ratio_at_most: float | None = None
    ratio_at_least: float | None = None

    def allows(self, value: float, ratio: float | None) -> bool:
        """Say whether the figure keeps to every limit."""
        if self.at_most is not None and value > self.at_most:
            return False
        if self.at_least is not None and value < self.at_least:
            return False
        if self.ratio_at_least is not None and (ratio is None or ratio < self.ratio_at_least):
            return False
        return self.ratio_at_most is None or (ratio is not None and ratio <= self.ratio_at_most)

    @override
    def __str__(self) -> str:
        limits = [
            f"≤ {self.at_most:g}" if self.at_most is not None else "",
            f"≥ {self.at_least:g}" if self.at_least is not None else "",
            f"≤ {self.ratio_at_most:g} ×" if self.ratio_at_most is not None else "",
            f"≥ {self.ratio_at_least:g} ×" if self.ratio_at_least is not None else "",
        ]
        return ", ".join(limit for limit in limits if limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the report.

    Attributes:
        name: Fixed name; later runs are compared by it.
        value: The figure in `unit`; None when it could not be measured.
        baseline: What the figure is compared with, in words.
        baseline_value: The baseline's figure from the same run, in `unit`.
        ratio: `value` over `baseline_value`, where that says something.
        budget: The limits, in words.
        ok: Whether it was measured and keeps to them.
        n: How many samples it is made of.
        note: What a reader must know; why there is no value.
    """

    name: str
    value: float | None
    unit: str
    baseline: str
    baseline_value: float | None
    ratio: float | None
    budget: str
    ok: bool
    n: int
    note: str

    def with_note(self, more: str) -> "Row":
        """Return the row with something added to its note."""
        return replace(self, note="; ".join(filter(None, (self.note, more))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What a row measures, before it is measured."""

    name: str
    unit: str
    baseline: str
    budget: Budget

    def row(
        self,
        value: float,
        *,
        n: int,
        baseline_value: float | None = None,
        ratio: float | None = None,
        note: str = "",
    ) -> Row:
        """Return the measured row; the ratio is that of the two values unless it is given."""
        if ratio is None and baseline_value:
            ratio = value / baseline_value
        return Row(
            name=self.name,
            value=_rounded(value),
            unit=self.unit,
            baseline=self.baseline,
            baseline_value=_rounded(baseline_value),
            ratio=_rounded(ratio),
            budget=str(self.budget),
            ok=self.budget.allows(value, ratio),
            n=n,
            note=note,
        )

    def missing(self, why: str) -> Row:
        """Return the row without a value."""
        return Row(
            name=self.name,
            value=None,
            unit=self.unit,
            baseline=self.baseline,
            baseline_value=None,
            ratio=None,
            budget=str(self.budget),
            ok=False,
            n=0,
            note=f"not measured: {why}",
        )


def _rounded(number: float | None) -> float | None:
    """Keep four significant digits: more would be noise."""
    return None if number is None else float(f"{number:.4g}")


def p95(samples: Sequence[float]) -> float:
    """Return the 95th percentile by nearest rank: a value that was really seen."""
    ordered = sorted(samples)
    return ordered[max(math.ceil(0.95 * len(ordered)) - 1, 0)]


def median_of_medians(rounds: Sequence[Sequence[float]]) -> float:
    """Return the median of the rounds' medians, which one disturbed round cannot move."""
    return statistics.median(statistics.median(samples) for samples in rounds)


def disturbance() -> str:
    """Return a note when others keep this machine busy, else nothing."""
    load = os.getloadavg()[0]
    return f"others kept the machine busy (load {load:.1f})" if load > _BUSY_LOAD else ""


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write a suite's rows as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False)
    path.write_text(text + "\n")


def table(rows: Sequence[Row]) -> str:
    """Return rows as a table for people."""
    head = ("row", "value", "baseline", "ratio", "budget", "ok", "n")
    lines = [head] + [
        (
            row.name,
            f"{_shown(row.value)} {row.unit}".strip(),
            f"{_shown(row.baseline_value)} ({row.baseline})",
            _shown(row.ratio),
            row.budget,
            "ok" if row.ok else "NO",
            str(row.n),
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    text = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in lines]
    text += [f"{row.name}: {row.note}" for row in rows if row.note]
    return "\n".join(line.rstrip() for line in text)


def _shown(number: float | None) -> str:
    return "–" if number is None else f"{number:g}"
