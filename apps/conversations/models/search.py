"""What search reads: an index beside the messages, their vectors, known words, and what to send."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from pgvector.django import HalfVectorField
from typing_extensions import override

from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.core.clock import now

DIMENSIONS = 384
WORD_MAX = 32


class MessageIndex(models.Model):
    """One searchable text: a message, or a conversation's title when `message` is null.

    Its id is the message's or the conversation's, so writing it twice leaves one row. Nothing is
    kept here that cannot be built again from messages and conversations.

    `words` holds each word as written (weight B) and its English stem (weight D). `fingerprint`
    tells whether the text changed since.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    # The migration gives these constraints that delete in the database (ON DELETE CASCADE):
    # whatever is written while a conversation is being deleted goes with it, and never stops it.
    conversation = models.ForeignKey(
        Conversation, models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    message = models.OneToOneField(
        Message, models.DO_NOTHING, related_name="indexed", null=True, db_constraint=False
    )
    role = models.CharField(max_length=16, blank=True)
    model = models.CharField(max_length=100, blank=True)
    author_id = models.UUIDField(null=True)
    has_file = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    words = SearchVectorField()
    fingerprint = models.CharField(max_length=32)

    class Meta:
        ordering = ("-created_at", "-id")
        default_permissions = ()
        indexes = (
            GinIndex(fields=("words",), name="messageindex_words"),
            models.Index(fields=("conversation", "-created_at"), name="messageindex_conversation"),
            models.Index(fields=("-created_at", "-id"), name="messageindex_newest"),
        )

    @override
    def __str__(self) -> str:
        return f"{self.role or 'title'} {self.id}"


class MessageVector(models.Model):
    """What an index row means, as a vector of unit length by the embedding model `model`.

    A table of its own: rows are narrow, so that an exact scan is quick, and a vector that comes
    later than its words does not write them again.
    """

    entry = models.OneToOneField(  # deleted in the database, as above
        MessageIndex,
        models.DO_NOTHING,
        primary_key=True,
        related_name="vector",
        db_constraint=False,
    )
    conversation_id = models.UUIDField()
    created_at = models.DateTimeField()
    model = models.CharField(max_length=100)
    embedding = HalfVectorField(dimensions=DIMENSIONS)

    class Meta:
        default_permissions = ()
        indexes = (models.Index(fields=("-created_at",), name="messagevector_newest"),)

    @override
    def __str__(self) -> str:
        return f"vector of {self.entry_id}"


class SearchWord(models.Model):
    """A word that occurs in this workspace's messages, to find what a mistyped one may mean.

    `keys` are hashes of the word with letters left out (`search.words.spelling_keys`): two words
    that share one differ in few letters.
    """

    word = models.CharField(primary_key=True, max_length=WORD_MAX)
    keys = ArrayField(models.IntegerField())

    class Meta:
        default_permissions = ()
        indexes = (GinIndex(fields=("keys",), name="searchword_keys"),)

    @override
    def __str__(self) -> str:
        return self.word


class SearchExport(models.Model):
    """An index row that Elasticsearch does not know yet, or must forget; deleted when it does.

    Only written while Elasticsearch is configured.
    """

    id = models.BigAutoField(primary_key=True)
    entry_id = models.UUIDField()
    created_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ("id",)
        default_permissions = ()

    @override
    def __str__(self) -> str:
        return f"export of {self.entry_id}"
