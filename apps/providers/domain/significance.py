"""Whether one version of a prompt does better than another, or chance explains it. Pure.

Shares are compared with Fisher's exact test where few were counted and with the two-proportion
z-test otherwise; scores with Welch's t-test. All are two-sided. Who looks at a running experiment
every hour and stops at the first small p finds differences that are none: decide how many to count
before.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

ALPHA = 0.05
FEWEST = 20  # of each arm; below, no verdict is given whatever p is
_EXACT_UP_TO = 2_000
_EXPECTED_MIN = 5


class Verdict(StrEnum):
    """What an experiment says of its version B."""

    TOO_FEW = "too_few"
    BETTER = "better"
    WORSE = "worse"
    NO_DIFFERENCE = "no_difference"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two arms compared.

    Attributes:
        rate_a: Share of passes, or mean score, of A; None where nothing was counted.
        rate_b: The same of B.
        p_value: How often chance alone would show such a difference or a greater one.
        test: `fisher`, `z`, `welch`, or empty where there was nothing to test.
        verdict: What follows.
    """

    rate_a: float | None
    rate_b: float | None
    p_value: float
    test: str
    verdict: Verdict


def fisher_exact(passed_a: int, n_a: int, passed_b: int, n_b: int) -> float:
    """Return the two-sided p of Fisher's exact test: all tables at most as likely as this one."""
    passed = passed_a + passed_b
    lowest, highest = max(0, passed - n_b), min(passed, n_a)
    if lowest == highest:
        return 1.0
    total = _log_choose(n_a + n_b, passed)

    def log_probability(count: int) -> float:
        return _log_choose(n_a, count) + _log_choose(n_b, passed - count) - total

    # A shade more than this table's: equal probabilities differ in their last digits.
    limit = log_probability(passed_a) + 1e-7
    likely = (log_probability(count) for count in range(lowest, highest + 1))
    return min(1.0, math.fsum(math.exp(value) for value in likely if value <= limit))


def two_proportion_z(passed_a: int, n_a: int, passed_b: int, n_b: int) -> float:
    """Return the two-sided p of the z-test with the pooled share."""
    pooled = (passed_a + passed_b) / (n_a + n_b)
    variance = pooled * (1 - pooled) * (1 / n_a + 1 / n_b)
    if variance <= 0:
        return 1.0
    z = (passed_b / n_b - passed_a / n_a) / math.sqrt(variance)
    return math.erfc(abs(z) / math.sqrt(2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Scores in short: how many, their mean and their variance (over n - 1)."""

    n: int
    mean: float
    variance: float


def welch(a: Sample, b: Sample) -> float:
    """Return the two-sided p of Welch's t-test; 1 where fewer than two of an arm were scored."""
    if a.n < 2 or b.n < 2:
        return 1.0
    part_a, part_b = a.variance / a.n, b.variance / b.n
    spread = part_a + part_b
    if spread <= 0:
        return 1.0 if a.mean == b.mean else 0.0
    t = (b.mean - a.mean) / math.sqrt(spread)
    # As shares of the spread: squares of small variances would vanish.
    share_a, share_b = part_a / spread, part_b / spread
    freedom = 1 / (share_a**2 / (a.n - 1) + share_b**2 / (b.n - 1))
    return _incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5)


def compare_shares(*, passed_a: int, n_a: int, passed_b: int, n_b: int) -> Comparison:
    """Compare two shares of passes.

    Raises:
        ValueError: More passed than were counted, or fewer than none.
    """
    if not (0 <= passed_a <= n_a and 0 <= passed_b <= n_b):
        raise ValueError("passes are between none and all")
    rate_a = passed_a / n_a if n_a else None
    rate_b = passed_b / n_b if n_b else None
    if rate_a is None or rate_b is None:
        return _compared(rate_a, rate_b, p=1.0, test="", fewest=0)
    n, passed = n_a + n_b, passed_a + passed_b
    expected = min(n_a, n_b) * min(passed, n - passed) / n
    if n <= _EXACT_UP_TO or expected < _EXPECTED_MIN:
        p, test = fisher_exact(passed_a, n_a, passed_b, n_b), "fisher"
    else:
        p, test = two_proportion_z(passed_a, n_a, passed_b, n_b), "z"
    return _compared(rate_a, rate_b, p=p, test=test, fewest=min(n_a, n_b))


def compare_scores(a: Sample, b: Sample) -> Comparison:
    """Compare two means of scores."""
    mean_a = a.mean if a.n else None
    mean_b = b.mean if b.n else None
    if mean_a is None or mean_b is None:
        return _compared(mean_a, mean_b, p=1.0, test="", fewest=0)
    return _compared(mean_a, mean_b, p=welch(a, b), test="welch", fewest=min(a.n, b.n))


def _compared(a: float | None, b: float | None, *, p: float, test: str, fewest: int) -> Comparison:
    if a is None or b is None or fewest < FEWEST:
        verdict = Verdict.TOO_FEW
    elif p >= ALPHA or a == b:
        verdict = Verdict.NO_DIFFERENCE
    else:
        verdict = Verdict.BETTER if b > a else Verdict.WORSE
    return Comparison(rate_a=a, rate_b=b, p_value=p, test=test, verdict=verdict)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function by its continued fraction."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
        + a * math.log(x) + b * math.log1p(-x)
    )  # fmt: skip
    if x < (a + 1) / (a + b + 2):
        return front * _beta_fraction(x, a, b) / a
    return 1 - front * _beta_fraction(1 - x, b, a) / b


def _beta_fraction(x: float, a: float, b: float) -> float:
    """Evaluate the fraction from its front (Lentz); it converges within some dozens of steps."""
    tiny, enough = 1e-300, 1e-14
    d = 1 / _away_from_zero(1 - (a + b) * x / (a + 1), tiny)
    c, fraction = 1.0, d
    for m in range(1, 500):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        change = 1.0
        for step in (even, odd):
            d = 1 / _away_from_zero(1 + step * d, tiny)
            c = _away_from_zero(1 + step / c, tiny)
            change = c * d
            fraction *= change
        if abs(change - 1) < enough:
            break
    return fraction


def _away_from_zero(value: float, tiny: float) -> float:
    return tiny if abs(value) < tiny else value
