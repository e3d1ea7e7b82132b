"""Background work of memory."""

from uuid import UUID

from apps.jobs.task import global_task, tenant_task
from apps.memory import analytics, quality, reembedding, services
from apps.memory.analytics.exporting import EXPORT_TASK
from apps.memory.services.vector_indexes import INDEX_VECTORS_TASK


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


@tenant_task(
    name=INDEX_VECTORS_TASK,
    queue="default",
    deadline_s=600,
    expires_s=24 * 3600,
    idempotency="state",
)
def index_vectors() -> None:
    """Make and remove approximate indexes for those whose vectors are very many."""
    services.keep_vector_indexes()


@tenant_task(
    name=EXPORT_TASK,
    queue="default",
    deadline_s=300,
    expires_s=3600,
    idempotency="files are replaced by equal ones",
)
def export_analytics() -> None:
    """Write the files that analytics reads, in one workspace."""
    analytics.export()


@global_task(
    name="memory.export_all_analytics",
    queue="default",
    deadline_s=120,
    expires_s=3600,
    idempotency="state",
)
def export_all_analytics() -> None:
    """Have every workspace exported."""
    analytics.export_all()


@global_task(
    name="memory.sample_recall_quality",
    queue="gpu.consolidation",
    deadline_s=600,
    expires_s=3600,
    idempotency="asks again",
)
def sample_recall_quality() -> None:
    """Measure on a sample how well recall finds what is remembered."""
    quality.sample_all()


@tenant_task(
    name="memory.sweep",
    queue="default",
    deadline_s=600,
    expires_s=3600,
    idempotency="state",
)
def sweep() -> None:
    """Expire, archive and erase what is over, in one workspace."""
    services.sweep_memories()


@global_task(
    name="memory.sweep_all",
    queue="default",
    deadline_s=300,
    expires_s=3600,
    idempotency="state",
)
def sweep_all() -> None:
    """Have every workspace swept."""
    services.sweep_workspaces()


@tenant_task(
    name="memory.consolidate",
    queue="gpu.consolidation",
    deadline_s=600,
    expires_s=24 * 3600,
    idempotency="memories are claimed; what was made one is one",
)
def consolidate(*, subject_id: str = "", after: str = "") -> None:
    """Make one memory of several, of one subject or of all of a workspace."""
    if subject_id:
        services.consolidate(subject_id=UUID(subject_id))
    else:
        services.consolidate_workspace(after=UUID(after) if after else None)


@global_task(
    name="memory.consolidate_all",
    queue="default",
    deadline_s=300,
    expires_s=3600,
    idempotency="state",
)
def consolidate_all() -> None:
    """Have every workspace consolidated."""
    services.consolidate_workspaces()
