"""Grammars, samplers and LoRA adapters as llama.cpp itself takes them, on the real SmolLM2 file."""

import json
import os
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from apps.providers import builtin, catalogue, gateway
from apps.providers.contracts import (
    ChatMessage,
    Finished,
    FinishReason,
    Flow,
    ModelRequest,
    ProviderEvent,
    Role,
    TextDelta,
)
from apps.providers.domain.json_grammar import object_grammar, schema_grammar
from apps.providers.domain.sampling import Sampling
from apps.providers.errors import ConfigurationError, RequestUnsupported
from tests.stubs.gguf import Tensor, gguf_file

pytest.importorskip("llama_cpp")
pytestmark = pytest.mark.local_model

MODEL = f"local/{catalogue.BUILT_IN_NAME}"


@pytest.fixture(autouse=True)
def own_folders(settings: Settings, tmp_path: Path) -> None:
    settings.KAREN_VAR = tmp_path
    settings.MODELS_DIR = tmp_path / "models"
    settings.LOCAL_MODEL = True
    settings.LOCAL_CONTEXT_TOKENS = 512
    builtin.register_all()


@pytest.fixture(autouse=True)
def stop_engines() -> Iterator[None]:
    yield
    from apps.providers.engine import owners  # optional: imports llama_cpp

    owners.stop_all()


async def answer(text: str, **fields: Any) -> list[ProviderEvent]:
    request = ModelRequest(
        model=fields.pop("model", MODEL),
        messages=(ChatMessage(role=Role.USER, text=text),),
        max_tokens=fields.pop("max_tokens", 120),
        temperature=fields.pop("temperature", 0.0),
        partition=fields.pop("partition", "t:c"),
        **fields,
    )
    return [event async for event in gateway.stream(flow=Flow.CHAT_ANSWER, request=request)]


def text_of(events: list[ProviderEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def asked_for(schema: dict[str, object]) -> str:
    return json.dumps({"type": "json_schema", "json_schema": {"name": "it", "schema": schema}})


# What the grammar lets through, asked of llama.cpp token by token.


@pytest.fixture(scope="module")
def vocabulary() -> Iterator[Any]:
    import llama_cpp  # optional: compiled

    from apps.providers.engine.native import start_backend

    start_backend()
    parameters = llama_cpp.llama_model_default_params()
    parameters.vocab_only = True
    path = str(catalogue.built_in_file()).encode()
    model = llama_cpp.llama_model_load_from_file(path, parameters)
    yield llama_cpp.llama_model_get_vocab(model)
    llama_cpp.llama_model_free(model)


def fits(vocabulary: Any, grammar: str, text: str) -> bool:
    """Say whether the grammar lets the whole text through and then an end."""
    import llama_cpp  # optional: compiled

    from apps.providers.engine.samplers import Sampler, allows

    data = text.encode()
    room = (llama_cpp.llama_token * (len(data) + 8))()
    count = llama_cpp.llama_tokenize(vocabulary, data, len(data), room, len(room), False, False)
    sampler = Sampler(vocabulary, Sampling(temperature=0.0, grammar=grammar))
    try:
        for token in [*room[:count], llama_cpp.llama_vocab_eos(vocabulary)]:
            if not allows(sampler, token):
                return False
            if not llama_cpp.llama_vocab_is_eog(vocabulary, token):
                llama_cpp.llama_sampler_accept(sampler.grammar, token)
        return True
    finally:
        sampler.close()


PERSON: dict[str, object] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 10},
        "age": {"type": "integer", "minimum": 0},
        "pets": {"type": "array", "items": {"enum": ["cat", "dög"]}, "maxItems": 2},
    },
    "required": ["name"],
    "additionalProperties": False,
}
TREE: dict[str, object] = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "of": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                "tag": {"type": ["string", "null"]},
            },
            "required": ["of"],
        }
    },
    "$ref": "#/$defs/node",
}
CASES: list[tuple[dict[str, object], list[object], list[object]]] = [
    (
        PERSON,
        [
            {"name": "Bo"},
            {"name": "Bo", "age": 0},
            {"name": "B", "pets": []},
            {"name": "B", "pets": ["dög", "cat"]},
            {"name": '"\\\n', "age": 12, "pets": ["cat"]},
        ],
        [
            {},
            {"name": ""},
            {"name": "x" * 11},
            {"name": 1},
            {"name": "B", "age": -1},
            {"name": "B", "age": 1.5},
            {"name": "B", "pets": ["cow"]},
            {"name": "B", "pets": ["cat", "cat", "cat"]},
            {"name": "B", "more": 1},
            [],
        ],
    ),
    (TREE, [{"of": []}, {"of": [{"of": []}], "tag": None}], [{"of": [1]}, {"tag": "x"}, None]),
    ({"type": "integer", "minimum": 2, "maximum": 4}, [2, 3, 4], [1, 5, 22, -3, "2"]),
    ({"type": "integer", "exclusiveMinimum": 0}, [1, 10], [0, -1, 1.5]),
    ({"type": "number", "minimum": 0}, [0, 0.25, 3, 1e20], [-1, "1"]),
    ({"anyOf": [{"const": {"a": 1}}, {"type": "boolean"}]}, [{"a": 1}, True], [{"a": 2}, None]),
    ({"enum": [1, "1", None], "type": ["integer", "null"]}, [1, None], ["1"]),
    ({"type": "string", "format": "date"}, ["2024-02-29"], ["2024-13-01", "24-01-01", ""]),
    ({"type": "string", "format": "date-time"}, ["2024-02-29T23:59:00.5Z"], ["2024-02-29"]),
    (
        {"type": "string", "format": "uuid"},
        ["01a1fd51-4583-77df-9c93-5bd19cd698d1"],
        ["01a1fd51458377df9c935bd19cd698d1"],
    ),
    ({"type": "string", "format": "ipv4"}, ["127.0.0.1", "255.1.20.3"], ["256.1.1.1", "1.2.3"]),
    (
        {"type": "array", "prefixItems": [{"type": "null"}, {"const": 1}]},
        [[None, 1]],
        [[None], [1]],
    ),
    ({"type": "array", "items": True, "minItems": 2}, [[1, "a"], [[], {}, 1]], [[1], []]),
    ({"type": "object", "additionalProperties": {"type": "null"}}, [{}, {"x": None}], [{"x": 1}]),
    ({"type": "object", "additionalProperties": False}, [{}], [{"x": 1}]),
    ({"type": "object", "required": ["a"]}, [{"a": [1]}], [{}, {"b": 1}]),
    ({}, [1, "x", None, [{}], {"a": {"b": []}}], []),
]


