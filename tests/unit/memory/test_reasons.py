"""Why something was recalled, in words that people use."""

import pytest

from apps.memory.domain.reasons import reason_from, shares_in


def test_an_explanation_is_read_back_as_its_shares() -> None:
    assert shares_in("meaning +0.62, words +0.30, form -0.05") == {
        "meaning": 0.62,
        "words": 0.30,
        "form": -0.05,
    }


@pytest.mark.parametrize(
    "why,said",
    [
        ("words +0.30", "Chosen for the words it shares with your question"),
        (
            "words +0.20, meaning +0.62, importance +0.04",
            "Chosen for its meaning, the words it shares with your question and its importance",
        ),
        ("recency +0.01, form -0.10, words -0.20", ""),
        ("", ""),
        ("pinned", ""),
    ],
)
def test_the_greatest_shares_are_said_and_faint_ones_are_not(why: str, said: str) -> None:
    assert reason_from(shares_in(why)) == said
