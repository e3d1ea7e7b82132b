"""The answers in progress on one model: each round evaluates one batch and hands out what it gave.

Belongs to the model's owner thread. A batch holds the next token of every running answer and a
portion of the prompts that are waiting to be read, so four answers cost little more than one
(continuous batching).
"""

import codecs
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from apps.providers import metrics
from apps.providers.contracts import (
    Finished,
    FinishReason,
    ModelRequest,
    ProviderEvent,
    TextDelta,
    Usage,
    UsageReport,
)
from apps.providers.domain.reading import reading_portions
from apps.providers.domain.sampling import Sampling
from apps.providers.domain.slots import Slot, SlotTable
from apps.providers.engine.model import Entry, GrammarRefused, LocalModel, Sampler
from apps.providers.engine.prompt import PromptBuilder
from apps.providers.errors import (
    ContextTooLong,
    ProviderInterrupted,
    ProviderRejected,
    RequestUnsupported,
)

READING_CHUNK = 128  # prompt tokens per round while answers are running

Outcome: TypeAlias = ProviderEvent | Exception


@dataclass(slots=True, eq=False)
class Job:
    """One request on its way through the engine.

    Attributes:
        request: What is asked.
        sampling: How tokens are picked.
        deliver: Hands events, or one error as the last thing, to whoever waits. Called on the
            engine's thread; returns False when nobody listens any more.
        cancelled: Set from any thread; the slot is freed before the next token.
    """

    request: ModelRequest
    sampling: Sampling
    deliver: Callable[[Outcome], bool]
    cancelled: bool = False
    prompt: list[int] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Answer:
    """A job that holds a slot."""

    job: Job
    slot: Slot
    sampler: Sampler
    fed: int  # prompt tokens already evaluated or reused
    next_token: int = -1
    produced: int = 0
    text: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )

    @property
    def reading(self) -> bool:
        return self.fed < len(self.job.prompt)


class Rounds:
    """The answers in progress on one model."""

    def __init__(self, model: LocalModel, table: SlotTable) -> None:
        self._model = model
        self._table = table
        self._prompts = PromptBuilder(model)
        self._answers: list[_Answer] = []

    @property
    def running(self) -> bool:
        """Whether any answer is in progress."""
        return bool(self._answers)

    @property
    def has_room(self) -> bool:
        """Whether a slot is free."""
        return len(self._answers) < len(self._table.slots)

    def admit(self, job: Job) -> None:
        """Prepare a job's prompt and give it a slot, or tell why not."""
        if job.cancelled:
            return
        try:
            job.prompt = self._prompts.tokens(job.request.messages)
        except ProviderRejected as error:
            job.deliver(error)
            return
        if len(job.prompt) >= self._model.context_tokens or not job.prompt:
            limit = self._model.context_tokens
            job.deliver(ContextTooLong(prompt_tokens=len(job.prompt), limit_tokens=limit))
            return
        try:
            sampler = self._model.new_sampler(job.sampling)
        except GrammarRefused as error:
            job.deliver(RequestUnsupported(param="response_format", problem=str(error)))
            return
        claim = self._table.claim(partition=job.request.partition, prompt=job.prompt)
        assert claim is not None, "has_room was asked first"
        reused = claim.reused
        if not self._model.forget(claim.slot.index, reused):
            self._model.forget(claim.slot.index, 0)
            claim.slot.tokens.clear()
            reused = 0
        metrics.PREFIX_TOKENS.labels(outcome="reused").inc(reused)
        metrics.PREFIX_TOKENS.labels(outcome="read").inc(len(job.prompt) - reused)
        self._answers.append(_Answer(job, claim.slot, sampler, fed=reused))

    def step(self) -> None:
        """Evaluate one batch and hand out what it produced."""
        for answer in [each for each in self._answers if each.job.cancelled]:
            self._end(answer)
        if not self._answers:
            return
        entries: list[Entry] = []
        due: list[tuple[_Answer, int]] = []
        portions = self._portions()
        # llama.cpp evaluates neighbouring sequences in one pass only when their ids ascend.
        for answer in sorted(self._answers, key=lambda each: each.slot.index):
            if not answer.reading:
                self._continue(answer, entries)
            elif portions[id(answer)]:
                self._read(answer, entries, portions[id(answer)])
            else:
                continue
            if not answer.reading:
                due.append((answer, len(entries) - 1))
        self._model.decode(entries)
        for answer, index in due:
            try:
                token = self._model.sample(answer.sampler, index)
            except GrammarRefused:
                self._end(answer)
                answer.job.deliver(ProviderInterrupted())
                continue
            self._advance(answer, token)

    def _portions(self) -> dict[int, int]:
        """Return how many tokens of its prompt each answer reads now, by the answer's identity."""
        readers = [answer for answer in self._answers if answer.reading]
        talking = len(self._answers) - len(readers)
        room = READING_CHUNK if talking else self._model.batch_tokens
        room = min(room, self._model.batch_tokens - talking)
        left = [len(answer.job.prompt) - answer.fed for answer in readers]
        portions = reading_portions(left, room)
        return {id(answer): count for answer, count in zip(readers, portions, strict=True)}

    def _continue(self, answer: _Answer, entries: list[Entry]) -> None:
        position = len(answer.slot.tokens)
        entries.append(Entry(answer.next_token, position, answer.slot.index, wanted=True))
        answer.slot.tokens.append(answer.next_token)

    def _read(self, answer: _Answer, entries: list[Entry], portion: int) -> None:
        prompt = answer.job.prompt
        end = answer.fed + portion
        for position in range(answer.fed, end):
            wanted = position == len(prompt) - 1
            entries.append(Entry(prompt[position], position, answer.slot.index, wanted))
        answer.slot.tokens.extend(prompt[answer.fed : end])
        answer.fed = end

    def _advance(self, answer: _Answer, token: int) -> None:
        if self._model.is_end(token):
            self._finish(answer, FinishReason.STOP)
            return
        answer.next_token = token
        answer.produced += 1
        text = answer.text.decode(self._model.piece(token))
        if text and not answer.job.deliver(TextDelta(text=text)):
            self._end(answer)
            return
        full = len(answer.slot.tokens) >= self._model.context_tokens
        if answer.produced >= answer.job.request.max_tokens or full:
            self._finish(answer, FinishReason.LENGTH)

    def _finish(self, answer: _Answer, reason: FinishReason) -> None:
        # Bytes of a character that was never completed stay in the decoder and are dropped.
        usage = Usage(
            prompt_tokens=len(answer.job.prompt),
            completion_tokens=answer.produced,
            estimated=False,
        )
        self._end(answer)
        answer.job.deliver(UsageReport(usage=usage))
        answer.job.deliver(Finished(reason=reason))

    def _end(self, answer: _Answer) -> None:
        self._answers.remove(answer)
        self._model.free_sampler(answer.sampler)
        self._table.release(answer.slot)

    def abandon(self) -> list[Job]:
        """Give every answer up and return the jobs."""
        jobs = [answer.job for answer in self._answers]
        for answer in list(self._answers):
            self._end(answer)
        return jobs
