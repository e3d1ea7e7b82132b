"""When the embedding model changes: which vectors are still another model's, and making them anew.

Apps that keep vectors register each table as a collection (`registry.register_collection`). A
collection's own task brings it up to date in batches that may run twice; until it is done whoever
searches asks the old vectors with the old model, where that is still usable, and never compares
vectors of two models.
"""

from dataclasses import dataclass

from django.db import transaction

from apps.core import scope
from apps.core.scope import TenantRef
from apps.jobs import services as jobs
from apps.providers import metrics, registry
from apps.providers.errors import NoModelAvailable
from apps.tenants import selectors as tenants


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a collection of the tenant in scope is.

    Attributes:
        collection: Its name.
        total: Rows that should have a vector.
        current: Those that have one of the present model.
        other: The rest, by the model of the vector they have; the empty name for none.
    """

    collection: str
    total: int
    current: int
    other: dict[str, int]

    @property
    def waiting(self) -> int:
        """Rows that wait for a vector of the present model."""
        return self.total - self.current


def present_model() -> str:
    """Return the id of the embedding model that is used; empty when none is usable."""
    try:
        return registry.embedder().model
    except NoModelAvailable:
        return ""


def list_progress() -> tuple[Progress, ...]:
    """Return how far each collection of the tenant in scope is; counts its rows."""
    present = present_model()
    return tuple(_progress(each, present) for each in registry.collections())


def _progress(collection: registry.Collection, present: str) -> Progress:
    counts = dict(collection.count_by_model())
    total = sum(counts.values())
    current = counts.pop(present, 0) if present else 0
    return Progress(collection=collection.name, total=total, current=current, other=counts)


@transaction.atomic
def enqueue_reembedding() -> tuple[Progress, ...]:
    """Have what waits in the tenant in scope be embedded; enqueued twice it is done once.

    Returns:
        What waits.
    """
    waiting = tuple(each for each in list_progress() if each.waiting)
    if not present_model():
        return ()  # the tasks would find nobody to ask
    names = {each.collection for each in waiting}
    for collection in registry.collections():
        if collection.name in names:
            jobs.enqueue_on_commit(collection.task)
    return waiting


def catch_up() -> None:
    """Enqueue what waits anywhere, and measure how much that is; called by the schedule."""
    totals = {collection.name: 0 for collection in registry.collections()}
    for ref in tenants.list_refs():
        with scope.tenant_scope(ref):
            for each in enqueue_reembedding():
                totals[each.collection] += each.waiting
    metrics.note_waiting(totals)


def refs_of(slug: str | None) -> list[TenantRef]:
    """Return one active workspace, or all of them.

    Raises:
        LookupError: There is no such workspace.
    """
    refs = [ref for ref in tenants.list_refs() if slug in {None, ref.slug}]
    if not refs and slug is not None:
        raise LookupError(slug)
    return refs
