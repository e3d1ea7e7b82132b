"""Which messages a summary covers."""

from hypothesis import given, strategies as st

from apps.conversations.domain.condensing import covered_by_summary, portions

_TOKENS = st.lists(st.integers(0, 100), max_size=40)


@given(_TOKENS, st.integers(0, 500))
def test_what_stays_fits_or_is_the_last_exchange(tokens: list[int], keep: int) -> None:
    covered = covered_by_summary(tokens, keep=keep)
    stays = tokens[covered:]

    assert 0 <= covered <= len(tokens)
    assert sum(stays) <= keep or len(stays) <= 2
    if covered:
        assert sum(tokens[covered - 1 :]) > keep


@given(_TOKENS, st.integers(1, 200))
def test_portions_are_all_messages_in_order(tokens: list[int], size: int) -> None:
    lengths = portions(tokens, size=size)

    assert sum(lengths) == len(tokens)
    at = 0
    for length in lengths:
        assert length >= 1
        assert sum(tokens[at : at + length]) <= size or length == 1
        at += length
