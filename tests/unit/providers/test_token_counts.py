"""Tokens are counted as the chosen model counts, or estimated and said to be so."""

import pytest
from hypothesis import given, strategies as st

from apps.providers import catalogue, selectors
from apps.providers.contracts import ModelInfo
from apps.providers.domain.encodings import encoding_of
from apps.providers.domain.estimates import cautious_tokens


def model(name: str, provider: str) -> ModelInfo:
    return ModelInfo(
        id=f"{provider}/{name}",
        label=name,
        provider=provider,
        context_tokens=8_000,
        in_process=False,
        supports_tools=False,
    )


@pytest.mark.parametrize(
    "name, encoding",
    [
        ("gpt-4o-mini", "o200k_base"),
        ("gpt-4.1", "o200k_base"),
        ("gpt-5-nano", "o200k_base"),
        ("o3-mini", "o200k_base"),
        ("o1", "o200k_base"),
        ("gpt-4-0613", "cl100k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("openai/gpt-4o", "o200k_base"),
        ("o1lama", ""),
        ("llama-3.1-8b", ""),
        ("stub/ttft=300", ""),
        ("", ""),
    ],
)
def test_the_vocabulary_of_a_model(name: str, encoding: str) -> None:
    assert encoding_of(name) == encoding


@pytest.mark.parametrize(
    "name, text, tokens",
    [
        # Counts published with OpenAI's tokenizer (github.com/openai/tiktoken, README and tests).
        ("gpt-4", "hello world", 2),
        ("gpt-4o", "hello world", 2),
        ("gpt-4", "", 0),
    ],
)
def test_openais_models_are_counted_with_their_own_vocabulary(
    name: str, text: str, tokens: int
) -> None:
    counter = selectors.token_counter(model(name, "openai"))

    assert (counter.exact, counter.count(text)) == (True, tokens)


def test_what_looks_like_a_control_token_is_text() -> None:
    counter = selectors.token_counter(model("gpt-4o", "openai"))

    assert counter.count("<|endoftext|>") > 1


def test_an_unknown_model_is_estimated_and_said_to_be() -> None:
    counter = selectors.token_counter(model("llama-3.1-8b", "openai"))

    assert not counter.exact
    assert counter.count("The quick brown fox") >= 5


@pytest.mark.skipif(not catalogue.engine_installed(), reason="llama-cpp-python is not installed")
@pytest.mark.local_model
def test_a_local_model_is_counted_with_the_vocabulary_of_its_file() -> None:
    counter = selectors.token_counter(model(catalogue.BUILT_IN_NAME, "local"))

    assert counter.exact
    assert counter.count("hello world") == 2
    assert counter.count("<|im_end|>") > 1
    assert counter.count("") == 0


@given(st.text(max_size=400))
def test_an_estimate_never_says_that_a_text_is_nothing(text: str) -> None:
    assert (cautious_tokens(text) == 0) is (text == "")


@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_an_estimate_grows_with_the_text(text: str) -> None:
    assert cautious_tokens(text + " and more of it") > cautious_tokens(text)


@pytest.mark.parametrize(
    "text",
    [
        "The quick brown fox jumps over the lazy dog, and then it sleeps. " * 20,
        "Der Reiher schläft im Stehen, während der Storch im Nest übernachtet. " * 20,
        "def answer(question: str) -> str:\n    return think(question).strip()\n" * 20,
        "Цапля спит стоя, а аист ночует в гнезде на крыше старого дома. " * 20,  # noqa: RUF001  # Russian
        "苍鹭站着睡觉，而鹳在屋顶的巢里过夜。" * 20,  # noqa: RUF001  # Chinese
    ],
)
def test_the_estimate_is_on_the_safe_side_of_a_real_vocabulary(text: str) -> None:
    exact = selectors.token_counter(model("gpt-4o", "openai")).count(text)

    assert exact <= cautious_tokens(text) <= 3 * exact
