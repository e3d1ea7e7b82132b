"""What can be told about a finished answer."""

import json
import math

import pytest
from hypothesis import given, strategies as st

from apps.providers.domain.answers import Confidence, confidence_note, refusal_in, source_note
from apps.providers.domain.arguments import argument_texts, with_arguments


@pytest.mark.parametrize(
    "text, reason",
    [
        ("I'm sorry, but I can't help with that.", "cannot"),
        ("I’m sorry, I cannot assist with this request.", "cannot"),
        ("I am not able to provide medical advice.", "cannot"),
        ("That would be against our content policies.", "policy"),
        ("Das kann ich leider nicht beantworten.", "cannot"),
        ("Je ne peux pas vous aider.", "cannot"),
        ("No puedo ayudar con eso.", "cannot"),
    ],
)
def test_a_refusal_is_recognised(text: str, reason: str) -> None:
    sign = refusal_in(text)

    assert sign is not None
    assert (sign.reason, sign.sure) == (reason, False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Here is the plan you asked for.",
        "You cannot divide by zero.",
        "The server cannot help with that, so restart it.",
        "I can't stress enough how useful this is. " + "Here is how it goes, step by step. " * 60,
    ],
)
def test_an_answer_that_helps_is_no_refusal(text: str) -> None:
    assert refusal_in(text) is None


def test_a_filtered_answer_is_a_sure_refusal() -> None:
    sign = refusal_in("", filtered=True)

    assert sign is not None
    assert (sign.reason, sign.sure) == ("content_filter", True)


def test_words_of_doubt_make_an_answer_unsure() -> None:
    note = confidence_note("I'm not sure, but it might be Paris.")

    assert note.level is Confidence.LOW
    assert note.probability is None
    assert note.hedges == ("i'm not sure", "might be")
    assert "might be" in note.reason


def test_without_words_or_numbers_nothing_is_claimed() -> None:
    note = confidence_note("Paris.")

    assert (note.level, note.probability, note.hedges) == (Confidence.UNKNOWN, None, ())


@given(st.lists(st.floats(-30, 0), min_size=1, max_size=50))
def test_probabilities_go_before_words(logprobs: list[float]) -> None:
    note = confidence_note("perhaps", logprobs=logprobs)

    assert note.probability is not None
    assert math.isclose(
        note.probability, math.exp(sum(logprobs) / len(logprobs)), rel_tol=1e-9, abs_tol=1e-12
    )
    assert note.level is (
        Confidence.LOW
        if note.probability < 0.6
        else Confidence.HIGH
        if note.probability >= 0.9
        else Confidence.MEDIUM
    )


def test_probabilities_that_are_none_are_left_out() -> None:
    assert confidence_note("x", logprobs=[math.nan]).probability is None
    assert confidence_note("x", logprobs=[0.5]).probability == 1.0


SOURCES = ["https://acme.example/a", "Handbook of things", "https://acme.example/c"]


def test_sources_are_named_by_number_address_or_title() -> None:
    note = source_note("As [1] says, and the handbook of things.", sources=SOURCES)

    assert (note.cited, note.unused, note.unknown) == ((1, 2), (3,), ())
    assert source_note("See [1-3].", sources=SOURCES).cited == (1, 2, 3)
    assert source_note("See [1, 3].", sources=SOURCES).cited == (1, 3)


def test_sources_that_nobody_gave_are_said_to_be_unknown() -> None:
    note = source_note("See [7] and https://evil.example/x.", sources=SOURCES)

    assert note.unknown == ("[7]", "https://evil.example/x")
    assert "check them" in note.reason


def test_code_names_no_sources() -> None:
    assert source_note("Use `x[1]` and a[2] or\n```\ny[3]\n[3]\n```", sources=SOURCES).cited == ()


def test_an_answer_without_sources_says_so() -> None:
    assert source_note("Paris.").reason == "The answer rests on no source that Karen gave it."


@given(st.text(max_size=60), st.lists(st.text(max_size=20), max_size=4))
def test_each_source_is_cited_or_unused(text: str, sources: list[str]) -> None:
    note = source_note(text, sources=sources)

    assert sorted((*note.cited, *note.unused)) == list(range(1, len(sources) + 1))


# -- arguments of tool calls

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(_JSON)
def test_arguments_that_nobody_changes_stay_to_the_character(value: object) -> None:
    text = json.dumps(value, indent=1)

    assert with_arguments(text, lambda leaf: leaf) == text


def test_each_text_and_number_in_arguments_is_treated() -> None:
    arguments = '{"to": "Ann", "cards": [4111111111111111, 5], "ok": true}'

    def treat(leaf: str) -> str:
        return {"Ann": "[A]", "4111111111111111": "[C]"}.get(leaf, leaf)

    assert argument_texts(arguments) == ["to", "Ann", "cards", "4111111111111111", "5", "ok"]
    assert with_arguments(arguments, treat) == '{"to": "[A]", "cards": ["[C]", 5], "ok": true}'


def test_arguments_that_are_no_json_are_one_text() -> None:
    assert argument_texts('{"to": Ann') == ['{"to": Ann']
    assert with_arguments('{"to": Ann', lambda leaf: leaf.replace("Ann", "[A]")) == '{"to": [A]'
