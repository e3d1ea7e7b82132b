import pytest
from hypothesis import given, strategies as st

from apps.conversations.contracts import TurnState
from apps.conversations.domain.states import ACTIVE, TERMINAL, answer_status, can_become
from apps.conversations.domain.titles import TITLE_MAX, title_from


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_nothing_follows_a_terminal_state(state: TurnState) -> None:
    assert not any(can_become(state, other) for other in TurnState)


@pytest.mark.parametrize("state", sorted(ACTIVE))
def test_every_active_turn_can_still_end(state: TurnState) -> None:
    assert any(can_become(state, end) for end in TERMINAL)


@pytest.mark.parametrize("state", list(TurnState))
def test_every_state_gives_its_answer_a_status(state: TurnState) -> None:
    assert answer_status(state)


@given(st.text(max_size=300))
def test_a_title_is_one_short_line(text: str) -> None:
    title = title_from(text)

    assert len(title) <= TITLE_MAX
    assert "\n" not in title
    assert bool(title) == bool(text.strip())


def test_a_long_title_ends_at_a_word() -> None:
    assert title_from("word " * 30) == "word word word word word word word word word word word…"
