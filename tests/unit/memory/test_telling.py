"""What is told by hand is read as what is said."""

from datetime import date

import pytest
from hypothesis import given, strategies as st

from apps.memory.domain.extraction import Setting
from apps.memory.domain.telling import told_fact

SETTING = Setting(said_on=date(2026, 11, 28), known={"tom": "brother:tom"}, names={})


@pytest.mark.parametrize(
    "text, slot, value",
    [
        ("my favourite colour is green", "self.favourite:colour", "green"),
        ("My favorite color is blue", "self.favourite:colour", "blue"),
        ("I live in Rome", "self.home", "rome"),
        ("lives in Rome", "self.home", "rome"),
        ("Lives in Rome.", "self.home", "rome"),
        ("The user lives in Rome", "self.home", "rome"),
        ("User's favourite colour is green.", "self.favourite:colour", "green"),
        ("works at Acme", "self.employer", "acme"),
        ("my wife is Sara", "wife.name", "sara"),
        ("Tom lives in Leeds", "brother:tom.home", "leeds"),
        ("always answer in German", "self.instruction:language", "always answer in german"),
    ],
)
def test_a_fact_has_a_slot_however_it_is_worded(text: str, slot: str, value: str) -> None:
    told = told_fact(text, SETTING)

    assert told is not None
    assert (told.slot, told.value) == (slot, value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Ferry sails to Harwich",
        "the spare key is under the pot",
        "Where do I live?",
        "If I lived in Rome, I would walk",
        "I live in Rome and work at Acme",  # two facts: neither may take the text away
        "cats are great",
        "user manual of the boat",
        "x" * 2_000,
    ],
)
def test_what_is_no_single_fact_has_none(text: str) -> None:
    assert told_fact(text, SETTING) is None


@given(st.text(max_size=200))
def test_any_text_is_read_without_fail_and_the_same_each_time(text: str) -> None:
    assert told_fact(text, SETTING) == told_fact(text, SETTING)
