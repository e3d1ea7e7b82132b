"""Rolling summaries: the beginning of a long branch in short, written by the model after a turn.

A summary hangs on the last message that it covers and is made of the summary before it and the
messages since. What is older stays in the tree: summaries shorten prompts, never conversations.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from apps.conversations import metrics, prompts
from apps.conversations.asking import written_by
from apps.conversations.contracts import BranchMessage, SummaryState
from apps.conversations.counting import count_of
from apps.conversations.domain.condensing import covered_by_summary, portions
from apps.conversations.models.messages import Message
from apps.conversations.models.summaries import Summary
from apps.conversations.selectors import branch_messages
from apps.core import scope
from apps.core.errors import KarenError
from apps.core.logging import get_logger
from apps.jobs.task import remaining_s
from apps.providers import selectors as providers
from apps.providers.contracts import (
    Flow,
    ModelInfo,
    ModelRequest,
    Origin,
    Role,
    TokenCounter,
)
from apps.providers.registry import RenderedPrompt
from apps.providers.services.experiments import note_prompt_outcome
from apps.providers.services.rendering import prompt_answer, render_prompt

logger = get_logger(__name__)

SUMMARISE_TASK = "conversations.summarise_branch"
VERSION = 1
_LONGEST_TOKENS = 800
_WINDOW_SHARE = 0.8  # of a model's context, for what it is asked to summarise
_RESERVE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchSummary:
    """A summary of everything up to a message, that message included."""

    message_id: UUID
    text: str


def find_deepest(*, conversation_id: UUID, message_ids: Sequence[UUID]) -> BranchSummary | None:
    """Return the summary that covers most of a branch.

    Args:
        conversation_id: Where the branch is: its few summaries are read instead of asking for
            each of a thousand messages.
        message_ids: The branch, oldest first.
    """
    rows = Summary.objects.filter(message__conversation_id=conversation_id, version=VERSION)
    found = {row.message_id: row for row in rows}
    deepest = next((found[one] for one in reversed(message_ids) if one in found), None)
    if deepest is None:
        return None
    return BranchSummary(message_id=deepest.message_id, text=deepest.text)


def state_of(*, model: ModelInfo, grown: bool) -> SummaryState:
    """Return how things stand with a long thread; `grown`: what no summary covers is too long."""
    if not grown:
        return SummaryState.USED
    if not settings.CHAT_SUMMARIES:
        return SummaryState.OFF
    if model.scripted:
        return SummaryState.NO_MODEL
    return SummaryState.WANTED


def summarise_branch(*, message_id: UUID, model_id: str) -> int:
    """Summarise the oldest messages of the branch that ends at a message.

    Harmless when it runs twice: a message has one summary of a version, and what is covered by one
    is not read again. Does nothing when the messages or the model are gone; a model that fails
    leaves what was written so far, and the next turn asks again.

    Returns:
        How many summaries were written.
    """
    model = providers.find_model(model_id)
    found = (
        Message.objects.filter(pk=message_id)
        .values_list("conversation_id", "conversation__owner_id", "conversation__sensitive")
        .first()
    )
    if model is None or model.scripted or found is None:
        return 0
    conversation_id, owner_id, sensitive = found
    history = [each for each in branch_messages(leaf_id=message_id) if each.text]
    origin = Origin(user_id=owner_id, is_sensitive=sensitive)
    return _Summarising(model, conversation_id, history, origin).run()


class _Summarising:
    def __init__(
        self,
        model: ModelInfo,
        conversation_id: UUID,
        history: Sequence[BranchMessage],
        origin: Origin,
    ) -> None:
        self._origin = origin
        self._model = model
        self._conversation_id = conversation_id
        self._history = history
        # One of its own: what the model keeps of the conversation itself stays where it is.
        self._partition = f"{scope.require().id}:{conversation_id}:summary"
        self._counter: TokenCounter = providers.token_counter(model)
        self._longest = min(_LONGEST_TOKENS, model.context_tokens // 8)
        # What stands around the messages: its instruction, and whatever a workspace added to it.
        self._around = sum(
            self._tokens(each.text)
            for each in self._prompt("", "").messages
            if each.role is not Role.USER
        )

    def run(self) -> int:
        """Write summaries, portion by portion, until the rest is short enough."""
        found = find_deepest(
            conversation_id=self._conversation_id,
            message_ids=[message.id for message in self._history],
        )
        start = 0
        if found is not None:
            start = 1 + next(n for n, m in enumerate(self._history) if m.id == found.message_id)
        rest = self._history[start:]
        tokens = [self._tokens(message.text) for message in rest]
        _above, below = settings.CHAT_CONTEXT_SUMMARISE
        keep = int(self._model.context_tokens * below * _WINDOW_SHARE)
        count = covered_by_summary(tokens, keep=keep)
        text, written, at = (found.text if found else ""), 0, 0
        for length in portions(tokens[:count], size=self._portion_tokens()):
            if remaining_s() < _RESERVE_S:
                break
            try:
                text = self._summary(text, rest[at : at + length])
            except KarenError as error:
                metrics.follow_ups_total.labels("summary", "failed").inc()
                logger.warning("summary.not_written", model=self._model.id, reason=error.code)
                break
            at += length
            if not text or not self._keep(rest[at - 1].id, text):
                break
            written += 1
        return written

    def _tokens(self, text: str) -> int:
        return count_of(self._counter, text) + self._counter.per_message

    def _portion_tokens(self) -> int:
        window = int(self._model.context_tokens * _WINDOW_SHARE)
        return max(window - 2 * self._longest - self._around, 1)

    def _summary(self, before: str, messages: Sequence[BranchMessage]) -> str:
        said = "\n\n".join(
            f"{'Person' if message.role is Role.USER else 'Assistant'}: {self._cut(message.text)}"
            for message in messages
        )
        prompt = self._prompt(before, said)
        request = ModelRequest(
            model=self._model.id,
            messages=prompt.messages,
            max_tokens=self._longest,
            temperature=0.0,
            partition=self._partition,
        )
        answer = written_by(flow=Flow.CHAT_SUMMARY, request=request, origin=self._origin)
        written = prompt_answer(prompt, answer)
        lines = written.replace("\x00", "").splitlines()
        text = "\n".join(line.strip() for line in lines if line.strip())
        note_prompt_outcome(prompt, passed=bool(text))
        return text

    def _prompt(self, before: str, said: str) -> RenderedPrompt:
        return render_prompt(
            prompts.SUMMARY,
            {"notes": before, "messages": said},
            subject=str(self._conversation_id),
        )

    def _cut(self, text: str) -> str:
        """Return the beginning and the end of a text that is longer than a portion."""
        most = self._portion_tokens()
        tokens = self._tokens(text)
        if tokens <= most:
            return text
        half = max(len(text) * most // tokens // 2 - 4, 1)
        return f"{text[:half]} … {text[-half:]}"

    def _keep(self, message_id: UUID, text: str) -> bool:
        row = Summary(
            message_id=message_id,
            text=text,
            tokens=count_of(self._counter, text),
            model=self._model.id,
            version=VERSION,
        )
        try:
            with transaction.atomic():
                Summary.objects.bulk_create([row], ignore_conflicts=True)
        except IntegrityError:  # the conversation was deleted meanwhile
            return False
        metrics.follow_ups_total.labels("summary", "written").inc()
        return True
