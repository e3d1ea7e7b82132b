"""Suite `context`: assembling a prompt of a long conversation for somebody with many memories."""

from pathlib import Path

import django

from tests.bench.processes import karen_environment, prepare
from tests.bench.rows import BenchError, Budget, Figure, Row, p95

CONTEXT_P95 = Figure(
    name="context_p95_ms",
    unit="ms",
    baseline="one embedding and one SQL",
    budget=Budget(at_most=80, ratio_at_most=2),
)
BRANCH_P95 = Figure(name="branch_read_p95_ms", unit="ms", baseline="", budget=Budget(at_most=80))
FIGURES = (CONTEXT_P95, BRANCH_P95)


def measure(folder: Path) -> list[Row]:
    """Return the suite's rows."""
    prepare(karen_environment(folder))
    django.setup()
    from tests.bench.long_chat import Sample, sampled  # imports models, which need Django

    samples: list[Sample] = sampled()
    poor = sum(sample.missing for sample in samples)
    if poor > len(samples) // 2:
        raise BenchError(f"{poor} of {len(samples)} prompts went without their memories")
    note = f"1,001 messages, 10,000 memories, prompt of {samples[-1].tokens} tokens"
    if poor:
        note += f"; {poor} of {len(samples)} stopped waiting for a signal after 150 ms"
    return [
        CONTEXT_P95.row(
            p95([sample.assembling_ms for sample in samples]),
            n=len(samples),
            baseline_value=p95([sample.bare_ms for sample in samples]),
            note=note,
        ),
        BRANCH_P95.row(
            p95([sample.reading_ms for sample in samples]),
            n=len(samples),
            note="reading the branch when the turn is claimed, before its prompt is assembled",
        ),
    ]
