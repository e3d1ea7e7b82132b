"""Writing the index: messages and titles of one conversation, their vectors, what was missed.

Everything here may run twice, at the same time, or not at all for a while: the index is brought up
to date with what the conversation holds now, never with what some event said.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import MD5, Cast, Concat
from psycopg.errors import DeadlockDetected, LockNotAvailable

from apps.conversations.contracts import MessageStatus, text_of
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.conversations.models.search import (
    MessageIndex,
    MessageVector,
    SearchExport,
    SearchWord,
)
from apps.conversations.search import meaning, metrics
from apps.conversations.search.outbox import EMBED_TASK, EXPORT_TASK, note_changed
from apps.conversations.search.visibility import searchable_conversations
from apps.conversations.search.words import cut_words, may_be_misspelled, spelling_keys
from apps.core.clock import now
from apps.core.logging import get_logger
from apps.jobs import services as jobs
from apps.jobs.task import remaining_s
from apps.providers import registry
from apps.providers.contracts import Role
from apps.providers.errors import NoModelAvailable

logger = get_logger(__name__)

TEXT_BYTES_MAX = 200_000  # of one message; a tsvector of words and stems has room for 1 MiB
FILE_PART = "attachment"
_ROLES = (Role.USER.value, Role.ASSISTANT.value)
_BATCH = 200
_EMBED_BATCH = 64
_EMBED_CHARACTERS = 2_000  # more than the 256 tokens that the model reads
_EMBED_PATIENCE_S = 60.0
_EMBED_RESERVE_S = 15.0
_PATIENCE = "200ms"  # for a lock
_RECENT = timedelta(hours=24)
_MISSED_MAX = 200

_WRITE = (
    "INSERT INTO conversations_messageindex"
    " (id, conversation_id, message_id, role, model, author_id, has_file, created_at,"
    " fingerprint, words)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s,"
    " %s::tsvector || to_tsvector('english', %s))"
    " ON CONFLICT (id) DO UPDATE SET role = excluded.role, model = excluded.model,"
    " author_id = excluded.author_id, has_file = excluded.has_file,"
    " fingerprint = excluded.fingerprint, words = excluded.words"
)


_FINGERPRINT = MD5(Concat("model", Cast("parts", TextField()), output_field=TextField()))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A row of the index before it is written; `words` are in the order of the text."""

    id: UUID
    conversation_id: UUID
    message_id: UUID | None
    role: str
    model: str
    author_id: UUID | None
    has_file: bool
    created_at: datetime
    fingerprint: str
    words: tuple[str, ...]

    def values(self) -> tuple[Any, ...]:
        """Return the parameters of `_WRITE`."""
        places: defaultdict[str, list[str]] = defaultdict(list)
        weight = "A" if self.message_id is None else "B"
        for place, word in enumerate(self.words, 1):
            places[word].append(f"{place}{weight}")
        as_written = " ".join(f"'{word}':{','.join(at)}" for word, at in places.items())
        return (
            self.id, self.conversation_id, self.message_id, self.role, self.model, self.author_id,
            self.has_file, self.created_at, self.fingerprint, as_written, " ".join(self.words),
        )  # fmt: skip


def searchable_text(parts: Sequence[Mapping[str, object]]) -> str:
    """Return what of a message's parts can be found: its text and the names of its files."""
    names = [str(part.get("name", "")) for part in parts if part.get("type") == FILE_PART]
    text = "\n".join(filter(None, [text_of(parts), *names]))
    return text.encode()[:TEXT_BYTES_MAX].decode(errors="ignore")


def _cut(text: str) -> tuple[str, ...]:
    return tuple(token.word for token in cut_words(text))


# -- some conversations


def index_conversations(*, conversation_ids: Sequence[UUID], again: bool = False) -> int:
    """Bring the index up to date with conversations, all in one transaction.

    Where that meets somebody who changes or deletes one of them, one by one: whoever holds a
    message has it indexed anew, and what was missed all the same the schedule finds.

    Args:
        conversation_ids: Which ones; those that are gone or may not be indexed are left out.
        again: Write also what seems up to date; whoever rebuilds sees to vectors and
            Elasticsearch.

    Returns:
        How many texts were written.
    """
    written = _indexed(conversation_ids, again=again)
    if written is not None:
        return written
    if len(conversation_ids) == 1:
        return 0
    return sum(_indexed([each], again=again) or 0 for each in conversation_ids)


def index_conversation(*, conversation_id: UUID, again: bool = False) -> int:
    """Bring the index up to date with one conversation, as `index_conversations` does."""
    return index_conversations(conversation_ids=[conversation_id], again=again)


