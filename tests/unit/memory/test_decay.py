"""Strength: falls with age, grows with everything else, and what is to last does not fall."""

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from apps.memory.contracts import MemoryKind, PolicyView
from apps.memory.domain.decay import FADED, Trace, strength

traces = st.builds(
    Trace,
    age_days=st.floats(-10, 100_000),
    half_life_days=st.integers(1, 36_500).map(float),
    importance=st.integers(1, 10),
    confidence=st.floats(0, 1),
    proof_count=st.integers(0, 10_000),
    use_count=st.integers(0, 10_000),
    lasting=st.booleans(),
)


@given(traces, st.floats(0, 100_000))
def test_no_memory_grows_stronger_with_age_nor_falls_below_nothing(
    trace: Trace, later: float
) -> None:
    older = replace(trace, age_days=trace.age_days + later)

    assert 0 <= strength(older) <= strength(trace)


@given(traces, st.floats(0, 100_000))
def test_what_is_to_last_never_decays(trace: Trace, later: float) -> None:
    lasting = replace(trace, lasting=True)

    assert strength(replace(lasting, age_days=lasting.age_days + later)) == strength(lasting)
    assert strength(lasting) >= strength(trace)


@given(traces, st.sampled_from(["use_count", "proof_count", "importance"]))
def test_use_repetition_and_importance_never_weaken(trace: Trace, name: str) -> None:
    more = replace(trace, **{name: getattr(trace, name) + 1})

    assert strength(more) >= strength(trace)


@given(traces.filter(lambda each: each.confidence > 0.01))
def test_after_its_half_life_it_weighs_half(trace: Trace) -> None:
    young = replace(trace, age_days=0, lasting=False)
    aged = replace(young, age_days=young.half_life_days)

    assert strength(aged) == pytest.approx(strength(young) / 2)


def test_a_fact_outlives_what_happened() -> None:
    policy = PolicyView()

    def after_a_year(kind: MemoryKind) -> float:
        return strength(
            Trace(
                age_days=365,
                half_life_days=policy.half_life_days(kind),
                importance=5,
                confidence=1,
            )
        )

    assert after_a_year(MemoryKind.EPISODIC) < FADED < after_a_year(MemoryKind.SEMANTIC)
