"""Memories: what they say, what they rest on, whom they mention, how they changed."""

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
    EntityKind,
    MemoryKind,
    MemoryOrigin,
    MemoryStatus,
    Namespace,
    Priority,
)
from apps.memory.models.said import EMBEDDING_DIMENSIONS, Subject

_USED = (MemoryStatus.ACTIVE.value, MemoryStatus.CONSOLIDATING.value)
LIVE = Q(status__in=_USED)  # what recall finds; what is superseded is archived


class Memory(models.Model):
    """One thing the assistant remembers about one subject.

    It is bitemporal: `valid_from` to `valid_to` is when it was true, `created_at` to `retired_at`
    when Karen believed it.

    Attributes:
        subject_id: Whose it is: the id of a `Subject`.
        place: Negative, unique within the subject: its place in the index of words. Null until it
            is indexed, and for what is not live.
        content_hash: Equal for texts that say the same; one live memory says it once.
        words_count: How many words of the text are indexed.
        embedding: The text's vector; null until it was computed, and vectors of different models
            are never compared. What is not live has none.
        pinned_at: When the person asked that every prompt holds it.
        slot: What a single-valued fact is about, such as `self.home`; empty for others.
        value: What it says of the slot, in lower case.
        source_message_ids: The messages it was taken from.
        proof_count: How often it was said.
        retired_at: When it stopped being believed: superseded, archived or expired.
        words: The text for full-text search, kept by PostgreSQL itself.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    subject_id = models.UUIDField()
    place = models.IntegerField(null=True)
    text = models.TextField()
    kind = models.CharField(max_length=16, default=MemoryKind.SEMANTIC.value)
    namespace = models.CharField(max_length=16, default=Namespace.LONG_TERM.value)
    origin = models.CharField(max_length=16, default=MemoryOrigin.PERSON.value)
    priority = models.PositiveSmallIntegerField(default=Priority.MEDIUM.value)
    importance = models.PositiveSmallIntegerField(default=IMPORTANCE_DEFAULT)
    confidence = models.FloatField(default=1.0)
    pinned_at = models.DateTimeField(null=True)
    slot = models.CharField(max_length=120, blank=True)
    value = models.CharField(max_length=200, blank=True)
    conversation_id = models.UUIDField(null=True)
    source_message_ids = ArrayField(models.UUIDField(), default=list)
    proof_count = models.PositiveIntegerField(default=1)
    valid_from = models.DateTimeField(null=True)
    valid_to = models.DateTimeField(null=True)
    superseded_by = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="supersedes"
    )
    expires_at = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)
    content_hash = models.CharField(max_length=64)
    words_count = models.PositiveSmallIntegerField(default=0)
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
                fields=("subject_id", "embedding_model"), condition=LIVE, name="memory_live_of_subject"
            ),
            models.Index(
                fields=("subject_id", "slot"),
                condition=LIVE & ~Q(slot=""),
                name="memory_slot_of_subject",
            ),
            GinIndex(fields=("words",), name="memory_words"),
            models.Index(
                fields=("id",),
                condition=LIVE & (Q(embedding__isnull=True) | Q(place__isnull=True)),
                name="memory_waiting",
            ),
            models.Index(
                fields=("expires_at",),
                condition=LIVE & Q(expires_at__isnull=False),
                name="memory_to_expire",
            ),
        )
        constraints = (
            models.UniqueConstraint(
                fields=("subject_id", "content_hash"), condition=LIVE, name="memory_once"
            ),
            models.UniqueConstraint(fields=("subject_id", "place"), name="memory_in_place"),
            models.CheckConstraint(condition=Q(place__lt=0), name="memory_place"),
            models.CheckConstraint(
                condition=Q(importance__gte=IMPORTANCE_MIN, importance__lte=IMPORTANCE_MAX),
                name="memory_importance",
            ),
            models.CheckConstraint(
                condition=Q(confidence__gte=0, confidence__lte=1), name="memory_confidence"
            ),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True)
                | Q(valid_from__isnull=True)
                | Q(valid_to__gte=models.F("valid_from")),
                name="memory_validity",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=sorted(kind.value for kind in MemoryKind)),
                name="memory_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(namespace__in=sorted(space.value for space in Namespace)),
                name="memory_namespace_known",
            ),
            models.CheckConstraint(
                condition=Q(origin__in=sorted(origin.value for origin in MemoryOrigin)),
                name="memory_origin_known",
            ),
            models.CheckConstraint(
                condition=Q(status__in=sorted(status.value for status in MemoryStatus)),
                name="memory_status_known",
            ),
        )

    @override
    def __str__(self) -> str:
        return f"{self.kind} memory {self.id}"

    @property
    def is_live(self) -> bool:
        """Whether recall finds it."""
        return self.status in _USED


class Evidence(models.Model):
    """Words that a memory rests on.

    Attributes:
        message_id: Where they stand; null where a person told it by command or page.
        quote: Taken from the message letter by letter.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    memory = models.ForeignKey(Memory, on_delete=models.CASCADE, related_name="evidence")
    message_id = models.UUIDField(null=True, db_index=True)
    speaker = models.CharField(max_length=120, blank=True)
    quote = models.TextField()
    said_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ("said_at", "id")
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=("memory", "message_id"), name="memory_evidence_once"),
        )

    @override
    def __str__(self) -> str:
        return f"evidence {self.pk}"


class Entity(models.Model):
    """A person, place, organisation or thing that a subject's memories name.

    Attributes:
        name: As it was first written.
        key: The name in lower case, by which it is known.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    subject = models.ForeignKey(Subject, on_delete=models.CASCADE, db_index=False)
    name = models.CharField(max_length=120)
    key = models.CharField(max_length=120)
    kind = models.CharField(max_length=16, default=EntityKind.THING.value)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ("key",)
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=("subject", "key"), name="memory_entity_once"),
            models.CheckConstraint(
                condition=Q(kind__in=sorted(kind.value for kind in EntityKind)),
                name="memory_entity_kind_known",
            ),
        )

    @override
    def __str__(self) -> str:
        return f"entity {self.pk}"


class Mention(models.Model):
    """A memory names an entity."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    memory = models.ForeignKey(Memory, on_delete=models.CASCADE, related_name="mentions")
    entity = models.ForeignKey(Entity, on_delete=models.CASCADE, related_name="mentions")

    class Meta:
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=("memory", "entity"), name="memory_mention_once"),
        )

    @override
    def __str__(self) -> str:
        return f"mention {self.pk}"


class MemoryVersion(models.Model):
    """What a memory was before a change.

    Attributes:
        number: 1 for what it was at first.
        before: The values that changed, by field, as they were; times in ISO 8601.
        reason: Why, in a word or a sentence: `edited`, `superseded`, `decay`.
        by: Who changed it, by name.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    memory = models.ForeignKey(Memory, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    before = models.JSONField()
    reason = models.CharField(max_length=200)
    by = models.CharField(max_length=120, blank=True)
    changed_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ("number",)
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=("memory", "number"), name="memory_version_once"),
        )

    @override
    def __str__(self) -> str:
        return f"version {self.number} of memory {self.memory_id}"
