"""Whose memory it is, what was said word for word, and the index of words over both.

Each thing that can be recalled has a `place`, unique within its subject: what was said has the
session and the position in it (`session * SESSION_SIZE + position`), so neighbours are one apart
and the two ends of a session touch nothing; memories have negative places.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from pgvector.django import HalfVectorField
from typing_extensions import override

from apps.core.clock import now
from apps.memory.contracts import SubjectKind

EMBEDDING_DIMENSIONS = 384
SESSION_SIZE = 1024  # positions 1 to 1022 are used


class Subject(models.Model):
    """Whose memory it is; its row is locked by whoever writes into the index.

    Attributes:
        id: The id of the person, workspace, persona or conversation.
        said_count: How many utterances are indexed.
        said_words: How many words they have together.
        memory_count: How many live memories are indexed.
        memory_words: How many words they have together.
        last_session: The session that was last begun.
        last_memory: How many places were given to memories.
        speakers: The names of who spoke; what was said holds numbers of these.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    kind = models.CharField(max_length=16, default=SubjectKind.PERSON.value)
    said_count = models.PositiveIntegerField(default=0)
    said_words = models.PositiveBigIntegerField(default=0)
    memory_count = models.PositiveIntegerField(default=0)
    memory_words = models.PositiveBigIntegerField(default=0)
    last_session = models.PositiveIntegerField(default=0)
    last_memory = models.PositiveIntegerField(default=0)
    speakers = ArrayField(models.CharField(max_length=120), default=list)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        default_permissions = ()
        constraints = (
            models.CheckConstraint(
                condition=Q(kind__in=sorted(kind.value for kind in SubjectKind)),
                name="memory_subject_kind_known",
            ),
        )

    @override
    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class Utterance(models.Model):
    """One message as memory keeps it: the text and where it stood.

    Attributes:
        id: The message's.
        place: See the module.
        speaker: The number in `Subject.speakers` of who said it.
        words: How many words of the text are indexed.
        asks: It ends with a question mark.
        has_time: It names a date or a time.
        cohesion: Mean cosine with the two turns before and after in the session; 0 until they have
            vectors.
        about_from: The first day that its time expressions mean; null where it has none.
        about_to: The last such day.
        embedding: The text's vector, without the speaker's name; null until it was computed.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    subject = models.ForeignKey(Subject, on_delete=models.CASCADE, db_index=False)
    conversation_id = models.UUIDField(db_index=True)
    place = models.IntegerField()
    speaker = models.PositiveSmallIntegerField()
    by_assistant = models.BooleanField(default=False)
    text = models.TextField()
    said_at = models.DateTimeField()
    words = models.PositiveSmallIntegerField(default=0)
    asks = models.BooleanField(default=False)
    has_time = models.BooleanField(default=False)
    cohesion = models.FloatField(default=0)
    about_from = models.DateField(null=True)
    about_to = models.DateField(null=True)
    embedding = HalfVectorField(dimensions=EMBEDDING_DIMENSIONS, null=True)
    embedding_model = models.CharField(max_length=100, blank=True)

    class Meta:
        ordering = ("id",)
        default_permissions = ()
        indexes = (
            models.Index(fields=("subject", "embedding_model"), name="memory_said_of_subject"),
            models.Index(
                fields=("id",), condition=Q(embedding__isnull=True), name="memory_said_to_embed"
            ),
        )
        constraints = (
            models.UniqueConstraint(fields=("subject", "place"), name="memory_said_in_place"),
            models.CheckConstraint(condition=Q(place__gt=0), name="memory_said_place"),
        )

    @override
    def __str__(self) -> str:
        return f"utterance {self.pk}"


class Posting(models.Model):
    """One word of one thing that can be recalled: what BM25 counts.

    Attributes:
        lexeme: The word's stem, as PostgreSQL's text search makes it.
        frequency: How often the thing has it.
        length: How many words the thing has.
    """

    pk = models.CompositePrimaryKey("subject_id", "lexeme", "place")
    subject = models.ForeignKey(Subject, on_delete=models.CASCADE, db_index=False)
    lexeme = models.TextField()
    place = models.IntegerField()
    frequency = models.PositiveSmallIntegerField()
    length = models.PositiveSmallIntegerField()

    class Meta:
        default_permissions = ()

    @override
    def __str__(self) -> str:
        return f"{self.lexeme} at {self.place}"
