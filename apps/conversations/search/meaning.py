"""Vectors of texts, for search; they may be missing, and search goes on without."""

import asyncio
from collections.abc import Sequence

from apps.conversations.models.search import DIMENSIONS
from apps.core.concurrency import run_async
from apps.core.errors import KarenError
from apps.core.logging import get_logger
from apps.providers import gateway
from apps.providers.contracts import Embedding, Flow

logger = get_logger(__name__)

QUERY_PATIENCE_S = 1.5  # somebody waits; the first call of a process loads the model


class NoVectors(Exception):
    """The embedding model is not installed, does not load, or does not answer in time."""


def vector_of_query(text: str) -> Embedding:
    """Return the vector of what somebody looks for.

    Raises:
        NoVectors: There is none, or not in time.
    """
    return _vectors([text], patience_s=QUERY_PATIENCE_S)[0]


def vectors_of_messages(texts: Sequence[str], *, patience_s: float) -> list[Embedding]:
    """Return the vectors of many texts, in order.

    Raises:
        NoVectors: There are none.
    """
    return _vectors(texts, patience_s=patience_s)


def _vectors(texts: Sequence[str], *, patience_s: float) -> list[Embedding]:
    async def ask() -> list[Embedding]:
        async with asyncio.timeout(patience_s):
            return await gateway.embed(flow=Flow.EMBED_TEXT, texts=texts)

    try:
        vectors = run_async(ask())
    except (KarenError, TimeoutError) as error:
        logger.info("search.no_vectors", reason=type(error).__name__)
        raise NoVectors from error
    if any(len(embedding.vector) != DIMENSIONS for embedding in vectors):
        logger.warning("search.vector_size", model=vectors[0].model, wanted=DIMENSIONS)
        raise NoVectors
    return vectors
