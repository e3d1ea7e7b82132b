"""JSON of what models write instead."""

import json

import pytest
from hypothesis import given, strategies as st

from apps.providers.contracts import ChatMessage, Role
from apps.providers.domain.json_repair import is_json, repair_json
from apps.providers.domain.structured import (
    Structure,
    check_structure,
    reask_messages,
    schema_problem,
    wanted_structure,
)

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
_CONTAINERS = st.lists(_VALUES, max_size=5) | st.dictionaries(st.text(max_size=6), _VALUES)


@given(_VALUES, st.sampled_from([None, 2]), st.booleans())
def test_what_is_json_is_not_touched(value: object, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)

    assert repair_json(text) is text


@given(_CONTAINERS)
def test_fences_and_words_around_json_go(value: object) -> None:
    text = json.dumps(value)

    assert repair_json(f"```json\n{text}\n```") == text
    assert json.loads(repair_json(f"Here you are: {text} Anything else?") or "") == value


@given(_CONTAINERS, st.integers(0, 10_000))
def test_json_that_was_cut_anywhere_becomes_json(value: object, place: int) -> None:
    text = json.dumps(value)
    cut = text[: 1 + place % len(text)]

    made = repair_json(cut)

    assert made is not None
    assert is_json(made)
    assert isinstance(json.loads(made), type(value))


@given(st.text(max_size=80))
def test_whatever_is_made_is_json(text: str) -> None:
    for candidate in (text, "{" + text, "[" + text):
        made = repair_json(candidate)
        assert made is None or is_json(made)


@given(st.text("{}[]\",:'\\ truefalsn0.1-e/*\n", max_size=60))
def test_whatever_is_made_of_signs_of_json_is_json(text: str) -> None:
    made = repair_json(text)
    assert made is None or is_json(made)
    if made is not None:
        assert repair_json(made) == made


@pytest.mark.parametrize(
    "text, value",
    [
        ('{"a": 1,}', {"a": 1}),
        ("[1, 2,, 3,]", [1, 2, 3]),
        ("{'a': 'it\\'s'}", {"a": "it's"}),
        ("{a: True, b: None, c: False}", {"a": True, "b": None, "c": False}),
        ('{"a": "line\nbreak"}', {"a": "line\nbreak"}),
        ('{"a": [1, {"b": 2', {"a": [1, {"b": 2}]}),
        ('{"a": 1, "b', {"a": 1, "b": None}),
        ('{"a": "cut \\u00', {"a": "cut "}),
        ('{"a": 1 /* why */, // because\n "b": 2}', {"a": 1, "b": 2}),
        ('{"a": [1, 2}', {"a": [1, 2]}),
        ('{"a": NaN}', {"a": None}),
        ('{"a" 1 "b" 2}', {"a": 1, "b": 2}),
        ("{price: 12 EUR}", {"price": 12, "EUR": None}),
    ],
)
def test_usual_mistakes_are_mended(text: str, value: object) -> None:
    made = repair_json(text)

    assert made is not None
    assert json.loads(made) == value


@pytest.mark.parametrize("text", ["", "no json at all", "I'm sorry.", "[" * 5_000, "NaN"])
def test_what_cannot_be_mended_is_said_so(text: str) -> None:
    assert repair_json(text) is None


# -- schemas

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def _check(text: str, schema: dict[str, object]) -> tuple[bool, bool, tuple[str, ...]]:
    verdict = check_structure(text, Structure(schema=schema))
    return verdict.ok, verdict.repaired, verdict.problems


def test_an_answer_that_fits_stays_as_it_is() -> None:
    text = '{"name": "Ann", "age": 3}'

    verdict = check_structure(text, Structure(schema=PERSON))

    assert (verdict.ok, verdict.repaired, verdict.text) == (True, False, text)


def test_an_answer_that_fits_once_it_is_mended_is_mended() -> None:
    verdict = check_structure('```json\n{"name": "Ann", "age": 3,}\n```', Structure(schema=PERSON))

    assert (verdict.ok, verdict.repaired) == (True, True)
    assert json.loads(verdict.text) == {"name": "Ann", "age": 3}


def test_problems_name_the_place_and_never_what_stands_there() -> None:
    ok, repaired, problems = _check('{"name": "Ann", "age": "hunter2"}', PERSON)

    assert (ok, repaired) == (False, False)
    assert problems == ('age: does not fit type "integer"',)
    assert _check('{"name": "Ann"}', PERSON)[2] == ("the whole: 'age' is a required property",)
    assert "hunter2" not in str(_check('{"name": "A", "age": 1, "x": "hunter2"}', PERSON))


def test_a_json_object_is_asked_for_without_a_schema() -> None:
    assert check_structure("{}", Structure(schema=None)).ok
    assert not check_structure("[]", Structure(schema=None)).ok


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "#"},
        {"$defs": {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(40)}
         | {"a40": {}}, "$ref": "#/$defs/a0"},
        {"type": "nonsense"},
        {"pattern": "(?=a)"},
        {"pattern": "("},
    ],
    ids=["remote", "itself", "doubling", "no schema", "lookahead", "broken"],
)  # fmt: skip
def test_a_schema_that_cannot_be_followed_is_a_problem_and_no_crash(
    schema: dict[str, object],
) -> None:
    ok, _repaired, problems = _check('"aaaa"', schema)

    assert not ok
    assert problems


def test_a_pattern_made_to_be_slow_is_not_slow() -> None:
    assert not _check(json.dumps("a" * 50_000 + "b"), {"pattern": "^(a+)+$"})[0]
    assert _check('{"xx": 1}', {"patternProperties": {"^(x+)+$": {"type": "integer"}},
                               "additionalProperties": False})[0]  # fmt: skip
    assert not _check('{"y": 1}', {"patternProperties": {"^x": {}},
                                   "additionalProperties": False})[0]  # fmt: skip


def test_only_json_formats_ask_for_structure() -> None:
    assert wanted_structure("") is None
    assert wanted_structure('{"type": "text"}') is None
    assert wanted_structure('{"type": "json_object"}') == Structure(schema=None)
    wanted = json.dumps({"type": "json_schema", "json_schema": {"name": "p", "schema": PERSON}})
    assert wanted_structure(wanted) == Structure(schema=PERSON)


def test_a_schema_is_judged_by_its_size_and_form() -> None:
    assert schema_problem(PERSON) == ""
    assert schema_problem({"description": "x" * 200_000})
    assert schema_problem({"unevaluatedProperties": False, "patternProperties": {"a": {}}})


def test_asking_again_tells_what_did_not_fit() -> None:
    asked = (ChatMessage(role=Role.USER, text="give me a person"),)

    again = reask_messages(asked, answer="{", problems=("It is not JSON.",))

    assert again[:2] == (*asked, ChatMessage(role=Role.ASSISTANT, text="{"))
    assert again[2].role is Role.USER
    assert "It is not JSON." in again[2].text
