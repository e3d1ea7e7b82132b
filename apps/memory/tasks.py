"""Background work of memory."""

from apps.jobs.task import tenant_task
from apps.memory import reembedding, services


@tenant_task(
    name="memory.embed_waiting",
    queue="gpu.embedding",
    deadline_s=300,
    expires_s=3600,
    idempotency="only rows without a vector",
)
def embed_waiting() -> None:
    """Compute the vectors that are missing."""
    services.embed_waiting()


@tenant_task(
    name=reembedding.REEMBED_TASK,
    queue="gpu.embedding",
    deadline_s=300,
    expires_s=3600,
    idempotency="only rows without a vector of the present model",
)
def reembed() -> None:
    """Make vectors anew that another model made."""
    reembedding.reembed()
