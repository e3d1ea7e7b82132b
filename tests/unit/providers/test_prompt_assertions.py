"""What evaluations demand of answers, and drafts of prompts: any JSON is understood or refused."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, strategies as st

from apps.providers.contracts import Role
from apps.providers.domain.assertions import Answer, AssertionFault, demand_from, why_not
from apps.providers.domain.cases import CASES_MAX, CaseFault, cases_from
from apps.providers.domain.drafts import DraftFault, digest_of, json_of, readable, spec_from
from apps.providers.domain.patterns import PatternFault, linear_pattern
from apps.providers.domain.prompt_specs import PromptMessage, PromptSpec, PromptVariable
from apps.providers.domain.schemas import SchemaFault, check_schema, json_problems, schema_problems

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
DRAFT: dict[str, Any] = {"messages": [{"role": "user", "text": "Say {{ what }}"}]}


def judged(raw: dict[str, Any], text: str, *, tokens: int = 1, likeness: float = 0.0) -> str:
    return why_not(demand_from(raw), Answer(text=text, tokens=tokens, likeness=lambda _o: likeness))


@pytest.mark.parametrize(
    "raw, good, bad",
    [
        ({"kind": "equals", "value": "yes"}, " yes\n", "yes!"),
        ({"kind": "contains", "value": "heron"}, "a heron", "Heron"),
        ({"kind": "not_contains", "value": "sorry"}, "fine", "sorry, no"),
        ({"kind": "regex", "value": r"^\d{4}$"}, "2024", "24"),
        (
            {"kind": "json_schema", "value": {"type": "object", "required": ["a"]}},
            '```json\n{"a": 1}\n```',
            '{"b": 1}',
        ),
    ],
)
def test_a_demand_is_met_or_says_why_not(raw: dict[str, Any], good: str, bad: str) -> None:
    assert judged(raw, good) == ""
    assert judged(raw, bad) != ""


def test_tokens_and_likeness_are_measured() -> None:
    assert judged({"kind": "max_tokens", "value": 5}, "x", tokens=5) == ""
    assert "6 tokens" in judged({"kind": "max_tokens", "value": 5}, "x", tokens=6)
    similar = {"kind": "similar", "value": "x", "at_least": 0.7}
    assert judged(similar, "x", likeness=0.7) == ""
    assert "0.69" in judged(similar, "x", likeness=0.69)


@given(JSON)
def test_any_json_is_a_demand_or_refused_with_a_reason(raw: object) -> None:
    with pytest.raises(AssertionFault, match=r".+"):
        demand_from(raw)


@pytest.mark.parametrize(
    "raw",
    [
        {"kind": "equals", "value": ""},
        {"kind": "equals", "value": 5},
        {"kind": "contains", "value": "x", "more": 1},
        {"kind": "regex", "value": "(?=a)"},
        {"kind": "regex", "value": "("},
        {"kind": "regex", "value": ["a"]},
        {"kind": "regex", "value": "\ud800"},
        {"kind": "max_tokens", "value": True},
        {"kind": "max_tokens", "value": 0},
        {"kind": "similar", "value": "x", "at_least": 1.5},
        {"kind": "json_schema", "value": {"$ref": "https://example.com/schema"}},
        {"kind": "json_schema", "value": {"type": "objekt"}},
        {"kind": "json_schema", "value": {"pattern": "(?<=a)b"}},
        {"kind": "json_schema", "value": {"required": "a"}},
    ],
)
def test_what_cannot_be_checked_is_refused_when_it_is_saved(raw: dict[str, Any]) -> None:
    with pytest.raises(AssertionFault):
        demand_from(raw)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "^(.*a){25}$", "(x+x+)+y"])
def test_a_pattern_that_hangs_other_engines_is_searched_in_no_time(pattern: str) -> None:
    started = time.perf_counter()
    linear_pattern(pattern)("a" * 50_000 + "b")
    linear_pattern(pattern)("x" * 50_000)

    assert time.perf_counter() - started < 5


def test_a_pattern_that_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(PatternFault):
        linear_pattern("((((a{1,100}){1,100}){1,100}){1,100})")


@given(st.text(max_size=50))
def test_any_text_can_be_searched(text: str) -> None:
    assert linear_pattern("(?s).*")(text)


# -- schemas


@given(JSON, JSON)
def test_a_schema_is_understood_or_refused_and_never_breaks(schema: object, value: object) -> None:
    try:
        check_schema(schema)
    except SchemaFault:  # any other exception fails the test
        return
    assert isinstance(schema_problems(schema, value), list)


@given(JSON)
def test_what_is_allowed_to_be_one_value_is_that_value_only(value: object) -> None:
    assert schema_problems({"const": value}, json.loads(json.dumps(value))) == []
    assert schema_problems({"const": [value]}, value) != []


def test_true_is_not_one() -> None:
    assert schema_problems({"const": 1}, True) != []
    assert schema_problems({"type": "integer"}, True) != []
    assert schema_problems({"enum": [True]}, 1) != []


PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 5, "pattern": "^[A-Z]"},
        "age": {"type": ["integer", "null"], "minimum": 0, "maximum": 150},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1, "maxItems": 2},
        "id": {"anyOf": [{"type": "integer"}, {"type": "string", "minLength": 3}]},
    },
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "value",
    [
        {"name": "Ann"},
        {"name": "Ann", "age": None, "tags": ["a"], "id": "abc"},
        {"name": "A", "age": 2.0},
    ],
)
def test_what_fits_has_no_problems(value: object) -> None:
    check_schema(PERSON)
    assert schema_problems(PERSON, value) == []


@pytest.mark.parametrize(
    "value, where",
    [
        ([], "$"),
        ({}, "$.name"),
        ({"name": "ann"}, "$.name"),
        ({"name": "Annabel"}, "$.name"),
        ({"name": "Ann", "age": -1}, "$.age"),
        ({"name": "Ann", "age": "1"}, "$.age"),
        ({"name": "Ann", "tags": []}, "$.tags"),
        ({"name": "Ann", "tags": ["a", "c"]}, "$.tags[1]"),
        ({"name": "Ann", "id": "x"}, "$.id"),
        ({"name": "Ann", "other": 1}, "$.other"),
    ],
)
def test_what_does_not_fit_is_named_by_its_place(value: object, where: str) -> None:
    problems = schema_problems(PERSON, value)

    assert [problem.partition(": ")[0] for problem in problems] == [where]


@pytest.mark.parametrize("answer", ["", "no", "{", "NaN", "[" * 100_000, '{"a": Infinity}'])
def test_what_is_no_json_is_said_to_be_none(answer: str) -> None:
    assert json_problems("{}", answer) == ["it is no JSON"]


# -- drafts


def test_a_draft_is_what_it_is_read_from() -> None:
    raw = {
        **DRAFT,
        "variables": [{"name": "what", "kind": "list", "required": False, "private": True}],
        "role": "You are brief.",
        "think_first": True,
        "examples": [{"input": "i", "output": "o"}],
        "examples_k": 1,
        "output_schema": '{"type": "object"}',
    }
    spec = spec_from(raw, name="custom.say", shipped=None)

    assert spec_from(json_of(spec), name="custom.say", shipped=None) == spec
    assert digest_of(spec) == digest_of(spec_from(json_of(spec), name="custom.say", shipped=None))
    assert "role:" in readable(spec)


@given(
    st.dictionaries(
        st.sampled_from([*json_of(PromptSpec(name="a.b", description="", messages=()))]), JSON
    )
)
def test_any_json_is_a_prompt_or_refused_with_its_part(raw: dict[str, Any]) -> None:
    with pytest.raises(DraftFault) as refused:
        spec_from(raw, name="custom.x", shipped=None)
    assert refused.value.part


@pytest.mark.parametrize(
    "change, part",
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "text": "x"}]}, "message 1"),
        ({"messages": [{"role": "user", "text": "{{ other }}"}]}, "message 1"),
        ({"messages": [{"role": "user", "text": "{{ what.x }}"}]}, "message 1"),
        ({"messages": [{"role": "user", "text": "\x00"}]}, "message 1"),
        ({"messages": [{"role": "user", "text": "\ud800"}]}, "message 1"),
        ({"variables": [{"name": "What"}]}, "variable 1"),
        ({"variables": [{"name": "what"}, {"name": "what"}]}, "variables"),
        ({"variables": [{"name": "what", "kind": "float"}]}, "variable 1"),
        ({"variables": [{"name": "what", "max_length": True}]}, "variable 1"),
        ({"examples_k": 11}, "examples_k"),
        ({"examples": [{"input": "x"}]}, "example 1"),
        ({"output_schema": "{"}, "output_schema"),
        ({"output_schema": '{"$ref": "x"}'}, "output_schema"),
        ({"think_first": "yes"}, "think_first"),
    ],
)
def test_a_fault_of_a_draft_names_its_part(change: dict[str, Any], part: str) -> None:
    good = {**DRAFT, "variables": [{"name": "what"}]}
    spec_from(good, name="custom.say", shipped=None)

    with pytest.raises(DraftFault) as refused:
        spec_from({**good, **change}, name="custom.say", shipped=None)
    assert refused.value.part == part


def test_callers_decide_the_variables_of_a_shipped_prompt() -> None:
    shipped = PromptSpec(
        name="a.b",
        description="",
        messages=(PromptMessage(role=Role.USER, text="{{ given }}"),),
        variables=(PromptVariable(name="given"),),
    )
    asked = {"messages": [{"role": "user", "text": "{{ mine }}"}], "variables": [{"name": "mine"}]}

    with pytest.raises(DraftFault, match="mine, which is not declared"):
        spec_from(asked, name="a.b", shipped=shipped)


def test_nothing_can_be_put_around_a_fragment() -> None:
    shipped = PromptSpec(
        name="a.b",
        description="",
        messages=(PromptMessage(role=Role.SYSTEM, text="x"),),
        fragment=True,
    )
    one = {"messages": [{"role": "system", "text": "y"}]}

    assert spec_from(one, name="a.b", shipped=shipped).fragment
    for change in (
        {"role": "r"},
        {"think_first": True},
        {"examples": [{"input": "i", "output": "o"}]},
        {"messages": [{"role": "user", "text": "y"}]},
        {"messages": [*one["messages"], *one["messages"]]},
    ):
        with pytest.raises(DraftFault):
            spec_from({**one, **change}, name="a.b", shipped=shipped)


# -- cases

CASE: dict[str, Any] = {
    "name": "one",
    "variables": {"what": "x", "n": 3, "l": ["a"], "f": True},
    "material": [{"title": "t", "text": "x"}],
    "assertions": [{"kind": "contains", "value": "x"}],
}


def test_a_case_is_read() -> None:
    (case,) = cases_from([CASE])

    assert (case.name, case.variables["n"], case.contexts[0].title) == ("one", 3, "t")
    assert cases_from([{"assertions": CASE["assertions"]}])[0].name == "1"


@given(JSON)
def test_any_json_is_cases_or_refused(raw: object) -> None:
    with pytest.raises(CaseFault, match=r".+"):
        cases_from(raw)


@pytest.mark.parametrize(
    "change",
    [
        {"assertions": []},
        {"assertions": [{"kind": "other"}]},
        {"variables": {"x": {"nested": 1}}},
        {"variables": {"x": None}},
        {"variables": {"x": 1.5}},
        {"variables": {"x": "\x00"}},
        {"material": [{"title": 1, "text": "x"}]},
        {"name": ""},
        {"extra": 1},
    ],
)
def test_a_fault_of_a_case_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(CaseFault):
        cases_from([{**CASE, **change}])


def test_cases_are_few() -> None:
    with pytest.raises(CaseFault, match="200"):
        cases_from([CASE] * (CASES_MAX + 1))
