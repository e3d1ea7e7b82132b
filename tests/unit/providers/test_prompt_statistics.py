"""Experiments: who gets which version, and whether a difference is more than chance."""

import math
import random

import pytest
from hypothesis import given, strategies as st

from apps.core.ids import new_id
from apps.providers.domain.arms import ARM_A, ARM_B, arm_of, subject_key
from apps.providers.domain.significance import (
    FEWEST,
    Sample,
    Verdict,
    compare_scores,
    compare_shares,
    fisher_exact,
    two_proportion_z,
    welch,
)

COUNTS = st.integers(0, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


# -- arms


@given(st.uuids(), st.text(max_size=40), st.integers(1, 99))
def test_a_subject_keeps_its_arm_and_a_greater_share_moves_it_to_b_only(
    experiment: object, subject: str, share: int
) -> None:
    arms = [
        arm_of(experiment_id=experiment, subject=subject, share=each)  # type: ignore[arg-type]  # a UUID
        for each in (share, share, min(share + 10, 99))
    ]

    assert arms[0] == arms[1]
    assert arms[0] == ARM_A or arms[2] == ARM_B


@given(st.uuids(), st.text(max_size=40))
def test_no_share_gives_a_and_the_whole_share_gives_b(experiment: object, subject: str) -> None:
    assert arm_of(experiment_id=experiment, subject=subject, share=0) == ARM_A  # type: ignore[arg-type]  # a UUID
    assert arm_of(experiment_id=experiment, subject=subject, share=100) == ARM_B  # type: ignore[arg-type]  # a UUID


@pytest.mark.parametrize("share", [1, 10, 50, 90])
def test_of_many_subjects_the_share_gets_b(share: int) -> None:
    experiment, n = new_id(), 20_000
    counted = sum(
        arm_of(experiment_id=experiment, subject=str(one), share=share) == ARM_B for one in range(n)
    )
    # Six standard deviations: by chance once in five hundred million runs.
    assert abs(counted - n * share / 100) < 6 * math.sqrt(n * share * (100 - share)) / 100


def test_two_experiments_divide_the_same_people_differently() -> None:
    one, other = new_id(), new_id()
    same = sum(
        arm_of(experiment_id=one, subject=str(n), share=50)
        == arm_of(experiment_id=other, subject=str(n), share=50)
        for n in range(2_000)
    )
    assert 850 < same < 1_150


def test_what_is_kept_of_a_subject_is_no_name() -> None:
    experiment = new_id()
    key = subject_key(experiment_id=experiment, subject="ann@acme.example")

    assert "ann" not in key
    assert key == subject_key(experiment_id=experiment, subject="ann@acme.example")
    assert key != subject_key(experiment_id=new_id(), subject="ann@acme.example")


# -- shares


def _by_hand(passed_a: int, n_a: int, passed_b: int, n_b: int) -> float:
    """Fisher's test with whole numbers: slow, and right."""
    passed, n = passed_a + passed_b, n_a + n_b
    weights = {
        count: math.comb(n_a, count) * math.comb(n_b, passed - count)
        for count in range(max(0, passed - n_b), min(passed, n_a) + 1)
    }
    here = weights[passed_a]
    return sum(weight for weight in weights.values() if weight <= here) / math.comb(n, passed)


@given(COUNTS, COUNTS)
def test_fishers_test_is_what_counting_all_tables_says(
    a: tuple[int, int], b: tuple[int, int]
) -> None:
    assert fisher_exact(*a, *b) == pytest.approx(_by_hand(*a, *b), rel=1e-9)


@given(COUNTS, COUNTS)
def test_a_p_is_a_probability_and_does_not_depend_on_which_arm_is_which(
    a: tuple[int, int], b: tuple[int, int]
) -> None:
    one = compare_shares(passed_a=a[0], n_a=a[1], passed_b=b[0], n_b=b[1])
    other = compare_shares(passed_a=b[0], n_a=b[1], passed_b=a[0], n_b=a[1])

    assert 0 <= one.p_value <= 1
    assert one.p_value == pytest.approx(other.p_value, rel=1e-9)
    opposite = {Verdict.BETTER: Verdict.WORSE, Verdict.WORSE: Verdict.BETTER}
    assert other.verdict == opposite.get(one.verdict, one.verdict)


@given(st.integers(0, 200), st.integers(1, 200))
def test_equal_shares_are_no_difference(passed: int, n: int) -> None:
    passed = min(passed, n)
    found = compare_shares(passed_a=passed, n_a=n, passed_b=passed, n_b=n)

    assert found.p_value == pytest.approx(1)
    assert found.verdict in {Verdict.NO_DIFFERENCE, Verdict.TOO_FEW}


@given(st.integers(0, FEWEST - 1), st.integers(0, 1_000))
def test_few_cases_give_no_verdict_however_they_fell(few: int, many: int) -> None:
    found = compare_shares(passed_a=many, n_a=many, passed_b=0, n_b=few)

    assert found.verdict is Verdict.TOO_FEW


def test_the_known_examples() -> None:
    # The lady tasting tea with three of four right; then z = 2.0366, worked out by hand.
    assert fisher_exact(3, 4, 1, 4) == pytest.approx(34 / 70)
    assert two_proportion_z(100, 1_000, 129, 1_000) == pytest.approx(
        math.erfc(2.0366 / 2**0.5), abs=1e-5
    )
    found = compare_shares(passed_a=60, n_a=100, passed_b=80, n_b=100)
    assert found.verdict is Verdict.BETTER
    assert found.p_value == pytest.approx(0.0032, abs=2e-4)


@given(st.integers(10_000, 30_000), st.integers(10_000, 30_000), st.floats(0.05, 0.95), st.data())
def test_where_many_were_counted_both_tests_agree(
    n_a: int, n_b: int, rate: float, data: st.DataObject
) -> None:
    passed_a, off = int(n_a * rate), data.draw(st.floats(-0.02, 0.02))
    passed_b = int(n_b * (rate + off))

    exact, quick = (
        fisher_exact(passed_a, n_a, passed_b, n_b),
        two_proportion_z(passed_a, n_a, passed_b, n_b),
    )
    assert exact == pytest.approx(quick, abs=0.05)


@pytest.mark.parametrize("counts", [(2, 1, 0, 1), (-1, 1, 0, 1), (0, 1, 5, 4)])
def test_impossible_counts_are_refused(counts: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="passes"):
        compare_shares(passed_a=counts[0], n_a=counts[1], passed_b=counts[2], n_b=counts[3])


def test_of_experiments_without_a_difference_at_most_one_in_twenty_claims_one() -> None:
    chance = random.Random(7)
    claimed = 0
    for _run in range(1_000):
        a, b = (sum(chance.random() < 0.6 for _n in range(120)) for _arm in "ab")
        found = compare_shares(passed_a=a, n_a=120, passed_b=b, n_b=120)
        claimed += found.verdict is not Verdict.NO_DIFFERENCE

    assert claimed <= 70  # 50 are expected of an exact test at most; 70 are three deviations more


# -- scores


def test_welchs_test_on_a_published_example() -> None:
    # t = -2.46 with 25.0 degrees of freedom.
    a = [27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4]
    b = [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 20.5, 24.4]

    assert welch(_sample(a), _sample(b)) == pytest.approx(0.021, abs=1e-3)


@pytest.mark.parametrize(
    "t, freedom, p",
    [(12.706, 1, 0.05), (4.303, 2, 0.05), (2.228, 10, 0.05), (1.96, 1e7, 0.05), (0, 5, 1)],
)
def test_the_distribution_is_the_one_of_the_tables(t: float, freedom: float, p: float) -> None:
    # Two samples of equal size and variance have 2 (n - 1) degrees of freedom.
    n = freedom / 2 + 1
    variance = n / 2
    a, b = (
        Sample(n=n, mean=mean, variance=variance)  # type: ignore[arg-type]  # half a sample too
        for mean in (0.0, t)
    )
    if n >= 2:
        assert welch(a, b) == pytest.approx(p, abs=2e-4)
    else:
        assert welch(a, b) == 1


SCORES = st.lists(st.floats(0, 1), min_size=2, max_size=40)


@given(SCORES, SCORES)
def test_scores_give_a_probability_and_a_verdict_that_fits_the_means(
    a: list[float], b: list[float]
) -> None:
    found = compare_scores(_sample(a), _sample(b))

    assert 0 <= found.p_value <= 1
    if found.verdict is Verdict.BETTER:
        assert found.rate_b > found.rate_a  # type: ignore[operator]  # both were counted
    if min(len(a), len(b)) < FEWEST:
        assert found.verdict is Verdict.TOO_FEW


def test_scores_that_do_not_vary_are_compared_by_their_means() -> None:
    same, better = Sample(n=30, mean=0.5, variance=0), Sample(n=30, mean=0.6, variance=0)

    assert compare_scores(same, same).verdict is Verdict.NO_DIFFERENCE
    assert compare_scores(same, better).verdict is Verdict.BETTER
    assert compare_scores(Sample(n=0, mean=0, variance=0), same).verdict is Verdict.TOO_FEW


def _sample(values: list[float]) -> Sample:
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return Sample(n=len(values), mean=mean, variance=variance)
