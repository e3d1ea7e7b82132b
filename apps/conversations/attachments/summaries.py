"""Summaries of long texts, by the model that is at hand. They never hold up an attachment."""

import asyncio
import time
from contextlib import aclosing
from uuid import UUID

from django.conf import settings
from django.db import transaction

from apps.conversations import prompts
from apps.conversations.attachments import metrics
from apps.conversations.attachments.announcing import announce
from apps.conversations.attachments.excerpts import beginning, tokens_of
from apps.conversations.attachments.notes import SUMMARY_SKIPPED
from apps.conversations.domain.attachment_states import AttachmentState
from apps.conversations.models.attachments import Attachment
from apps.conversations.models.conversations import Conversation
from apps.core import scope
from apps.core.clock import now
from apps.core.concurrency import run_async
from apps.core.errors import KarenError
from apps.core.logging import get_logger
from apps.jobs import services as jobs
from apps.providers import gateway, selectors as providers
from apps.providers.contracts import (
    Flow,
    ModelInfo,
    ModelRequest,
    Origin,
    TextDelta,
)
from apps.providers.errors import NoModelAvailable, ProviderTimeout
from apps.providers.registry import RenderedPrompt
from apps.providers.services.experiments import note_prompt_outcome
from apps.providers.services.rendering import prompt_answer, render_prompt

logger = get_logger(__name__)

SUMMARY_TASK = "conversations.summarise_attachment"
DEADLINE_S = 240
_ANSWER_TOKENS = 300
_TIMEOUT_S = 200.0
_SHARE_OF_CONTEXT = 0.6
_SOURCE_TOKENS = 24_000  # a summary of a book is not worth a book's price
_SUMMARY_CHARACTERS = 4000
_READ_CHARACTERS = 20_000  # in which personal data is looked for: a second, once


def plan(attachment_id: UUID) -> None:
    """Have a summary written of a text that is long enough, inside the caller's transaction.

    Where no model can be asked, the row says so.
    """
    row = Attachment.objects.get(pk=attachment_id)
    if tokens_of(row.text) <= settings.ATTACHMENT_SUMMARY_TOKENS:
        return
    try:
        model = _model_for(row, is_sensitive=_is_sensitive(row))
    except KarenError as error:
        _skip(row, error)
        return
    queue = "gpu.inference" if model.in_process else "default"
    jobs.enqueue_on_commit(SUMMARY_TASK, queue=queue, attachment_id=attachment_id)


def summarise(*, attachment_id: UUID) -> None:
    """Write the summary of a file that has none yet."""
    row = Attachment.objects.filter(
        pk=attachment_id, state=AttachmentState.READY, summary=""
    ).first()
    if row is None or not row.text:
        return
    started, outcome = time.perf_counter(), "ok"
    try:
        is_sensitive = _is_sensitive(row)
        model = _model_for(row, is_sensitive=is_sensitive)
        prompt = _prompt(model, row)
        answer = run_async(_ask(model, row, prompt, is_sensitive=is_sensitive))
        summary = prompt_answer(prompt, answer)
        summary = summary.strip()[:_SUMMARY_CHARACTERS]
        note_prompt_outcome(prompt, passed=bool(summary))
        if not summary:
            raise NoModelAvailable("the model said nothing")
        with transaction.atomic():
            Attachment.objects.filter(pk=attachment_id).update(
                summary=summary.replace("\x00", ""), updated_at=now()
            )
            announce(attachment_id)
    except KarenError as error:
        outcome = error.code
        with transaction.atomic():
            _skip(row, error)
    finally:
        metrics.hooks_total.labels("summarise", row.kind, outcome).inc()
        elapsed = time.perf_counter() - started
        metrics.hook_seconds.labels("summarise", row.kind).observe(elapsed)


def _is_sensitive(row: Attachment) -> bool:
    """Say whether only trusted models may read a file.

    Before it is sent nobody knows where it belongs: for people who mark conversations, it may be
    to one of those.
    """
    if providers.is_personal(row.text[:_READ_CHARACTERS]):
        return True
    marked = Conversation.objects.filter(sensitive=True)
    if row.conversation_id is None:
        return marked.filter(owner_id=row.owner_id).exists()
    return marked.filter(pk=row.conversation_id).exists()


def _model_for(row: Attachment, *, is_sensitive: bool) -> ModelInfo:
    question = providers.question_of(
        Flow.ATTACHMENT_SUMMARY,
        subject=row.pk.hex,
        sensitive=is_sensitive,
        user_id=row.owner_id,
    )
    return providers.choose_route(model=None, question=question).model


def _skip(row: Attachment, error: KarenError) -> None:
    logger.info("attachment.summary_skipped", attachment_id=str(row.pk), cause=error.code)
    locked = Attachment.objects.select_for_update().filter(pk=row.pk).defer("text").first()
    if locked is None:
        return
    notes = list(dict.fromkeys([*locked.meta.get("notes", []), SUMMARY_SKIPPED]))
    meta = {**locked.meta, "notes": notes, "summary_skipped": error.code}
    Attachment.objects.filter(pk=row.pk).update(meta=meta, updated_at=now())
    announce(row.pk)


def _prompt(model: ModelInfo, row: Attachment) -> RenderedPrompt:
    room = min(int(model.context_tokens * _SHARE_OF_CONTEXT) - _ANSWER_TOKENS, _SOURCE_TOKENS)
    return render_prompt(
        prompts.ATTACHMENT_SUMMARY,
        {"name": row.name, "text": _sampled(row.text, tokens=max(room, 200))},
        subject=str(row.pk),
    )


async def _ask(
    model: ModelInfo, row: Attachment, prompt: RenderedPrompt, *, is_sensitive: bool
) -> str:
    request = ModelRequest(
        model=model.id,
        messages=prompt.messages,
        max_tokens=_ANSWER_TOKENS,
        temperature=0.0,
        partition=f"{scope.require().id}:attachment:{row.pk}",
    )
    try:
        async with (
            asyncio.timeout(_TIMEOUT_S),
            aclosing(
                gateway.stream(
                    flow=Flow.ATTACHMENT_SUMMARY,
                    request=request,
                    origin=Origin(user_id=row.owner_id, is_sensitive=is_sensitive),
                )
            ) as events,
        ):
            pieces = [event.text async for event in events if isinstance(event, TextDelta)]
    except TimeoutError as error:
        raise ProviderTimeout from error
    return "".join(pieces)


def _sampled(text: str, *, tokens: int) -> str:
    """Return the text, or its beginning, middle and end where it does not fit."""
    if tokens_of(text) <= tokens:
        return text
    first = beginning(text, tokens=tokens * 6 // 10)
    rest = tokens * 2 // 10
    size = len(beginning(text[len(first) :], tokens=rest))
    at = max(len(first), len(text) // 2 - size // 2)
    middle = text[at : at + size]
    last = text[max(at + size, len(text) - size) :]
    return f"{first}\n[…]\n{middle}\n[…]\n{last}"
