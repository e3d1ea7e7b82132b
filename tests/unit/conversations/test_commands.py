"""What is a command and what is not. Pure, hence fast."""

import pytest
from hypothesis import given, strategies as st

from apps.conversations.domain.commands import near_matches, parse_command

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,20}", fullmatch=True)


@given(NAMES, st.text())
def test_a_slash_a_word_and_the_rest_are_a_command(name: str, rest: str) -> None:
    parsed = parse_command(f"/{name} {rest}")

    assert parsed is not None
    assert parsed.name == name.lower()
    assert parsed.argument == rest.strip()


@given(st.text())
def test_text_that_starts_otherwise_is_never_a_command(text: str) -> None:
    assert parse_command(f" /{text}") is None
    assert parse_command(f"//{text}") is None
    if not text.startswith("/"):
        assert parse_command(text) is None


@given(st.text())
def test_parsing_never_fails_and_loses_nothing_but_space(text: str) -> None:
    parsed = parse_command(text)

    if parsed is not None:
        again = parse_command(f"/{parsed.name} {parsed.argument}")
        assert again == parsed


@pytest.mark.parametrize(
    "text",
    ["/etc/passwd is a file", "/", "/ help", "/1", "/usr/bin", "//help", " /help", "/a.txt", "/é"],
)
def test_paths_escapes_and_bare_slashes_are_messages(text: str) -> None:
    assert parse_command(text) is None


def test_a_name_may_stand_alone_or_before_a_line_break() -> None:
    alone, broken = parse_command("/HELP"), parse_command("/system\nBe brief.\nAlways.")

    assert alone is not None
    assert (alone.name, alone.argument) == ("help", "")
    assert broken is not None
    assert (broken.name, broken.argument) == ("system", "Be brief.\nAlways.")


@given(st.text(), st.lists(NAMES))
def test_near_matches_are_known_names_and_few(name: str, known: list[str]) -> None:
    near = near_matches(name, known)

    assert set(near) <= set(known)
    assert len(near) <= 3


def test_a_slip_of_the_finger_finds_the_command() -> None:
    assert near_matches("perosna", ["persona", "help", "mode"]) == ["persona"]
    assert near_matches("mem", ["memory", "mode"]) == ["memory"]
