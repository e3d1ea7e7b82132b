"""The embedding half of the gateway: texts in, vectors of unit length out.

Other apps call it as `gateway.embed`. Equal texts are asked once, and what was made before is
taken from the cache. A remote model is asked in pieces, again where it fails for a moment, and a
second time where it takes unusually long; nothing of this has effects, so nothing happens twice.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from apps.core import scope
from apps.core.clock import now
from apps.core.concurrency import run_async
from apps.core.errors import KarenError
from apps.core.logging import get_logger
from apps.providers import metrics, registry
from apps.providers.contracts import NOBODY, Embedding, Flow, Origin, Usage, VectorBatch
from apps.providers.domain.backoff import pause_s
from apps.providers.domain.estimates import estimated_tokens
from apps.providers.errors import (
    NoModelAvailable,
    ProviderInterrupted,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    RouteRefused,
)
from apps.providers.hedging import Hedge
from apps.providers.ledger import CallRecord, record_call
from apps.providers.pricing import embedding_tariff
from apps.providers.vectors import known_vectors

if TYPE_CHECKING:
    from array import array  # not subscriptable at run time before Python 3.12

logger = get_logger(__name__)

MAX_EMBED_TEXTS = 1024

_PIECE_TEXTS = 128
_PIECE_CHARACTERS = 200_000  # far below the 300,000 tokens that OpenAI takes at once
_ATTEMPTS = 3
_DEADLINE_S = 60.0  # of one piece, attempts included

# By model and whether one text was asked for: a question's time says nothing about a batch's.
_hedges: dict[tuple[str, bool], Hedge] = {}


async def embed(
    *,
    flow: Flow,
    texts: Sequence[str],
    model: str = "",
    is_sensitive: bool = False,
    origin: Origin = NOBODY,
) -> list[Embedding]:
    """Return one vector of unit length per text, in order.

    Args:
        flow: Why the model is called.
        texts: At most `MAX_EMBED_TEXTS`. What is longer than the model's window is cut at its end.
        model: Which embedding model; the one that is used when empty.
        is_sensitive: The texts may not leave this installation.
        origin: On whose behalf, for the ledger: it has a row of what was asked over a network or
            by a program. What Karen embeds for itself, here, costs nothing and has none.

    Raises:
        NoModelAvailable: It is not installed or not usable.
        RouteRefused: It is asked over a network, and the texts are sensitive.
        ProviderRejected: Too many texts, or the model refuses one.
        ProviderUnavailable: It cannot be reached now, also after retries; or `ProviderTimeout`.
        ProviderInterrupted: It answered something else than what was asked.
        ConfigurationError: It does not load, or the operator must mend something.
    """
    if not texts:
        return []
    if len(texts) > MAX_EMBED_TEXTS:
        raise ProviderRejected
    embedder = _embedder(model)
    if is_sensitive and embedder.remote:
        raise RouteRefused(
            reasons=[f"{embedder.model}: the content is sensitive and may not leave"],
            local_only=True,
        )
    wanted = list(dict.fromkeys(texts))
    known = await known_vectors.find(embedder.model, embedder.dimensions, wanted)
    missing = [text for text in wanted if text not in known]
    if missing:
        made = dict(zip(missing, await _made(flow, embedder, missing, origin), strict=True))
        await known_vectors.keep(embedder.model, made)
        known |= made
    return [Embedding(vector=known[text], model=embedder.model) for text in texts]


def _embedder(model: str) -> registry.Embedder:
    if not model:
        return registry.embedder()
    found = registry.find_embedder(model)
    if found is None:
        raise NoModelAvailable(f"the embedding model {model} is not usable any more")
    return found


async def _made(
    flow: Flow, embedder: registry.Embedder, texts: Sequence[str], origin: Origin
) -> "list[array[float]]":
    at, started = now(), time.perf_counter()
    status, usage = "closed", None
    try:
        batch = await _asked(embedder, texts)
        status, usage = "ok", _usage_of(batch, texts)
        metrics.TOKENS.labels(flow.value, embedder.model, "prompt").inc(usage.prompt_tokens)
    except KarenError as error:
        status = error.code
        raise
    finally:
        metrics.OPERATIONS.labels(flow.value, embedder.model, status).inc()
        elapsed = time.perf_counter() - started
        metrics.DURATION.labels(flow.value, embedder.model).observe(elapsed)
        if embedder.remote or flow is Flow.API_EMBEDDING:
            tenant = scope.current()
            record_call(
                CallRecord(
                    tenant_id=tenant.id if tenant else None,
                    flow=flow,
                    model=embedder.model,
                    provider=embedder.model.partition("/")[0],
                    started_at=at,
                    status=status,
                    usage=usage,
                    tariff=embedding_tariff(embedder.model, is_free=not embedder.remote),
                    origin=origin,
                    total_ms=round(elapsed * 1000),
                    correlation_id=scope.correlation_id(),
                )
            )
    return batch.vectors


def _usage_of(batch: VectorBatch, texts: Sequence[str]) -> Usage:
    tokens = batch.tokens
    if tokens is None:
        tokens = sum(estimated_tokens(len(text.encode(errors="replace"))) for text in texts)
    return Usage(prompt_tokens=tokens, completion_tokens=0, estimated=batch.tokens is None)


async def _asked(embedder: registry.Embedder, texts: Sequence[str]) -> VectorBatch:
    adapter = registry.embedding_adapter_for(embedder)
    if not embedder.remote:
        return await adapter.embed(texts)
    vectors: list[array[float]] = []
    tokens: int | None = 0
    for piece in pieces_of(texts):
        batch = await _with_retries(embedder, piece)
        vectors += batch.vectors
        tokens = None if tokens is None or batch.tokens is None else tokens + batch.tokens
    return VectorBatch(vectors=vectors, tokens=tokens)


def pieces_of(texts: Sequence[str]) -> Iterator[list[str]]:
    """Yield the texts in order, as many together as a provider takes at once."""
    piece: list[str] = []
    characters = 0
    for text in texts:
        full = len(piece) >= _PIECE_TEXTS or characters + len(text) > _PIECE_CHARACTERS
        if piece and full:
            yield piece
            piece, characters = [], 0
        piece.append(text)
        characters += len(text)
    if piece:
        yield piece


async def _with_retries(embedder: registry.Embedder, texts: list[str]) -> VectorBatch:
    adapter = registry.embedding_adapter_for(embedder)
    hedge = _hedges.setdefault((embedder.model, len(texts) == 1), Hedge())
    attempt = 1
    try:
        async with asyncio.timeout(_DEADLINE_S):
            while True:
                try:
                    return await hedge.first_of(lambda: adapter.embed(texts))
                except (ProviderUnavailable, ProviderInterrupted) as error:
                    asked_s = getattr(error, "retry_after_s", None)
                    pause = pause_s(attempt, asked_s=asked_s, chance=secrets.randbelow(1000) / 1000)
                    if pause is None or attempt >= _ATTEMPTS:
                        raise
                    metrics.RETRIES.labels(embedder.model, error.code).inc()
                    logger.info("embedding.retry", model=embedder.model, cause=error.code)
                attempt += 1
                await asyncio.sleep(pause)
    except TimeoutError as error:
        raise ProviderTimeout from error


def warm_embedder() -> None:
    """Load what turns texts into vectors, if it runs in this process. Blocking, a second or two.

    For the start of a worker: its import would hold up every answer that is being written.
    """
    with contextlib.suppress(NoModelAvailable):
        embedder = registry.embedder()
        if not embedder.remote:
            run_async(registry.embedding_adapter_for(embedder).embed(["warm"]))