@pytest.mark.parametrize("schema,good,bad", CASES, ids=range(len(CASES)))
def test_the_grammar_lets_through_what_fits_and_nothing_else(
    vocabulary: Any, schema: dict[str, object], good: list[object], bad: list[object]
) -> None:
    grammar = schema_grammar(schema)
    for value in good:
        assert fits(vocabulary, grammar, json.dumps(value, ensure_ascii=False)), value
    for value in bad:
        assert not fits(vocabulary, grammar, json.dumps(value, ensure_ascii=False)), value


def test_any_object_and_no_half_one(vocabulary: Any) -> None:
    grammar = object_grammar()
    assert fits(vocabulary, grammar, '{"a": [1, {"b": null}]}')
    assert fits(vocabulary, grammar, "{}")
    for text in ("[]", "1", '{"a": 1', "{'a': 1}", '{"a": 01}', '{"a": 1,}', ""):
        assert not fits(vocabulary, grammar, text), text


# The same through the gateway.


@pytest.mark.parametrize("temperature", [0.0, 2.0])
async def test_an_answer_follows_its_schema(temperature: float) -> None:
    schema: dict[str, object] = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 12},
            "age": {"type": "integer", "minimum": 0, "maximum": 120},
            "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3},
        },
        "required": ["name", "age", "tags"],
    }
    events = await answer(
        "Tell about Bob, who is 33.",
        response_format=asked_for(schema),
        temperature=temperature,
        sampling=(("seed", 5),) if temperature else (),
    )
    assert events[-1] == Finished(reason=FinishReason.STOP)
    said = json.loads(text_of(events))
    assert set(said) == {"name", "age", "tags"}
    assert len(said["name"]) <= 12
    assert 0 <= said["age"] <= 120
    assert set(said["tags"]) <= {"a", "b"}


async def test_a_choice_is_one_of_the_choices() -> None:
    events = await answer(
        "Is the sea wet?", response_format=asked_for({"enum": ["indeed", "not at all"]})
    )
    assert json.loads(text_of(events)) in {"indeed", "not at all"}


async def test_a_bad_schema_is_told_with_the_reason() -> None:
    with pytest.raises(RequestUnsupported) as refused:
        await answer("x", response_format=asked_for({"type": "string", "pattern": "a"}))
    assert refused.value.param == "response_format"
    assert refused.value.problem == "pattern is not offered here"


async def test_equal_seeds_say_equal_things_and_others_do_not() -> None:
    async def said(seed: int) -> str:
        seeded = (("seed", seed), ("top_p", 1.0))
        return text_of(
            await answer("Invent a word.", temperature=1.5, max_tokens=40, sampling=seeded)
        )

    seven = await said(7)
    assert await said(7) == seven
    assert await said(8) != seven


async def test_a_heavy_frequency_penalty_ends_repetition() -> None:
    question = "Repeat the word 'no' forever: no no no no no no no no"
    plain = text_of(await answer(question, max_tokens=60))
    punished = text_of(
        await answer(question, max_tokens=60, sampling=(("frequency_penalty", 2.0),))
    )
    assert punished.split().count("no") < max(plain.split().count("no"), 5)


async def test_the_smallest_top_k_is_the_greedy_choice() -> None:
    greedy = text_of(await answer("What is 2+2?", max_tokens=12))
    one = await answer("What is 2+2?", max_tokens=12, temperature=2.0, sampling=(("top_k", 1),))
    assert text_of(one) == greedy


# Settings of the engine.


