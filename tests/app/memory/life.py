"""What tests of the life of memories share."""

from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from hashlib import blake2b
from uuid import UUID

import numpy as np
from django.db import transaction

from apps.accounts.permissions import MEMORY_WRITE
from apps.core import scope
from apps.core.clock import now
from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef
from apps.memory import services
from apps.memory.contracts import MemoryKind, MemoryStatus
from apps.memory.models import Entity, Evidence, Memory, Mention, Posting, Subject
from apps.memory.models.memories import LIVE
from apps.memory.services.subjects import locked_subject
from apps.providers import registry
from apps.providers.contracts import VectorBatch
from tests.app.memory.laws import MARK

WORDS_MODEL = "test/words"


class WordsAdapter:
    """Vectors by words alone: equal words in any order are equal, one word of ten is 0.9.

    Marks (`laws`) count for nothing, so that what only a mark sets apart says the same.
    """

    async def embed(self, texts: Sequence[str]) -> VectorBatch:
        return VectorBatch(vectors=[_vector(text) for text in texts], tokens=len(texts))


def _vector(text: str) -> "array[float]":
    vector = np.zeros(384)
    for word in MARK.sub("", text.casefold()).replace(".", "").split():
        place = int.from_bytes(blake2b(word.encode(), digest_size=4).digest()) % 384
        vector[place] += 1
    size = float(np.linalg.norm(vector)) or 1.0
    return array("f", vector / size)


@contextmanager
def words_model() -> Iterator[None]:
    """Have vectors made by `WordsAdapter` for a while."""
    present = registry.embedder()
    words = registry.Embedder(
        model=WORDS_MODEL, dimensions=384, why_absent=lambda: "", adapter=WordsAdapter
    )
    registry.register_embedder(replace(present, why_absent=lambda: "taken away by a test"))
    registry.register_embedder(words)
    try:
        yield
    finally:
        registry.register_embedder(present)
        registry.register_embedder(replace(words, why_absent=lambda: "of a test that is over"))


@contextmanager
def acting(tenant: TenantRef, actor: Actor) -> Iterator[UUID]:
    """Work in a tenant as somebody; yields whose memories these are."""
    assert actor.id is not None
    with scope.tenant_scope(tenant), scope.actor_scope(actor), scope.correlation_scope():
        yield actor.id


def keep(actor: Actor, text: str, **values: object) -> UUID:
    """Remember something; `values` are set as no service sets them, such as `created_at`."""
    kind = MemoryKind(str(values.pop("kind", "semantic")))
    kept = services.remember(actor=actor, permission=MEMORY_WRITE, text=text, kind=kind)
    if values:
        Memory.objects.filter(pk=kept.memory.id).update(**values)
    return kept.memory.id


def aged(days: float) -> dict[str, object]:
    """Values of a memory that was learnt so many days ago and never used."""
    return {"created_at": now() - timedelta(days=days)}


def prove(memory_id: UUID, quote: str) -> UUID:
    """Add evidence, as extraction does; return the message's id."""
    message_id = new_id()
    Evidence.objects.create(memory_id=memory_id, message_id=message_id, quote=quote)
    return message_id


def mention(memory_id: UUID, name: str) -> UUID:
    """Have a memory mention somebody, as extraction does."""
    memory = Memory.objects.get(pk=memory_id)
    entity, _made = Entity.objects.get_or_create(
        subject_id=memory.subject_id, key=name.casefold(), defaults={"name": name}
    )
    Mention.objects.get_or_create(memory=memory, entity=entity)
    return entity.pk


def statuses() -> dict[str, str]:
    """Return the status of each memory of the tenant in scope by its text."""
    return dict(Memory.objects.values_list("text", "status"))


def live_texts() -> list[str]:
    """Return the texts of what is live in the tenant in scope, sorted."""
    return sorted(Memory.objects.filter(LIVE).values_list("text", flat=True))


def picture() -> list[object]:
    """Return everything about the memories in scope but versions and vectors: equal is the same."""
    names = [
        field.attname
        for field in Memory._meta.concrete_fields
        if field.attname not in {"updated_at", "place", "words", "embedding", "embedding_model"}
    ]
    rows = Memory.objects.order_by("pk").values_list(*names)
    said = Evidence.objects.order_by("pk").values_list("pk", "memory_id", "quote")
    named = Mention.objects.order_by("pk").values_list("pk", "memory_id", "entity_id")
    words = (
        Posting.objects.filter(place__lt=0)
        .values_list("subject_id", "lexeme")
        .order_by("subject_id", "lexeme")
    )
    counts = Subject.objects.order_by("pk").values_list("pk", "memory_count", "memory_words")
    return [list(each) for each in (rows, said, named, words, counts)]


def claim(memory_id: UUID) -> None:
    """Leave a memory as a consolidation leaves it whose process died long ago."""
    with transaction.atomic():
        locked_subject(Memory.objects.get(pk=memory_id).subject_id)
        Memory.objects.filter(pk=memory_id).update(status=MemoryStatus.CONSOLIDATING)
