"""Which memories say the same, and what a list of them reads."""

from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, strategies as st

from apps.memory.contracts import TEXT_MAX
from apps.memory.domain.digests import (
    Candidate,
    digest,
    may_say_the_same,
    same_sayings,
    tells,
)

MARCH, MAY = datetime(2026, 3, 5, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "first, second",
    [
        ("The train leaves at 9", "The train leaves at 10"),
        ("I live with Ada", "I live with Eve"),
        ("I like peanuts", "I do not like peanuts"),
        ("I don't eat meat", "I do eat meat"),
        ("I love the sea", "I hate the sea"),
        ("My sister is a doctor", "My brother is a doctor"),
    ],
)
def test_what_vectors_take_for_the_same_and_is_not(first: str, second: str) -> None:
    assert not may_say_the_same(first, second)
    assert not may_say_the_same(second, first)


@pytest.mark.parametrize(
    "first, second",
    [
        ("I live in Porto", "I am living in Porto now"),
        ("My car is a green Volvo.", "I drive a green Volvo"),
        ("I drink no milk", "I never drink milk"),
    ],
)
def test_what_is_said_in_other_words_may_be_the_same(first: str, second: str) -> None:
    assert may_say_the_same(first, second)
    assert may_say_the_same(second, first)


def candidate(number: int, rank: int, **values: object) -> Candidate:
    return Candidate(
        id=UUID(int=number),
        text=str(values.pop("text", "I live in Porto")),
        rank=(rank,),
        bucket=values.pop("bucket", ()),  # type: ignore[arg-type]  # a tuple or nothing
        **values,  # type: ignore[arg-type]  # as given
    )


def test_the_best_one_stays_and_what_must_stay_is_no_source() -> None:
    several = [candidate(1, 1), candidate(2, 3), candidate(3, 2, stays=True), candidate(4, 0)]

    assert same_sayings(several, np.ones((4, 1), dtype=np.float32)) == [
        (UUID(int=2), (UUID(int=1), UUID(int=4)))
    ]


def test_other_buckets_values_and_vectors_are_other_things() -> None:
    several = [
        candidate(1, 1),
        candidate(2, 2, bucket=("slot", "self.home")),
        candidate(3, 3, value="porto"),
    ]
    assert same_sayings(several, np.ones((3, 1), dtype=np.float32)) == []
    apart = np.array([[1, 0], [0.89, 0.456]], dtype=np.float32)
    assert same_sayings([candidate(1, 1), candidate(2, 2)], apart) == []


def test_a_group_is_like_the_one_that_stays_and_no_chain() -> None:
    angles = np.deg2rad([0, 20, 40])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    several = [candidate(1, 3), candidate(2, 2), candidate(3, 1)]

    assert same_sayings(several, vectors) == [(UUID(int=1), (UUID(int=2),))]


def test_a_digest_says_when_about_whom_and_what() -> None:
    assert digest([MARCH, MARCH], ["I met Ada.", "I sailed"]) == "March 2026: I met Ada; I sailed."
    assert digest([MARCH, MAY], ["a", "b"], "Ada") == "Ada, March 2026 to May 2026: a; b."


@given(st.lists(st.text(max_size=TEXT_MAX), min_size=1, max_size=12))
def test_a_digest_is_never_too_long_for_a_memory(texts: list[str]) -> None:
    assert 0 < len(digest([MARCH] * len(texts), texts, "Ada")) <= TEXT_MAX


def test_a_summary_tells_every_name_number_and_thing() -> None:
    texts = ["I sailed with Ada for 3 days", "I lost a shoe", "I ate figs"]

    assert tells("You went sailing 3 days with Ada, lost one shoe and ate figs.", texts)
    assert not tells("You went sailing with Ada, lost one shoe and ate figs.", texts)
    assert not tells("You went sailing 3 days, lost one shoe and ate figs.", texts)
    assert not tells("You went sailing 3 days with Ada and lost one shoe.", texts)
    assert not tells("The memories are of March 2026.", texts)