async def test_layers_for_a_gpu_that_is_not_there_are_the_operators_matter(
    settings: Settings,
) -> None:
    import llama_cpp  # optional: compiled

    if llama_cpp.llama_supports_gpu_offload():
        pytest.skip("this build has a GPU backend")
    settings.LOCAL_GPU_LAYERS = 99
    with pytest.raises(ConfigurationError) as refused:
        await answer("x")
    assert "LOCAL_GPU_LAYERS" in refused.value.hint
    settings.LOCAL_GPU_REQUIRED = False
    assert isinstance((await answer("What is 2+2?", max_tokens=2))[-1], Finished)


def tasks() -> set[int]:
    return {int(task.name) for task in Path("/proc/self/task").iterdir()}


async def test_the_engines_threads_keep_to_their_processors(settings: Settings) -> None:
    mine = sorted(os.sched_getaffinity(0))
    settings.LOCAL_CPUS = str(mine[-1])
    before = tasks()
    await answer("What is 2+2?", max_tokens=2)
    started = tasks() - before
    pinned = [task for task in started if os.sched_getaffinity(task) == {mine[-1]}]
    assert pinned
    assert sorted(os.sched_getaffinity(0)) == mine, "the rest of the process is free"


@pytest.mark.parametrize("text", ["x", "3-", "5-2", "-1", "4095-9999"])
async def test_processors_that_make_no_sense_are_refused(settings: Settings, text: str) -> None:
    settings.LOCAL_CPUS = text
    with pytest.raises(ConfigurationError):
        await answer("x")


async def test_a_file_read_instead_of_mapped_says_the_same(settings: Settings) -> None:
    mapped = text_of(await answer("What is 2+2?", max_tokens=12))
    from apps.providers.engine import owners  # optional: imports llama_cpp

    owners.stop_all()
    settings.LOCAL_MMAP = False
    assert text_of(await answer("What is 2+2?", max_tokens=12)) == mapped


# LoRA.

WIDTH, RANK = 576, 2  # of the built-in model's hidden state, and of our adapter


def lora(strength: float, *, architecture: str = "llama", width: int = WIDTH) -> bytes:
    """Return an adapter that adds `strength` everywhere to one projection of the first block."""
    name = "blk.0.attn_output.weight"
    alternating = struct.pack("<2f", strength, -strength) * (RANK * width // 2)
    return gguf_file(
        {
            "general.type": "adapter",
            "general.architecture": architecture,
            "adapter.type": "lora",
            "adapter.lora.alpha": float(RANK),
        },
        (
            Tensor(f"{name}.lora_a", (width, RANK), alternating),
            Tensor.filled(f"{name}.lora_b", (RANK, width), 1.0),
        ),
    )


@pytest.fixture
def folder(settings: Settings) -> Path:
    path = Path(settings.MODELS_DIR)
    path.mkdir()
    return path


async def test_an_adapter_is_a_model_of_its_own_and_changes_what_is_said(folder: Path) -> None:
    (folder / f"{catalogue.BUILT_IN_NAME}+odd.lora.gguf").write_bytes(lora(2.0))
    (folder / f"{catalogue.BUILT_IN_NAME}+none.lora.gguf").write_bytes(lora(0.0))
    assert {model.id for model in catalogue.local_models()} == {
        MODEL,
        f"{MODEL}+odd",
        f"{MODEL}+none",
    }
    plain = text_of(await answer("What is 2+2?", max_tokens=12))
    same = text_of(await answer("What is 2+2?", max_tokens=12, model=f"{MODEL}+none"))
    other = text_of(await answer("What is 2+2?", max_tokens=12, model=f"{MODEL}+odd"))
    assert same == plain
    assert other != plain


@pytest.mark.parametrize(
    "data",
    [lora(1.0, architecture="gemma"), lora(1.0, width=64), b"GGUF nothing", lora(1.0)[:400]],
    ids=["other architecture", "other size", "no file", "cut short"],
)
async def test_an_adapter_that_does_not_fit_is_refused(folder: Path, data: bytes) -> None:
    (folder / f"{catalogue.BUILT_IN_NAME}+bad.lora.gguf").write_bytes(data)
    with pytest.raises(ConfigurationError) as refused:
        await answer("x", model=f"{MODEL}+bad")
    assert "adapter" in refused.value.hint


async def test_an_altered_adapter_is_refused(folder: Path) -> None:
    path = folder / f"{catalogue.BUILT_IN_NAME}+odd.lora.gguf"
    path.write_bytes(lora(1.0))
    await answer("x", model=f"{MODEL}+odd", max_tokens=1)
    from apps.providers.engine import owners  # optional: imports llama_cpp

    owners.stop_all()
    path.write_bytes(lora(2.0))
    with pytest.raises(ConfigurationError) as refused:
        await answer("x", model=f"{MODEL}+odd", max_tokens=1)
    assert "altered" in refused.value.hint


def test_an_adapter_without_its_model_is_not_offered(folder: Path) -> None:
    (folder / "nobody+odd.lora.gguf").write_bytes(lora(1.0))
    shutil.copy(folder / "nobody+odd.lora.gguf", folder / "odd.lora.gguf")
    assert [model.id for model in catalogue.local_models()] == [MODEL]
