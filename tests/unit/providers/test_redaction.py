"""Placeholders: the way there and back, whole and in pieces."""

import json
from itertools import pairwise

from hypothesis import example, given, strategies as st

from apps.providers.domain.pii import PiiFinding, PiiKind, find_pii, without_overlaps
from apps.providers.domain.redaction import (
    Redactor,
    StreamRestorer,
    inside_json,
    placeholders_in,
    redact,
    restore,
)

# Texts in which placeholders, their halves and values meet.
_BITS = [
    "[PERSON_1]",
    "[PERSON_",
    "[EMAIL_1]",
    "1]",
    "[",
    "]",
    "Ann",
    "a@b.example",
    " ",
    "_2",
    "ä",
]
_TEXTS = st.lists(st.sampled_from(_BITS), max_size=20).map("".join)


def _cut(text: str, places: list[int]) -> list[str]:
    edges = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[a:b] for a, b in pairwise(edges)]


def _names(text: str) -> tuple[PiiFinding, ...]:
    found = [
        PiiFinding(kind=PiiKind.PERSON, start=place, end=place + 3, score=0.6, detail="test")
        for place in range(len(text))
        if text.startswith("Ann", place)
    ]
    return without_overlaps([*found, *find_pii(text)])


@given(_TEXTS)
@example("[PERSON_1] Ann")
def test_what_was_replaced_comes_back(text: str) -> None:
    redacted, values = redact(text, _names(text))

    assert restore(redacted, values) == text
    assert "Ann" not in redacted


@given(_TEXTS)
def test_a_placeholder_that_a_person_wrote_is_given_to_nobody(text: str) -> None:
    _redacted, values = redact(text, _names(text))

    assert not placeholders_in([text]) & set(values)


def test_equal_values_have_one_placeholder_and_others_another() -> None:
    text = "Ann met Ann and a@b.example"

    redacted, values = redact(text, _names(text))

    assert redacted == "[PERSON_1] met [PERSON_1] and [EMAIL_1]"
    assert values == {"[PERSON_1]": "Ann", "[EMAIL_1]": "a@b.example"}


def test_a_value_keeps_its_placeholder_in_all_texts_of_a_request() -> None:
    redactor = Redactor(taken=placeholders_in(["say [PERSON_1]"]))

    first = redactor.redact("Ann", _names("Ann"))
    second = redactor.redact("dear Ann", _names("dear Ann"))

    assert (first, second) == ("[PERSON_2]", "dear [PERSON_2]")


def test_a_value_that_looks_like_a_placeholder_is_not_looked_into() -> None:
    values = {"[PERSON_1]": "[PERSON_2]", "[PERSON_2]": "Bea"}

    assert restore("[PERSON_1]", values) == "[PERSON_2]"


def test_what_only_looks_like_a_placeholder_stays() -> None:
    values = {"[PERSON_1]": "Ann"}

    assert restore("[PERSON_10] [person_1] [PERSON_1 ] PERSON_1", values) == (
        "[PERSON_10] [person_1] [PERSON_1 ] PERSON_1"
    )


@given(_TEXTS, st.lists(st.integers(0, 200), max_size=30))
def test_a_text_in_pieces_is_restored_as_the_whole(text: str, places: list[int]) -> None:
    values = {"[PERSON_1]": "Ann", "[PERSON_12]": "Bea", "[EMAIL_1]": "x[PERSON_1]"}
    restorer = StreamRestorer(values)

    shown = "".join(restorer.feed(piece) for piece in _cut(text, places)) + restorer.finish()

    assert shown == restore(text, values)


def test_only_the_beginning_of_a_placeholder_is_held_back() -> None:
    restorer = StreamRestorer({"[PERSON_1]": "Ann"})

    assert restorer.feed("a list [1, 2] and [") == "a list [1, 2] and "
    assert restorer.feed("x") == "[x"
    assert restorer.feed(" [PERSON_1") == " "
    assert restorer.finish() == "[PERSON_1"


def test_without_values_pieces_pass_as_they_are() -> None:
    piece = "[PERS"

    assert StreamRestorer({}).feed(piece) is piece


@given(st.text(max_size=30))
def test_values_fit_into_strings_of_json(value: str) -> None:
    values = {"[PERSON_1]": value}

    assert json.loads(restore('"<[PERSON_1]>"', inside_json(values))) == f"<{value}>"
