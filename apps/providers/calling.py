"""Reaching a model: through its breaker, with deadlines, again while nothing was said.

Failed attempts are repeated only while nothing was yielded: two halves of different answers are
never joined. What happens is counted for the breaker and for the measured profile of the model.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeAlias

from django.db import Error

from apps.core.concurrency import platform_db
from apps.core.errors import KarenError
from apps.core.logging import get_logger
from apps.providers import breaker, configuration, health, metrics, registry, sources
from apps.providers.accounting import Account
from apps.providers.configuration import Source
from apps.providers.contracts import (
    BatchingAdapter,
    Finished,
    ModelInfo,
    ModelRequest,
    ProviderEvent,
    UsageReport,
)
from apps.providers.domain.backoff import pause_s
from apps.providers.errors import (
    ConfigurationError,
    ProviderInterrupted,
    ProviderTimeout,
    ProviderUnavailable,
)
from apps.providers.services.refused_keys import note_key_refused

logger = get_logger(__name__)

MAX_ATTEMPTS = 3
DEADLINE_S = 600.0  # of a whole call, retries included
REFUSED_KEY_S = 30.0  # before a refused key of the installation is tried again
RETRY_WINDOW_S = 20.0  # no new attempt starts later than this after the call

Batches: TypeAlias = AsyncGenerator[list[ProviderEvent], None]

_FAILURES = (ProviderUnavailable, ProviderInterrupted, ConfigurationError)


async def call_model(request: ModelRequest, account: Account) -> Batches:
    """Ask the model of `account` and yield what it says, together what arrived together.

    Raises:
        ProviderUnavailable: It cannot be reached now, also after retries, or its breaker is open.
        ProviderTimeout: It did not begin to answer in time.
        ProviderInterrupted: It stopped before it said that it was finished.
        ProviderRejected: It refuses this request; `ContextTooLong` when it does not fit.
        ConfigurationError: Somebody must mend something.
    """
    model = account.model
    source = configuration.current().sources.get(model.source_id) if model.source_id else None
    _refuse_what_is_down(source)
    started = time.monotonic()
    deadline = asyncio.get_running_loop().time() + DEADLINE_S
    while True:
        # Outside the attempt: what the breaker refuses is not waited for, another model may answer.
        await _admit(model, account)
        begun = False
        account.tries += 1
        try:
            async with aclosing(_counted(model, request, deadline, account)) as batches:
                async for batch in batches:
                    begun = True
                    yield batch
            return
        except (ProviderUnavailable, ProviderInterrupted) as error:
            if begun:
                if isinstance(error, ProviderUnavailable):
                    raise ProviderInterrupted from error
                raise
            pause = _pause_before_next(error, account.tries)
            late = pause is None or time.monotonic() - started + pause > RETRY_WINDOW_S
            if pause is None or late or account.tries >= MAX_ATTEMPTS:
                raise
            metrics.RETRIES.labels(model.id, error.code).inc()
            logger.info("model.retry", model=model.id, cause=error.code, attempt=account.tries)
        await asyncio.sleep(pause)


def _refuse_what_is_down(source: Source | None) -> None:
    if source is None:
        return
    if source.simulate_failure:
        raise ProviderUnavailable
    if source.key_refused:
        raise ConfigurationError("the provider refuses its key: enter a new one", key_refused=True)


async def _admit(model: ModelInfo, account: Account) -> None:
    """Let an attempt through its model's breaker, or refuse it at once."""
    if registry.is_free(model):  # nobody to protect: it runs here
        account.step("breaker", "none")
        return
    try:
        await breaker.admit(health.place_of(model))
    except KarenError:
        account.step("breaker", "open")
        raise
    account.step("breaker", "closed")


async def _counted(
    model: ModelInfo, request: ModelRequest, deadline: float, account: Account
) -> Batches:
    """Ask once; count what comes of it, for the measured profile and the breaker."""
    started, first_ms = time.perf_counter(), None
    try:
        async with aclosing(_once(model, request, deadline)) as batches:
            async for batch in batches:
                if first_ms is None:
                    first_ms = (time.perf_counter() - started) * 1000
                if isinstance(batch[-1], Finished):
                    whole_ms = (time.perf_counter() - started) * 1000
                    _count_success(model, account, batch, first_ms, whole_ms - first_ms)
                    await breaker.note_success(health.place_of(model))
                yield batch
    except _FAILURES as error:
        account.step("call", error.code)
        health.note_failure(model, error)
        if not registry.is_free(model):
            await _tell_breaker(model, error)
        raise


async def _tell_breaker(model: ModelInfo, error: KarenError) -> None:
    place = health.place_of(model)
    if not isinstance(error, ConfigurationError):
        await breaker.note_failure(place, open_s=_open_for_s(error))
    elif error.key_refused and not await _is_written_down(sources.source_of(model)):
        # What else is misconfigured is not mended by waiting.
        await breaker.note_failure(place, open_s=REFUSED_KEY_S, key_refused=True)


async def _is_written_down(source: Source | None) -> bool:
    """Have every process know that a configured provider refuses its key, until it has another."""
    if source is None:
        return False
    try:
        await platform_db(note_key_refused, source)
    except Error:  # what the call ended with must not be lost to a note about it
        logger.exception("provider.refusal_not_written_down", provider=source.slug)
        return False
    return True


def _count_success(
    model: ModelInfo,
    account: Account,
    last: list[ProviderEvent],
    first_ms: float,
    writing_ms: float,
) -> None:
    account.step("call", "ok")
    reported = next((each.usage for each in last if isinstance(each, UsageReport)), None)
    usage = reported or account.usage  # some tell it together with the end, some before
    tokens = usage.completion_tokens if usage else 0
    health.note_success(
        model, first_ms=first_ms, tokens=tokens, writing_ms=writing_ms if tokens else 0.0
    )


def _open_for_s(error: KarenError) -> float:
    """Return for how long a failure alone closes the way to a model."""
    if isinstance(error, ProviderUnavailable) and error.rate_limited:
        return error.retry_after_s or 0.0
    return 0.0


async def _once(model: ModelInfo, request: ModelRequest, deadline: float) -> Batches:
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


async def _one_by_one(events: AsyncGenerator[ProviderEvent, None]) -> Batches:
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
