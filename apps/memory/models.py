"""What is remembered."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models
from django.db.models import Q
from pgvector.django import HalfVectorField
from typing_extensions import override

from apps.core.clock import now
from apps.core.ids import new_id
from apps.memory.contracts import (
    IMPORTANCE_DEFAULT,
    IMPORTANCE_MAX,
    IMPORTANCE_MIN,
    MemoryKind,
    MemoryStatus,
)

EMBEDDING_DIMENSIONS = 384


class Memory(models.Model):
    """One thing the assistant remembers about one person.

    Attributes:
        subject_id: The person it is about, who alone may see and change it.
        content_hash: Equal for texts that say the same; one active memory says it once.
        embedding: The text's vector; null until it was computed, and vectors of different models
            are never compared.
        pinned_at: When the person asked that every prompt holds it.
        source_message_ids: The messages it was taken from.
        words: The text for full-text search, kept by PostgreSQL itself.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    subject_id = models.UUIDField()
    text = models.TextField()
    kind = models.CharField(max_length=16, default=MemoryKind.SEMANTIC.value)
    importance = models.PositiveSmallIntegerField(default=IMPORTANCE_DEFAULT)
    confidence = models.FloatField(default=1.0)
    pinned_at = models.DateTimeField(null=True)
    source_message_ids = ArrayField(models.UUIDField(), default=list)
    content_hash = models.CharField(max_length=64)
    embedding = HalfVectorField(dimensions=EMBEDDING_DIMENSIONS, null=True)
    embedding_model = models.CharField(max_length=100, blank=True)
    status = models.CharField(max_length=16, default=MemoryStatus.ACTIVE.value)
    words = models.GeneratedField(
        expression=SearchVector("text", config="english"),
        output_field=SearchVectorField(),
        db_persist=True,
    )
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now)
    last_used_at = models.DateTimeField(null=True)
    use_count = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("id",)
        default_permissions = ()
        indexes = (
            models.Index(
                fields=("subject_id", "embedding_model"),
                condition=Q(status=MemoryStatus.ACTIVE.value),
                name="memory_of_subject",
            ),
            GinIndex(fields=("words",), name="memory_words"),
            models.Index(
                fields=("id",),
                condition=Q(embedding__isnull=True, status=MemoryStatus.ACTIVE.value),
                name="memory_to_embed",
            ),
        )
        constraints = (
            models.UniqueConstraint(
                fields=("subject_id", "content_hash"),
                condition=Q(status=MemoryStatus.ACTIVE.value),
                name="memory_said_once",
            ),
            models.CheckConstraint(
                condition=Q(importance__gte=IMPORTANCE_MIN, importance__lte=IMPORTANCE_MAX),
                name="memory_importance",
            ),
            models.CheckConstraint(
                condition=Q(confidence__gte=0, confidence__lte=1), name="memory_confidence"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=sorted(kind.value for kind in MemoryKind)),
                name="memory_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(status__in=sorted(status.value for status in MemoryStatus)),
                name="memory_status_known",
            ),
        )

    @override
    def __str__(self) -> str:
        return f"{self.kind} memory {self.id}"