def _indexed(conversation_ids: Sequence[UUID], *, again: bool) -> int | None:
    """Return how many texts were written; None where somebody stands in the way."""
    try:
        return _index(conversation_ids, again=again)
    except IntegrityError:  # deleted meanwhile
        return None
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable | DeadlockDetected):
            raise
        logger.info("search.index_in_the_way", conversations=len(conversation_ids))
        return None


def _index(conversation_ids: Sequence[UUID], *, again: bool) -> int:
    with transaction.atomic():
        # Who deletes several conversations may hold one of ours while it waits for another.
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [_PATIENCE])
        entries = _stale_entries(conversation_ids, again=again)
        if entries:
            _write(entries)
            if not again:
                _announce(entries)
    metrics.indexed_total.inc(len(entries))
    return len(entries)


def _stale_entries(conversation_ids: Sequence[UUID], *, again: bool) -> list[_Entry]:
    found = searchable_conversations().annotate(fingerprint=MD5("title"))
    conversations = {row.pk: row for row in found.filter(pk__in=conversation_ids)}
    # Locked, so that of two writers the later one sees what the earlier wrote. Messages before
    # their conversation (which the constraint locks): whoever deletes takes them in that order.
    stale = stale_messages(again=again).filter(conversation_id__in=conversations)
    stale = stale.select_for_update(no_key=True, of=("self",)).order_by("id")
    entries = [_message_entry(conversations[row.conversation_id], row) for row in stale]
    titles = [_title_entry(conversation) for conversation in conversations.values()]
    known = set(MessageIndex.objects.filter(pk__in=conversations).values_list("pk", "fingerprint"))
    return entries + [
        title for title in titles if again or (title.id, title.fingerprint) not in known
    ]


def stale_messages(*, again: bool = False) -> QuerySet[Message]:
    """Return messages that should be in the index and are not, or not as they are now.

    Args:
        again: Return those that seem up to date, too.
    """
    final = (
        Message.objects.filter(role__in=_ROLES)
        .exclude(status=MessageStatus.STREAMING)
        .exclude(parts=[])
        .annotate(fingerprint=_FINGERPRINT)
    )
    if again:
        return final
    return final.filter(Q(indexed__isnull=True) | ~Q(indexed__fingerprint=F("fingerprint")))


def _message_entry(conversation: Conversation, message: Message) -> _Entry:
    return _Entry(
        id=message.pk,
        conversation_id=conversation.pk,
        message_id=message.pk,
        role=message.role,
        model=message.model,
        author_id=_author_of(conversation, message),
        has_file=any(part.get("type") == FILE_PART for part in message.parts),
        created_at=message.created_at,
        fingerprint=str(getattr(message, "fingerprint", "")),
        words=_cut(searchable_text(message.parts)),
    )


def _author_of(conversation: Conversation, message: Message) -> UUID | None:
    if message.author_id is None and message.role == Role.USER:
        return conversation.owner_id  # written before messages knew their authors
    return message.author_id


def _title_entry(conversation: Conversation) -> _Entry:
    return _Entry(
        id=conversation.pk,
        conversation_id=conversation.pk,
        message_id=None,
        role="",
        model="",
        author_id=None,
        has_file=False,
        created_at=conversation.created_at,
        fingerprint=str(getattr(conversation, "fingerprint", "")),
        words=_cut(conversation.title),
    )


def _write(entries: Sequence[_Entry]) -> None:
    ids = [entry.id for entry in entries]
    with connection.cursor() as cursor:
        cursor.executemany(_WRITE, [entry.values() for entry in entries])
    MessageVector.objects.filter(pk__in=ids).delete()  # of the text before
    occurring = {word for entry in entries for word in entry.words}
    words = sorted(word for word in occurring if may_be_misspelled(word))
    known = set(SearchWord.objects.filter(pk__in=words).values_list("pk", flat=True))
    SearchWord.objects.bulk_create(
        [SearchWord(word=word, keys=spelling_keys(word)) for word in words if word not in known],
        ignore_conflicts=True,
        batch_size=1_000,
    )


def _announce(entries: Sequence[_Entry]) -> None:
    if settings.ELASTICSEARCH_URL:
        SearchExport.objects.bulk_create([SearchExport(entry_id=entry.id) for entry in entries])
        jobs.enqueue_on_commit(EXPORT_TASK)
    if any(entry.message_id for entry in entries) and can_embed():
        jobs.enqueue_on_commit(EMBED_TASK)


# -- vectors


