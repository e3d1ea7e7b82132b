"""Titles written by the model, after the first answer of a conversation."""

from uuid import UUID

from django.db import transaction

from apps.conversations import metrics, prompts
from apps.conversations.asking import written_by
from apps.conversations.contracts import TurnSettings
from apps.conversations.domain.titles import title_from, title_of
from apps.conversations.errors import ConversationNotFound
from apps.conversations.models.turns import Turn
from apps.conversations.services.changes import Change, announce, lock_conversation
from apps.core import scope
from apps.core.errors import KarenError
from apps.core.logging import get_logger
from apps.providers import selectors as providers
from apps.providers.contracts import Flow, ModelRequest, Origin, Role
from apps.providers.services.experiments import note_prompt_outcome
from apps.providers.services.rendering import prompt_answer, render_prompt

logger = get_logger(__name__)

TITLE_TASK = "conversations.write_title"
PERSON, MODEL, TEXT = "person", "model", "text"  # who titled a conversation; empty: nobody yet
_CHARACTERS = 1_500  # of the question and of the answer
_MAX_TOKENS = 32
# What a small model says back instead of a title: its instruction, or the names of the speakers.
_SPEAKERS = "Karen assistant person"


def write_title(*, turn_id: UUID) -> bool:
    """Have the model of a turn write its conversation's title.

    Harmless when it runs twice: a conversation is titled once, and never over a person's title. An
    unusable title leaves the first words of the conversation in place for good; a model that
    cannot be asked leaves it for the next answer.

    Returns:
        Whether the model's title was taken.
    """
    turn = (
        Turn.objects.select_related("conversation", "user_message", "answer")
        .filter(pk=turn_id)
        .first()
    )
    if turn is None or turn.conversation.titled_by:
        return False
    model = providers.find_model(turn.model)
    if model is None or model.scripted:
        return False
    question, answer = turn.user_message.text[:_CHARACTERS], turn.answer.text[:_CHARACTERS]
    prompt = render_prompt(
        prompts.TITLE,
        {"question": question, "answer": answer},
        subject=str(turn.conversation_id),
    )
    held = TurnSettings.model_validate(turn.settings)
    request = ModelRequest(
        model=model.id,
        messages=prompt.messages,
        max_tokens=_MAX_TOKENS,
        temperature=0.0,
        partition=f"{scope.require().id}:{turn.conversation_id}:title",
    )
    try:
        written = written_by(
            flow=Flow.CHAT_TITLE,
            request=request,
            origin=Origin(
                user_id=turn.requester_id,
                turn_id=turn.pk,
                is_sensitive=turn.conversation.sensitive or held.is_sensitive,
            ),
        )
    except KarenError as error:
        metrics.follow_ups_total.labels("title", "failed").inc()
        logger.warning("title.not_written", model=model.id, reason=error.code)
        return False
    told = " ".join(each.text for each in prompt.messages if each.role is Role.SYSTEM)
    title = title_of(prompt_answer(prompt, written), asked=f"{told} {_SPEAKERS}")
    note_prompt_outcome(prompt, passed=bool(title))
    return _take(turn.conversation_id, title, title_from(turn.user_message.text))


@transaction.atomic(durable=True)
def _take(conversation_id: UUID, title: str, fallback: str) -> bool:
    try:
        conversation = lock_conversation(conversation_id)
    except ConversationNotFound:  # deleted while the model wrote
        return False
    if conversation.titled_by:
        return False
    conversation.titled_by = MODEL if title else TEXT
    conversation.title = title or conversation.title or fallback
    announce(Change(conversation=conversation, columns=("title", "titled_by"), touched=False))
    metrics.follow_ups_total.labels("title", "written" if title else "unusable").inc()
    return bool(title)
