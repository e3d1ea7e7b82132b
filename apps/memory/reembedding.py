"""Memories whose vector another embedding model made: made anew, and read meanwhile."""

from collections import Counter
from dataclasses import dataclass
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, Q

from apps.jobs import services as jobs
from apps.jobs.task import remaining_s
from apps.memory.contracts import PolicyView
from apps.memory.models import Memory, Utterance
from apps.memory.models.memories import LIVE
from apps.memory.services.embedding import RESERVE_S, embed_stale
from apps.providers import registry
from apps.providers.errors import NoModelAvailable

REEMBED_TASK = "memory.reembed"

# The nearest other models before and after the present one in the indexes of the subject's models:
# cheap where there is none, and of three models at once the third is found by its words.
_LOOK = """
SELECT said_count + memory_count, speakers,
    (SELECT max(embedding_model) FROM memory_memory WHERE subject_id = %(subject)s
        AND status IN ('active', 'consolidating')
        AND embedding_model < %(model)s AND embedding_model > ''),
    (SELECT min(embedding_model) FROM memory_memory WHERE subject_id = %(subject)s
        AND status IN ('active', 'consolidating') AND embedding_model > %(model)s),
    (SELECT max(embedding_model) FROM memory_utterance WHERE subject_id = %(subject)s
        AND embedding_model < %(model)s AND embedding_model > ''),
    (SELECT min(embedding_model) FROM memory_utterance WHERE subject_id = %(subject)s
        AND embedding_model > %(model)s),
    policy.semantic_half_life_days, policy.episodic_half_life_days,
    policy.procedural_half_life_days
FROM memory_subject LEFT JOIN memory_memorypolicy AS policy ON true
WHERE memory_subject.id = %(subject)s
ORDER BY policy.id LIMIT 1
"""
_DEFAULTS = PolicyView()
_HALF_LIVES = (
    float(_DEFAULTS.semantic_half_life_days),
    float(_DEFAULTS.episodic_half_life_days),
    float(_DEFAULTS.procedural_half_life_days),
)


@dataclass(frozen=True, slots=True)
class Look:
    """What there is about a subject: how much, said by whom, with vectors of which old models.

    Attributes:
        count: How many things can be recalled.
        half_lives: Of semantic, episodic and procedural memories, in days.
    """

    count: int = 0
    speakers: tuple[str, ...] = ()
    old_models: tuple[str, ...] = ()
    half_lives: tuple[float, ...] = _HALF_LIVES


def look(subject_id: UUID) -> Look:
    """Say what there is to recall. Only models that can still be asked are named. One statement."""
    present = _present_model()
    with connection.cursor() as cursor:
        cursor.execute(_LOOK, {"subject": subject_id, "model": present})
        row = cursor.fetchone()
    if row is None:
        return Look()
    count, speakers, *models = row[:-3]
    others = sorted({model for model in models if model}) if present else []
    return Look(
        count=count,
        speakers=tuple(speakers),
        old_models=tuple(model for model in others if registry.find_embedder(model) is not None),
        half_lives=_HALF_LIVES if row[-1] is None else tuple(map(float, row[-3:])),
    )


def count_by_model() -> dict[str, int]:
    """Return how many things there are by the model of their vector."""
    counts: Counter[str] = Counter()
    for rows in (Memory.objects.filter(LIVE), Utterance.objects.all()):
        found = rows.order_by().values_list("embedding_model").annotate(count=Count("pk"))
        counts.update(dict(found))
    return dict(counts)


def reembed() -> int:
    """Make the vectors anew that another model made, newest first; those without one as well.

    Harmless when it runs twice: a vector is written only while the text is the one that was read.
    Stops before the task's deadline; what is left is enqueued again.

    Returns:
        How many were written.
    """
    written = 0
    while present := _present_model():
        if remaining_s() < RESERVE_S:
            with transaction.atomic():
                jobs.enqueue_on_commit(REEMBED_TASK)
            break
        done = embed_stale(~Q(embedding_model=present) | Q(embedding__isnull=True))
        if not done:
            break  # nothing is left, or it changed under our hands: the schedule looks again
        written += done
    return written


def _present_model() -> str:
    try:
        return registry.embedder().model
    except NoModelAvailable:
        return ""
