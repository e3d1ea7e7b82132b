"""The one door to models: `stream` for chat, `embed` for vectors, `probe` for health.

The gateway names the flow, counts, retries before the first event and makes sure that the model
stops when nobody reads any more. It never replaces the model that was chosen for a turn.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeAlias

from apps.core.errors import KarenError
from apps.core.logging import get_logger
from apps.providers import metrics, registry, selectors
from apps.providers.contracts import (
    BatchingAdapter,
    EngineHealth,
    Finished,
    Flow,
    ModelInfo,
    ModelRequest,
    ProviderEvent,
    ReasoningDelta,
    TextDelta,
    Usage,
    UsageReport,
)
from apps.providers.domain.backoff import pause_s
from apps.providers.domain.estimates import estimated_tokens
from apps.providers.embedding import MAX_EMBED_TEXTS, embed, warm_embedder
from apps.providers.errors import (
    ProviderInterrupted,
    ProviderTimeout,
    ProviderUnavailable,
)

# Embedding has a module of its own; other apps enter by this one.
__all__ = (
    "MAX_EMBED_TEXTS",
    "embed",
    "probe",
    "stream",
    "stream_batches",
    "warm",
    "warm_counter",
    "warm_embedder",
    "warm_remote",
)

logger = get_logger(__name__)

MAX_ATTEMPTS = 3
DEADLINE_S = 600.0  # of a whole call, retries included
RETRY_WINDOW_S = 20.0  # no new attempt starts later than this after the call

_Batches: TypeAlias = AsyncGenerator[list[ProviderEvent], None]


async def stream(*, flow: Flow, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
    """Ask `request.model` and yield its events; the last one is `Finished`.

    Raises:
        KarenError: As `stream_batches`.
    """
    async with aclosing(stream_batches(flow=flow, request=request)) as batches:
        async for batch in batches:
            for event in batch:
                yield event


async def stream_batches(
    *, flow: Flow, request: ModelRequest
) -> AsyncGenerator[list[ProviderEvent], None]:
    """Ask `request.model` and yield its events, together what arrived together.

    Failed attempts are repeated only while nothing was yielded: two halves of different answers
    are never joined. Closing the generator stops the model.

    The last event is `Finished`. Before it there is one `UsageReport`, estimated if the provider
    sent none.

    Args:
        flow: Why the model is called.
        request: What is asked.

    Raises:
        ModelNotFound: `request.model` is not configured.
        ProviderUnavailable: The model cannot be reached now, also after retries.
        ProviderTimeout: It did not begin to answer in time.
        ProviderInterrupted: It stopped before it said that it was finished.
        ProviderRejected: It refuses this request; `ContextTooLong` when it does not fit.
        ConfigurationError: The operator must mend something.
    """
    model = selectors.get_model(request.model)
    call = _Call(flow, model)
    try:
        async with aclosing(_with_retries(model, request)) as batches:
            async for batch in batches:
                for event in batch:
                    call.saw(event)
                if isinstance(batch[-1], Finished) and not call.usage_seen:
                    report = call.estimate(request)
                    call.saw(report)
                    batch.insert(-1, report)
                yield batch
        call.status = "ok"
    except KarenError as error:
        call.status = error.code
        raise
    finally:
        call.count()


class _Call:
    """What is measured about one call."""

    def __init__(self, flow: Flow, model: ModelInfo) -> None:
        self.status = "closed"  # unless it ends otherwise: the reader went away
        self._labels = (flow.value, model.id)
        self._started = time.perf_counter()
        self._first = True
        self._bytes = 0
        self.usage_seen = False

    def saw(self, event: ProviderEvent) -> None:
        if self._first:
            self._first = False
            elapsed = time.perf_counter() - self._started
            metrics.FIRST_TOKEN.labels(*self._labels).observe(elapsed)
        if isinstance(event, TextDelta | ReasoningDelta):
            self._bytes += len(event.text.encode())
        if isinstance(event, UsageReport):
            self.usage_seen = True
            usage = event.usage
            metrics.TOKENS.labels(*self._labels, "prompt").inc(usage.prompt_tokens)
            metrics.TOKENS.labels(*self._labels, "completion").inc(usage.completion_tokens)

    def estimate(self, request: ModelRequest) -> UsageReport:
        prompt_bytes = sum(len(message.text.encode()) for message in request.messages)
        return UsageReport(
            usage=Usage(
                prompt_tokens=estimated_tokens(prompt_bytes),
                completion_tokens=estimated_tokens(self._bytes),
                estimated=True,
            )
        )

    def count(self) -> None:
        metrics.OPERATIONS.labels(*self._labels, self.status).inc()
        metrics.DURATION.labels(*self._labels).observe(time.perf_counter() - self._started)


async def _with_retries(model: ModelInfo, request: ModelRequest) -> _Batches:
    started = time.monotonic()
    deadline = asyncio.get_running_loop().time() + DEADLINE_S
    attempt = 1
    while True:
        begun = False
        try:
            async with aclosing(_once(model, request, deadline)) as batches:
                async for batch in batches:
                    begun = True
                    yield batch
            return
        except (ProviderUnavailable, ProviderInterrupted) as error:
            if begun:
                if isinstance(error, ProviderUnavailable):
                    raise ProviderInterrupted from error
                raise
            pause = _pause_before_next(error, attempt)
            late = pause is None or time.monotonic() - started + pause > RETRY_WINDOW_S
            if pause is None or late or attempt >= MAX_ATTEMPTS:
                raise
            metrics.RETRIES.labels(model.id, error.code).inc()
            logger.info("model.retry", model=model.id, cause=error.code, attempt=attempt)
        attempt += 1
        await asyncio.sleep(pause)


async def _once(model: ModelInfo, request: ModelRequest, deadline: float) -> _Batches:
    adapter = registry.adapter_for(model)
    # Closing the adapter's generator is what stops the model.
    if isinstance(adapter, BatchingAdapter):
        source = adapter.stream_batches(request)
    else:
        source = _one_by_one(adapter.stream(request))
    async with aclosing(source) as batches:
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    batch = await anext(batches)
            except StopAsyncIteration:
                raise ProviderInterrupted from None
            except TimeoutError as error:
                raise ProviderTimeout from error
            yield batch
            if isinstance(batch[-1], Finished):
                return


async def _one_by_one(events: AsyncGenerator[ProviderEvent, None]) -> _Batches:
    async with aclosing(events):
        async for event in events:
            yield [event]


def _pause_before_next(error: KarenError, attempt: int) -> float | None:
    """Return seconds to wait before another attempt, or None when one makes no sense."""
    if isinstance(error, ProviderTimeout):
        return None  # a person has waited long already
    asked_s = error.retry_after_s if isinstance(error, ProviderUnavailable) else None
    # Full jitter: callers that failed together do not come back together.
    return pause_s(attempt, asked_s=asked_s, chance=secrets.randbelow(1000) / 1000)


async def probe() -> EngineHealth:
    """Say whether any model can be asked, by what is installed and configured.

    Cheap: asks no model, loads none, touches no network.
    """
    models = tuple(model.id for model in selectors.list_models())
    if models:
        count = len(models)
        return EngineHealth(ok=True, detail=f"{count} models, first {models[0]}", models=models)
    return EngineHealth(ok=False, detail=selectors.why_no_model())


def warm() -> str:
    """Load the model that turns get by default, if it runs in this process. Blocking.

    For the start of an inference worker, so that the first person does not wait for the file.

    Returns:
        The id of the loaded model; empty when there was nothing to load.

    Raises:
        ConfigurationError: The file was altered or does not load.
    """
    models = selectors.list_models()
    chosen = selectors.choose_route(model=None).model if models else None
    if chosen is None or not chosen.in_process:
        return ""
    registry.warm(chosen)
    return chosen.id


def warm_counter(*, in_process: bool) -> None:
    """Load the tokenizer of the model that turns get by default. Blocking.

    For the start of a worker that assembles prompts, so that the first turn does not wait.

    Args:
        in_process: Whether this worker answers with local models, or with remote ones.
    """
    models = selectors.list_models()
    chosen = selectors.choose_route(model=None).model if models else None
    if chosen is not None and chosen.in_process is in_process:
        selectors.token_counter(chosen).count("warm")


def warm_remote() -> None:
    """Make ready whatever reaches the configured remote models. Blocking, about half a second.

    For the start of a process: the vendors' SDKs are slow to import, and the first person of each
    process would wait for it.
    """
    for model in {model.provider: model for model in selectors.list_models()}.values():
        if not model.in_process:
            registry.adapter_for(model)
            registry.warm(model)