def can_embed() -> bool:
    """Say whether an embedding model is installed; loads nothing."""
    try:
        registry.embedder()
    except NoModelAvailable:
        return False
    return True


def embed_waiting() -> int:
    """Write vectors of messages that have none of the present model, newest first.

    Stops before the task's deadline; what is left is enqueued again.

    Returns:
        How many were written.
    """
    written = 0
    while can_embed():
        waiting = _without_vector()[:_EMBED_BATCH]
        messages = list(Message.objects.filter(pk__in=waiting.values("pk")).order_by("-id"))
        if not messages:
            break
        if remaining_s() < _EMBED_RESERVE_S:
            with transaction.atomic():
                jobs.enqueue_on_commit(EMBED_TASK)
            break
        try:
            written += _embed(messages)
        except meaning.NoVectors:
            break  # the schedule tries again
    return written


def _without_vector() -> QuerySet[MessageIndex]:
    present = MessageVector.objects.filter(pk=OuterRef("pk"), model=registry.embedder().model)
    return meaning.embeddable(MessageIndex.objects.filter(~Exists(present), message__isnull=False))


def _embed(messages: Sequence[Message]) -> int:
    texts = [searchable_text(message.parts)[:_EMBED_CHARACTERS] for message in messages]
    vectors = meaning.vectors_of_messages(texts, patience_s=_EMBED_PATIENCE_S)
    with transaction.atomic():
        # A message deleted meanwhile, or rewritten by another task, is left alone.
        there = MessageIndex.objects.select_for_update(no_key=True)
        kept = set(
            there.filter(pk__in=[m.pk for m in messages])
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        MessageVector.objects.bulk_create(
            [
                MessageVector(
                    entry_id=message.pk,
                    conversation_id=message.conversation_id,
                    created_at=message.created_at,
                    model=embedding.model,
                    embedding=list(embedding.vector),
                )
                for message, embedding in zip(messages, vectors, strict=True)
                if message.pk in kept
            ],
            update_conflicts=True,
            unique_fields=["entry"],
            update_fields=["model", "embedding"],
        )
    return len(messages)


# -- what was missed


def list_missed() -> list[UUID]:
    """Return conversations whose index is behind: changed lately, or never indexed at all."""
    stale = stale_messages().filter(conversation=OuterRef("pk"))
    title = MessageIndex.objects.filter(pk=OuterRef("pk"), fingerprint=MD5(OuterRef("title")))
    recent = searchable_conversations().filter(
        Exists(stale) | ~Exists(title), updated_at__gte=now() - _RECENT
    )
    known = MessageIndex.objects.filter(pk=OuterRef("pk"))
    never = searchable_conversations().filter(~Exists(known))
    missed = [
        *recent.values_list("pk", flat=True)[:_MISSED_MAX],
        *never.order_by("-updated_at").values_list("pk", flat=True)[:_MISSED_MAX],
    ]
    return list(dict.fromkeys(missed))


@transaction.atomic
def enqueue_missed() -> int:
    """Enqueue whatever is behind in the tenant in scope; called by the schedule.

    Returns:
        How many conversations are behind.
    """
    missed = list_missed()
    for conversation_id in missed:
        note_changed(conversation_id)
    if can_embed() and _without_vector().exists():
        jobs.enqueue_on_commit(EMBED_TASK)
    if settings.ELASTICSEARCH_URL and SearchExport.objects.exists():
        jobs.enqueue_on_commit(EXPORT_TASK)
    return len(missed)


def forget_unused_words() -> int:
    """Forget words that no message holds any more, so that what was deleted leaves no trace.

    Returns:
        How many were forgotten.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM conversations_searchword w WHERE NOT EXISTS ("
            " SELECT 1 FROM conversations_messageindex i"
            " WHERE i.words @@ (quote_literal(w.word))::tsquery)"
        )
        return int(cursor.rowcount)


def rebuild(*, tell: Callable[[int], None]) -> int:
    """Write the whole index of the tenant in scope again, conversation by conversation.

    Search goes on meanwhile. Vectors are written by tasks afterwards.

    Args:
        tell: Told how many conversations are done, now and then.

    Returns:
        How many texts were written.
    """
    written = 0
    ids = searchable_conversations().order_by("pk").values_list("pk", flat=True)
    for done, conversation_id in enumerate(ids.iterator(chunk_size=_BATCH), 1):
        written += index_conversation(conversation_id=conversation_id, again=True)
        if done % _BATCH == 0:
            tell(done)
    searchable = searchable_conversations().values("pk")
    MessageIndex.objects.exclude(conversation__in=searchable).delete()
    forget_unused_words()
    return written
