"""The embedding half of the gateway: texts in, vectors of unit length out.

Other apps call it as `gateway.embed`.
"""

import contextlib
import time
from collections.abc import Sequence

from apps.core.concurrency import run_async
from apps.core.errors import KarenError
from apps.providers import metrics, registry
from apps.providers.contracts import Embedding, Flow
from apps.providers.errors import NoModelAvailable, ProviderRejected

MAX_EMBED_TEXTS = 1024

# Memory, search and tools embed one question within a moment; a vector depends on its text and
# model alone, so nobody learns anything from meeting another's.
_RECENT_MAX = 256
_RECENT_CHARACTERS = 4_000
_recent: dict[tuple[str, str], Embedding] = {}


async def embed(*, flow: Flow, texts: Sequence[str]) -> list[Embedding]:
    """Return one vector of unit length per text, in order.

    Args:
        flow: Why the model is called.
        texts: At most `MAX_EMBED_TEXTS`. What is longer than the model's window is cut at its end.

    Raises:
        NoModelAvailable: No embedding model is installed.
        ProviderRejected: Too many texts.
        ConfigurationError: The model does not load.
    """
    if not texts:
        return []
    if len(texts) > MAX_EMBED_TEXTS:
        raise ProviderRejected
    embedder = registry.embedder()
    known = _recent.get((embedder.model, texts[0])) if len(texts) == 1 else None
    if known is not None:
        return [known]
    started = time.perf_counter()
    status = "closed"
    try:
        vectors = await registry.embedding_adapter_for(embedder).embed(texts)
        status = "ok"
    except KarenError as error:
        status = error.code
        raise
    finally:
        metrics.OPERATIONS.labels(flow.value, embedder.model, status).inc()
        elapsed = time.perf_counter() - started
        metrics.DURATION.labels(flow.value, embedder.model).observe(elapsed)
    made = [Embedding(vector=vector, model=embedder.model) for vector in vectors]
    if len(made) == 1 and len(texts[0]) <= _RECENT_CHARACTERS:
        _recent[embedder.model, texts[0]] = made[0]
        while len(_recent) > _RECENT_MAX:
            _recent.pop(next(iter(_recent)), None)
    return made


def warm_embedder() -> None:
    """Load what turns texts into vectors, if it is installed. Blocking, a second or two.

    For the start of a worker: its import would hold up every answer that is being written.
    """
    with contextlib.suppress(NoModelAvailable):
        adapter = registry.embedding_adapter_for(registry.embedder())
        run_async(adapter.embed(["warm"]))
