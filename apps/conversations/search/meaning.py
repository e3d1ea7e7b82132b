"""Vectors of texts, for search; they may be missing, and search goes on without."""

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID

from django.db.models import QuerySet

from apps.conversations.models.search import DIMENSIONS, MessageIndex, MessageVector
from apps.core import scope
from apps.core.concurrency import run_async
from apps.core.errors import KarenError
from apps.core.logging import get_logger
from apps.providers import gateway, registry
from apps.providers.contracts import Embedding, Flow

logger = get_logger(__name__)

QUERY_PATIENCE_S = 1.5  # somebody waits; the first call of a process loads the model


class NoVectors(Exception):
    """The embedding model is not installed, does not load, or does not answer in time."""


def vector_of_query(text: str, *, model: str = "", is_sensitive: bool = False) -> Embedding:
    """Return the vector of what somebody looks for, by the present model or an old one.

    Raises:
        NoVectors: There is none, or not in time, or only one that the text may not go to.
    """
    vectors = _vectors([text], patience_s=QUERY_PATIENCE_S, model=model, is_sensitive=is_sensitive)
    return vectors[0]


def vectors_of_messages(texts: Sequence[str], *, patience_s: float) -> list[Embedding]:
    """Return the vectors of many texts, in order.

    Raises:
        NoVectors: There are none.
    """
    return _vectors(texts, patience_s=patience_s)


def _vectors(
    texts: Sequence[str], *, patience_s: float, model: str = "", is_sensitive: bool = False
) -> list[Embedding]:
    async def ask() -> list[Embedding]:
        async with asyncio.timeout(patience_s):
            return await gateway.embed(
                flow=Flow.EMBED_TEXT, texts=texts, model=model, is_sensitive=is_sensitive
            )

    try:
        vectors = run_async(ask())
    except (KarenError, TimeoutError) as error:
        logger.info("search.no_vectors", reason=type(error).__name__)
        raise NoVectors from error
    if any(len(embedding.vector) != DIMENSIONS for embedding in vectors):
        logger.warning("search.vector_size", model=vectors[0].model, wanted=DIMENSIONS)
        raise NoVectors
    return vectors


def embeddable(entries: QuerySet[MessageIndex]) -> QuerySet[MessageIndex]:
    """Return those that the present model may see: marked ones stay in this installation."""
    return entries.exclude(conversation__sensitive=True) if registry.embeds_elsewhere() else entries


# -- vectors of an old model, until they are made anew

_OLD_S = 60.0  # to notice that they are done, or (another process's setting) that there are some
_old: dict[tuple[UUID, str], tuple[float, tuple[str, ...]]] = {}


def list_old_models(present: str) -> tuple[str, ...]:
    """Return the models other than `present` that vectors here are of, and that can still be asked.

    Known for a minute: it reads every vector's row.
    """
    place = (scope.require().id, present)
    known = _old.get(place)
    if known is None or known[0] < time.monotonic():
        rows = MessageVector.objects.exclude(model=present).order_by("model")
        models = tuple(rows.values_list("model", flat=True).distinct())
        known = _old[place] = (time.monotonic() + _OLD_S, models)
    return tuple(model for model in known[1] if registry.find_embedder(model) is not None)


def forget_old_models() -> None:
    """Look again at the next search."""
    _old.clear()
