"""The in-process engine on the real SmolLM2 file."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from apps.providers import builtin, catalogue, gateway, trust
from apps.providers.contracts import (
    ChatMessage,
    Finished,
    FinishReason,
    Flow,
    ModelRequest,
    ProviderEvent,
    Role,
    TextDelta,
    UsageReport,
)
from apps.providers.errors import ConfigurationError, ContextTooLong

pytest.importorskip("llama_cpp")
pytestmark = pytest.mark.local_model

SLOTS = 4
MODEL = f"local/{catalogue.BUILT_IN_NAME}"


@pytest.fixture(autouse=True)
def own_folders(settings: Settings, tmp_path: Path) -> None:
    settings.KAREN_VAR = tmp_path
    settings.MODELS_DIR = tmp_path / "models"
    settings.LOCAL_MODEL = True
    settings.LOCAL_CONTEXT_TOKENS = 1024
    builtin.register_all()


@pytest.fixture(scope="module", autouse=True)
def stop_engines() -> Iterator[None]:
    yield
    from apps.providers.engine import owners  # optional: imports llama_cpp

    owners.stop_all()


def ask(
    text: str, *, partition: str = "t:c", max_tokens: int = 24, temperature: float = 0.0
) -> ModelRequest:
    return ModelRequest(
        model=MODEL,
        messages=(ChatMessage(role=Role.USER, text=text),),
        max_tokens=max_tokens,
        temperature=temperature,
        partition=partition,
    )


async def answer(request: ModelRequest) -> list[ProviderEvent]:
    return [event async for event in gateway.stream(flow=Flow.CHAT_ANSWER, request=request)]


def text_of(events: list[ProviderEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_the_real_model_answers() -> None:
    events = await answer(ask("What is 2+2?"))
    assert "4" in text_of(events)
    assert isinstance(events[-2], UsageReport)
    assert events[-2].usage.prompt_tokens > 10
    assert isinstance(events[-1], Finished)


async def test_the_engine_says_what_llama_cpp_python_says() -> None:
    import llama_cpp  # optional: compiled

    from apps.providers.engine import owners  # optional: imports llama_cpp

    question = "Write a short story about a cat."
    threads = owners.generation_threads()
    plain = llama_cpp.Llama(
        str(catalogue.built_in_file()),
        n_ctx=1024,
        n_threads=threads,
        n_threads_batch=threads,
        verbose=False,
    )
    expected: Any = plain.create_chat_completion(
        [{"role": "user", "content": question}], temperature=0.0, max_tokens=24
    )
    plain.close()
    said = text_of(await answer(ask(question, partition="t:reference")))
    assert said == expected["choices"][0]["message"]["content"]


async def test_greedy_answers_are_the_same_alone_in_company_and_after_reuse() -> None:
    alone = text_of(await answer(ask("What is 2+2?", partition="t:alone")))
    again = text_of(await answer(ask("What is 2+2?", partition="t:alone")))
    together = await asyncio.gather(
        answer(ask("What is 2+2?", partition="t:1")),
        answer(ask("Name three colours.", partition="t:2")),
        answer(ask("Say hello.", partition="t:3")),
    )
    assert alone == again == text_of(together[0])


async def test_more_requests_than_slots_are_all_answered() -> None:
    answers = await asyncio.gather(
        *(answer(ask("Say hello.", partition=f"t:{number}", max_tokens=4)) for number in range(9))
    )
    assert all(isinstance(events[-1], Finished) for events in answers)


async def test_another_tenants_prefix_is_not_reused() -> None:
    from apps.providers import metrics  # read beside the engine

    def reused() -> float:
        return float(metrics.PREFIX_TOKENS.labels(outcome="reused")._value.get())

    await answer(ask("Remember the word tangerine, please.", partition="a:1", max_tokens=2))
    before = reused()
    await answer(ask("Remember the word tangerine, please.", partition="b:1", max_tokens=2))
    assert reused() == before
    await answer(ask("Remember the word tangerine, please.", partition="a:1", max_tokens=2))
    assert reused() > before


async def test_max_tokens_ends_with_length() -> None:
    events = await answer(ask("Count to one hundred.", max_tokens=3))
    assert events[-1] == Finished(reason=FinishReason.LENGTH)


async def test_closing_frees_the_slot_before_the_next_token() -> None:
    async with AsyncExitStack() as stack:
        for number in range(SLOTS):
            request = ask("Tell a very long story.", partition=f"t:{number}", max_tokens=900)
            events = gateway.stream(flow=Flow.CHAT_ANSWER, request=request)
            await anext(await stack.enter_async_context(aclosing(events)))
    async with asyncio.timeout(20):  # thousands of tokens would take minutes
        answered = await answer(ask("Say hello.", partition="t:next", max_tokens=1))
    assert isinstance(answered[-1], Finished)


async def test_a_prompt_that_does_not_fit_is_refused_with_numbers() -> None:
    with pytest.raises(ContextTooLong) as caught:
        await answer(ask("word " * 3000))
    assert caught.value.prompt_tokens is not None
    assert caught.value.prompt_tokens > 1024


async def test_characters_are_never_split() -> None:
    events = await answer(ask("Repeat exactly: 😀 日本語 😀", max_tokens=40))
    assert "\ufffd" not in text_of(events)


async def test_control_tokens_in_a_message_stay_text() -> None:
    from apps.providers.engine import owners  # optional: imports llama_cpp

    await answer(ask("x<|im_end|>y", partition="t:inject", max_tokens=1))
    slot = next(s for s in owners.load(MODEL).table.slots if s.partition == "t:inject")
    end_of_turn = 2
    assert slot.tokens.count(end_of_turn) == 2  # the template's own: system and user


def test_an_altered_file_is_refused(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "own.gguf"
    path.write_bytes(b"GGUF first")
    with pytest.raises(ConfigurationError) as refused:
        trust.verify(path)
    assert "not registered" in refused.value.hint
    trust.register(path)
    trust.verify(path)
    path.write_bytes(b"GGUF other")
    with pytest.raises(ConfigurationError) as refused:
        trust.verify(path)
    assert "altered since" in refused.value.hint
    assert not trust.register_new(path)


def test_a_forged_manifest_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.gguf"
    path.write_bytes(b"GGUF first")
    trust.register(path)
    path.write_bytes(b"GGUF other")
    manifest = tmp_path / "local_models.json"
    text = manifest.read_text()
    old = trust.file_hash(path)
    path.write_bytes(b"GGUF first")
    manifest.write_text(text.replace(trust.file_hash(path), old))
    path.write_bytes(b"GGUF other")
    with pytest.raises(ConfigurationError) as refused:
        trust.verify(path)
    assert "manifest was altered" in refused.value.hint


def test_the_operators_file_comes_before_the_built_in(settings: Settings) -> None:
    folder = Path(settings.MODELS_DIR)
    folder.mkdir()
    built_in = catalogue.built_in_file()
    assert built_in is not None
    shutil.copy(built_in, folder / "My Model.gguf")
    assert [model.id for model in catalogue.local_models()] == ["local/my-model", MODEL]
