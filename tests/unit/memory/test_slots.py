"""The laws of slots: one current value, whatever the order in which messages are read."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from apps.memory.domain.slots import (
    SLOT_MAX,
    Filling,
    Holds,
    Verdict,
    ended,
    judge,
    plain_value,
    same_value,
    slot_of,
)

T0 = datetime(2024, 1, 1, tzinfo=UTC)
VALUES = st.sampled_from(["rome", "berlin", "oslo", "new york", "york"])


def filling(value: str, day: int, holds: Holds = Holds.NOW) -> Filling:
    return Filling(value=value, said_at=T0 + timedelta(days=day), holds=holds)


def settle(said: list[Filling]) -> Filling | None:
    """What a slot holds after messages were read in this order."""
    current: Filling | None = None
    for each in said:
        verdict = judge(each, current)
        if verdict is Verdict.SUPERSEDE or (verdict is Verdict.KEEP and each.holds is Holds.NOW):
            current = each
        elif verdict is Verdict.PROVE and current is not None:
            current = Filling(value=current.value, said_at=max(current.said_at, each.said_at))
    return current


ORDERS = st.lists(VALUES, min_size=1, max_size=6).flatmap(
    lambda values: st.tuples(st.just(values), st.permutations(range(len(values))))
)


@given(ORDERS)
def test_the_last_that_was_said_holds_in_whatever_order_it_is_read(
    order: tuple[list[str], list[int]],
) -> None:
    values, places = order
    read = settle([filling(values[place], place) for place in places])

    assert read is not None
    assert same_value(read.value, values[-1])


@given(VALUES, st.integers(0, 9), st.integers(0, 9))
def test_the_same_again_is_a_proof(value: str, one: int, two: int) -> None:
    assert judge(filling(value, one), filling(value, two)) is Verdict.PROVE


@given(VALUES, VALUES)
def test_an_end_ends_its_own_value_alone(gone: str, current: str) -> None:
    verdict = judge(filling(gone, 2, Holds.ENDED), filling(current, 1))

    assert (verdict is Verdict.SUPERSEDE) == same_value(gone, current)


@given(VALUES, VALUES)
def test_the_past_takes_nothing_away(past: str, current: str) -> None:
    assert judge(filling(past, 2, Holds.PAST), filling(current, 1)) is Verdict.KEEP


def test_the_end_of_what_has_ended_changes_nothing() -> None:
    over = filling(ended("acme"), 1)

    assert judge(filling("acme", 2, Holds.ENDED), over) is Verdict.PROVE
    assert judge(filling("beta", 2, Holds.ENDED), over) is Verdict.IGNORE
    assert judge(filling("beta", 2), over) is Verdict.SUPERSEDE


def test_what_was_said_before_the_end_cannot_undo_it() -> None:
    assert judge(filling("acme", 1, Holds.ENDED), filling("acme", 5)) is Verdict.IGNORE


@pytest.mark.parametrize(
    "one, other, same",
    [
        ("rome", "rome", True),
        ("rome", "rome italy", True),
        ("york", "new york", False),
        ("rome", "romefort", False),
        ("travel paris @2025-06-01", "travel paris @2025-07-01", False),
        ("travel paris @2025-06-01", "travel paris", True),
    ],
)
def test_more_detail_is_the_same_value_and_another_date_is_not(
    one: str, other: str, same: bool
) -> None:
    assert same_value(one, other) is same
    assert same_value(other, one) is same


@given(st.text(max_size=400))
def test_a_value_is_plain_and_stays_so(text: str) -> None:
    plain = plain_value(text)

    assert plain_value(plain) == plain
    assert plain == plain.casefold().strip()


def test_what_has_no_attribute_has_no_slot() -> None:
    assert slot_of("self", "home") == "self.home"
    assert slot_of("self", "") == ""
    assert len(slot_of("self", "x" * 500)) == SLOT_MAX
