"""What a turn draws on besides its own thread: files, and the person's earlier conversations."""

from collections.abc import Sequence
from dataclasses import replace

from django.conf import settings

from apps.conversations.acting import requester_of
from apps.conversations.attachments import selectors as attachments
from apps.conversations.context import Elsewhere, Excerpt
from apps.conversations.contracts import AttachmentPart, BranchMessage, ClaimedTurn
from apps.conversations.errors import SearchUnavailable
from apps.conversations.permissions import CHAT
from apps.conversations.search.contracts import TEXT_MAX, Filters, SearchQuery
from apps.conversations.search.service import find_messages
from apps.conversations.search.visibility import has_other_conversations
from apps.core.concurrency import within
from apps.providers.contracts import ChatMessage, ImageData

_PAST_HITS = 6


def elsewhere() -> Elsewhere:
    """Return where excerpts come from."""
    return Elsewhere(attachments=_files, past=_past)


def with_images(claimed: ClaimedTurn, messages: tuple[ChatMessage, ...]) -> tuple[ChatMessage, ...]:
    """Return a prompt whose question carries the pictures sent with it, for models that see."""
    question = claimed.history[-1]
    if not _has_files(question):
        return messages
    images = tuple(
        ImageData(media_type=content.image_type, data=content.image)
        for content in attachments.for_prompt([question.id], images=True)
        if content.image is not None
    )
    if not images:
        return messages
    people = [n for n, message in enumerate(messages) if message.role == question.role]
    place = people[-2 if claimed.prefix and len(people) > 1 else -1]  # "go on" is no question
    asked = replace(messages[place], images=images)
    return (*messages[:place], asked, *messages[place + 1 :])


def _has_files(message: BranchMessage) -> bool:
    return any(isinstance(part, AttachmentPart) for part in message.parts)


def _files(claimed: ClaimedTurn, tokens: int) -> Sequence[Excerpt]:
    ids = [message.id for message in claimed.history if _has_files(message)]
    if not ids:
        return ()
    # The newest first: when there is not room for all, the latest are what is spoken of.
    return [
        Excerpt(
            id=f"attachment:{content.attachment_id}",
            title=content.name,
            text=content.text or content.summary or content.remark,
            why="attached",
        )
        for content in attachments.for_prompt(ids[::-1], text_tokens=tokens)
    ]


def _past(claimed: ClaimedTurn, _tokens: int) -> Sequence[Excerpt]:
    """Search the person's other conversations; nobody's past is put before other people."""
    text = claimed.history[-1].text.strip()[:TEXT_MAX]
    if claimed.shared or not claimed.settings.memory_enabled or not text:
        return ()
    actor = requester_of(claimed)
    if actor is None or not actor.may(CHAT):
        return ()
    if not has_other_conversations(actor, than=claimed.conversation_id):
        return ()  # one look into an index, for the many who have none
    sensitive = claimed.settings.is_sensitive
    asked = SearchQuery(
        text=text,
        # What somebody marked elsewhere is read by trusted models only.
        filters=Filters(outside=claimed.conversation_id, unmarked=not sensitive),
        limit=_PAST_HITS,
        spelling=False,  # a question is a sentence, no typed keyword
        is_sensitive=sensitive,
    )
    try:
        page = within(settings.CHAT_CONTEXT_PAST_S, find_messages, actor, asked)
    except TimeoutError as error:
        raise SearchUnavailable from error
    return [
        Excerpt(
            id=f"message:{hit.message_id}",
            title=hit.title,
            text=" ".join(hit.snippet.split()),
            score=hit.score,
            why=", ".join(match.value for match in hit.matched),
        )
        for hit in page.hits
        if hit.message_id is not None
    ]
