"""What tells search that something changed; called inside the transaction that changes it."""

from uuid import UUID

from django.conf import settings

from apps.conversations.models.search import MessageIndex, SearchExport
from apps.jobs import services as jobs

INDEX_TASK = "conversations.index_conversations"
EMBED_TASK = "conversations.embed_messages"
EXPORT_TASK = "conversations.export_search"


def note_changed(conversation_id: UUID) -> None:
    """Have the index brought up to date with a conversation: messages, answers, its title."""
    jobs.enqueue_on_commit(INDEX_TASK, conversation_ids=[conversation_id])


def note_removing(conversation_id: UUID) -> None:
    """Have Elasticsearch forget a conversation that is about to be deleted.

    PostgreSQL's own rows go with it by cascade.
    """
    if not settings.ELASTICSEARCH_URL:
        return
    ids = MessageIndex.objects.filter(conversation_id=conversation_id).values_list("pk", flat=True)
    SearchExport.objects.bulk_create([SearchExport(entry_id=pk) for pk in ids])
    jobs.enqueue_on_commit(EXPORT_TASK)
