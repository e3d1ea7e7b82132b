"""What a schema becomes, and what is refused; `test_local_formats` asks llama.cpp about it."""

import pytest
from hypothesis import given, strategies as st

from apps.providers.domain.json_grammar import (
    MAX_REPEATS,
    BadSchema,
    object_grammar,
    schema_grammar,
)
from apps.providers.domain.sampling import BadSampling, Sampling, sampling_from

DEEP: dict[str, object] = {"type": "string"}
for _ in range(40):
    DEEP = {"type": "array", "items": DEEP}
WIDE: dict[str, object] = {"enum": [0]}
for _ in range(12):
    WIDE = {"anyOf": [WIDE, WIDE, WIDE]}
DOUBLING = {
    "$defs": {
        f"d{at}": {"anyOf": [{"$ref": f"#/$defs/d{at + 1}"}, {"$ref": f"#/$defs/d{at + 1}"}]}
        for at in range(12)
    }
    | {"d12": {"type": "null"}},
    "$ref": "#/$defs/d0",
}

REFUSED = [
    ({"type": "text"}, "seven"),
    ({"type": []}, "seven"),
    ({"type": "string", "pattern": "^a+$"}, "pattern"),
    ({"type": "string", "format": "email"}, "format email"),
    ({"type": "string", "minLength": 3, "maxLength": 2}, "below"),
    ({"type": "string", "maxLength": MAX_REPEATS + 1}, "up to"),
    ({"type": "string", "maxLength": True}, "whole number"),
    ({"type": "number", "maximum": 3}, "maximum"),
    ({"type": "number", "minimum": 3}, "bounds"),
    ({"type": "integer", "minimum": 7}, "bounds"),
    ({"type": "integer", "minimum": 0.5}, "whole numbers"),
    ({"type": "integer", "minimum": 5, "maximum": 4}, "bounds"),
    ({"type": "integer", "multipleOf": 5}, "multipleOf"),
    ({"type": "array", "uniqueItems": True}, "uniqueItems"),
    ({"type": "array", "minItems": 3, "maxItems": 2}, "below"),
    ({"type": "object", "patternProperties": {}}, "patternProperties"),
    ({"properties": {"a": False}}, "nothing fits false"),
    (
        {"type": "object", "properties": {}, "required": ["a"], "additionalProperties": False},
        "required",
    ),
    ({"not": {}}, "not"),
    ({"if": {}}, "if"),
    ({"anyOf": []}, "list of schemas"),
    ({"anyOf": [{}], "type": "object"}, "type"),
    ({"allOf": [{}, {}]}, "allOf"),
    ({"enum": []}, "no value"),
    ({"enum": ["a"], "type": "integer"}, "no value"),
    ({"$ref": "https://example.org/schema"}, "into the schema itself"),
    ({"$ref": "#/$defs/none"}, "points nowhere"),
    ({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "itself"),
    ({"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"}, "itself"),
    ({"enum": ["\ud800"]}, "Unicode"),
    ({"enum": ["x" * 70_000]}, "characters"),
    (DEEP, "too deep"),
    (WIDE, "characters"),
    (DOUBLING, "choices"),
    ({"enum": list(range(2000))}, "too many"),
]


@pytest.mark.parametrize("schema,why", REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_kept_is_refused_with_the_reason(
    schema: dict[str, object], why: str
) -> None:
    with pytest.raises(BadSchema) as refused:
        schema_grammar(schema)
    assert why in str(refused.value)


def test_words_for_people_change_nothing() -> None:
    bare = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    told = {**bare, "title": "A", "description": "of a", "$schema": "x", "examples": []}
    assert schema_grammar(told) == schema_grammar(bare)


def test_a_schema_may_nest_itself() -> None:
    tree = {
        "$defs": {
            "node": {
                "type": "object",
                "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
                "required": ["children"],
            }
        },
        "$ref": "#/$defs/node",
    }
    assert "root ::=" in schema_grammar(tree)


def test_equal_last_names_of_two_references_are_not_mixed_up() -> None:
    schema = {
        "a": {"x": {"const": 1}},
        "b": {"x": {"const": 2}},
        "type": "object",
    }
    with pytest.raises(BadSchema):
        schema_grammar(schema)  # members of the schema that are no keywords
    kept = {
        "$defs": {"a": {"x": {"const": 1}}, "b": {"x": {"const": 2}}},
        "anyOf": [{"$ref": "#/$defs/a/x"}, {"$ref": "#/$defs/b/x"}],
    }
    grammar = schema_grammar(kept)
    assert '"1"' in grammar
    assert '"2"' in grammar


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
keywords = st.sampled_from(
    ["type", "properties", "items", "enum", "$ref", "anyOf", "required", "minItems", "format"]
)


@given(
    st.dictionaries(
        keywords,
        json_values | st.dictionaries(keywords, json_values, max_size=3),
        max_size=4,
    )
)
def test_any_document_becomes_a_grammar_or_is_refused(schema: dict[str, object]) -> None:
    try:
        grammar = schema_grammar(schema)
    except BadSchema:
        return
    names = {line.partition(" ::= ")[0] for line in grammar.splitlines()}
    assert {"root", "value", "ws"} <= names


def test_any_object_has_a_grammar() -> None:
    assert object_grammar().startswith("root ::= object\n")


# Sampling.


def test_without_parameters_the_usual_ones_hold() -> None:
    assert sampling_from(0.7, ()) == Sampling(temperature=0.7)


def test_top_p_alone_means_it_alone() -> None:
    sampling = sampling_from(1.0, (("top_p", 0.5),))
    assert (sampling.top_p, sampling.top_k, sampling.min_p) == (0.5, 0, 0.0)


def test_every_known_parameter_arrives() -> None:
    sampling = sampling_from(
        1.0,
        (
            ("top_p", 0.5),
            ("top_k", 7),
            ("min_p", 0.1),
            ("frequency_penalty", -1.0),
            ("presence_penalty", 2.0),
            ("seed", -1),
        ),
    )
    assert sampling == Sampling(
        temperature=1.0,
        top_p=0.5,
        top_k=7,
        min_p=0.1,
        frequency_penalty=-1.0,
        presence_penalty=2.0,
        seed=2**32 - 1,
    )


@pytest.mark.parametrize(
    "temperature,parameters,name",
    [
        (1.0, (("logit_bias", 1.0),), "logit_bias"),
        (1.0, (("top_p", 1.1),), "top_p"),
        (1.0, (("top_p", float("nan")),), "top_p"),
        (1.0, (("frequency_penalty", -3.0),), "frequency_penalty"),
        (1.0, (("seed", 1.5),), "seed"),
        (1.0, (("seed", float("inf")),), "seed"),
        (-0.1, (), "temperature"),
        (float("nan"), (), "temperature"),
    ],
)
def test_what_is_not_known_or_out_of_range_is_refused_by_name(
    temperature: float, parameters: tuple[tuple[str, float], ...], name: str
) -> None:
    with pytest.raises(BadSampling) as refused:
        sampling_from(temperature, parameters)
    assert refused.value.name == name
