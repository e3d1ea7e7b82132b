"""What of a model's answer is a title."""

import pytest
from hypothesis import given, strategies as st

from apps.conversations.domain.titles import TITLE_MAX, title_of


@pytest.mark.parametrize(
    "written, title",
    [
        ("Sleeping Herons", "Sleeping Herons"),
        ('"Sleeping Herons."', "Sleeping Herons"),
        ("Title: Sleeping Herons", "Sleeping Herons"),
        ("**Titel: Schlafende Reiher**\n\nMehr dazu …", "Schlafende Reiher"),
        ("\n\n# Sleeping\tHerons\n", "Sleeping Herons"),
        ("How herons sleep in the cold of winter", "How herons sleep in the cold"),
        ("The many ways of sleeping for the heron", "The many ways of sleeping"),
        ("睡眠中的苍鹭", "睡眠中的苍鹭"),
        ("", ""),
        ("…", ""),
        ("I'm sorry, I can't do that", ""),
        ("word " * 13, ""),
        ("x" * 61, ""),
    ],
)
def test_titles(written: str, title: str) -> None:
    assert title_of(written) == title


@given(st.text(max_size=200))
def test_whatever_is_written_a_title_is_one_short_printable_line(written: str) -> None:
    title = title_of(written)

    assert len(title) <= TITLE_MAX
    assert len(title.split()) <= 6
    assert title == title.strip()
    assert all(character.isprintable() for character in title)


@pytest.mark.parametrize(
    "written, title",
    [
        ("At most six words, in its", ""),
        ("Karen", ""),
        ("Six lighthouses", "Six lighthouses"),
    ],
)
def test_a_model_that_repeats_what_it_was_asked_gives_no_title(written: str, title: str) -> None:
    asked = "Write a title: at most six words, in its language. Karen"

    assert title_of(written, asked=asked) == title
