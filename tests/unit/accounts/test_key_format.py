"""The shape of API keys."""

import pytest
from hypothesis import given, strategies as st

from apps.accounts.domain.key_format import bearer_of, new_token, read_token


def test_a_new_key_reads_back_as_itself_and_never_comes_twice() -> None:
    made = [new_token() for _ in range(200)]
    assert all(read_token(token.text) == token for token in made)
    assert len({token.text for token in made}) == len({token.prefix for token in made}) == 200


@given(st.text())
def test_nothing_else_reads_as_a_key(text: str) -> None:
    assert read_token(text) is None


@pytest.mark.parametrize("around", [" {}", "{} ", "{}\n", "x{}", "{}x"])
def test_a_key_with_something_around_it_is_none(around: str) -> None:
    assert read_token(around.format(new_token().text)) is None


@pytest.mark.parametrize(
    "header,token",
    [
        ("Bearer abc", "abc"),
        ("bearer   abc ", "abc"),
        ("Bearer", ""),
        ("Bearer a b", None),
        ("Basic abc", None),
        ("", None),
    ],
)
def test_the_bearer_of_a_header(header: str, token: str | None) -> None:
    assert bearer_of(header) == token
