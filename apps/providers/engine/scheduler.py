"""One thread owns one loaded model and answers several requests side by side.

Each round evaluates one batch: the next token of every running answer and a portion of the
prompts that are waiting to be read, so four answers cost little more than one (continuous
batching). Requests beyond the slots wait in order of arrival.
"""

import codecs
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from apps.core.logging import get_logger
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
from apps.providers.domain.slots import Slot, SlotTable
from apps.providers.engine.native import Entry, NativeError, NativeModel, Sampler
from apps.providers.engine.prompt import PromptBuilder
from apps.providers.errors import (
    ConfigurationError,
    ContextTooLong,
    ProviderInterrupted,
    ProviderRejected,
    ProviderUnavailable,
)

logger = get_logger(__name__)

SLOTS = 4
MAX_WAITING = 64
READING_CHUNK = 128  # prompt tokens per round while answers are running
STOP_TIMEOUT_S = 10.0

Outcome: TypeAlias = ProviderEvent | Exception


@dataclass(slots=True, eq=False)
class Job:
    """One request on its way through the engine.

    Attributes:
        request: What is asked.
        deliver: Hands events, or one error as the last thing, to whoever waits. Called on the
            engine's thread; returns False when nobody listens any more.
        cancelled: Set from any thread; the slot is freed before the next token.
    """

    request: ModelRequest
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


class Engine:
    """A model file, its owner thread and the queue in front of it."""

    def __init__(self, path: Path, *, threads: int, context_tokens: int) -> None:
        self.path = path
        self._threads = threads
        self._context_tokens = context_tokens
        self._wake = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._stopping = False
        self._dead = False
        self.loaded = threading.Event()
        self.table = SlotTable(SLOTS)
        self._thread = threading.Thread(target=self._run, name=f"llm-{path.stem}", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether requests are still accepted."""
        return not self._dead

    def submit(self, job: Job) -> None:
        """Queue a request; its events arrive through `job.deliver`.

        Raises:
            ProviderUnavailable: The queue is full or the engine has stopped.
        """
        with self._wake:
            if self._dead or self._stopping or len(self._waiting) >= MAX_WAITING:
                raise ProviderUnavailable(retry_after_s=5)
            self._waiting.append(job)
            self._wake.notify()

    def cancel(self, job: Job) -> None:
        """Give a request up; harmless when it has ended."""
        with self._wake:
            job.cancelled = True
            self._wake.notify()

    def stop(self) -> None:
        """Stop after the current round, free the model and wait for the thread."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join(STOP_TIMEOUT_S)

    # Everything below runs on the owner thread only.

    def _run(self) -> None:
        round_: _Rounds | None = None
        failure: Exception = ProviderInterrupted()
        model: NativeModel | None = None
        try:
            model = NativeModel(
                self.path,
                threads=self._threads,
                sequences=SLOTS,
                context_tokens=self._context_tokens,
            )
            round_ = _Rounds(model, self.table)
            logger.info("local_model.loaded", file=self.path.name, context=model.context_tokens)
            self.loaded.set()
            while self._take_in(round_):
                round_.step()
        except NativeError as error:
            logger.exception("local_model.failed", file=self.path.name)
            if round_ is None:
                failure = ConfigurationError(str(error))
        except ConfigurationError as error:
            logger.exception("local_model.unusable", file=self.path.name, hint=error.hint)
            failure = error
        finally:
            self._bury(round_, failure)
            if model is not None:
                model.close()

    def _take_in(self, round_: "_Rounds") -> bool:
        """Give waiting jobs to free slots; sleep while there is nothing to do."""
        while True:
            with self._wake:
                while not (self._waiting or round_.running or self._stopping):
                    self._wake.wait()
                if self._stopping:
                    return False
                job = self._waiting.popleft() if self._waiting and round_.has_room else None
            if job is None:
                return True
            round_.admit(job)

    def _bury(self, round_: "_Rounds | None", failure: Exception) -> None:
        with self._wake:
            self._dead = True
            left = list(self._waiting)
            self._waiting.clear()
        self.loaded.set()
        running = round_.abandon() if round_ is not None else []
        for job in running + left:
            job.deliver(failure)


class _Rounds:
    """The answers in progress on one model."""

    def __init__(self, model: NativeModel, table: SlotTable) -> None:
        self._model = model
        self._table = table
        self._prompts = PromptBuilder(model)
        self._answers: list[_Answer] = []

    @property
    def running(self) -> bool:
        return bool(self._answers)

    @property
    def has_room(self) -> bool:
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
        claim = self._table.claim(partition=job.request.partition, prompt=job.prompt)
        assert claim is not None, "has_room was asked first"
        reused = claim.reused
        if not self._model.forget(claim.slot.index, reused):
            self._model.forget(claim.slot.index, 0)
            claim.slot.tokens.clear()
            reused = 0
        metrics.PREFIX_TOKENS.labels(outcome="reused").inc(reused)
        metrics.PREFIX_TOKENS.labels(outcome="read").inc(len(job.prompt) - reused)
        sampler = self._model.new_sampler(job.request.temperature)
        self._answers.append(_Answer(job, claim.slot, sampler, fed=reused))

    def step(self) -> None:
        """Evaluate one batch and hand out what it produced."""
        for answer in [each for each in self._answers if each.job.cancelled]:
            self._end(answer)
        if not self._answers:
            return
        entries: list[Entry] = []
        due: list[tuple[_Answer, int]] = []
        talking = [answer for answer in self._answers if not answer.reading]
        for answer in talking:
            position = len(answer.slot.tokens)
            entries.append(Entry(answer.next_token, position, answer.slot.index, wanted=True))
            answer.slot.tokens.append(answer.next_token)
            due.append((answer, len(entries) - 1))
        room = READING_CHUNK if talking else self._model.batch_tokens
        room = min(room, self._model.batch_tokens - len(entries))
        for answer in self._answers:
            if answer.reading and room > 0:
                room -= self._read(answer, entries, room)
                if answer.fed == len(answer.job.prompt):
                    due.append((answer, len(entries) - 1))
        self._model.decode(entries)
        for answer, index in due:
            self._advance(answer, self._model.sample(answer.sampler, index))

    def _read(self, answer: _Answer, entries: list[Entry], room: int) -> int:
        prompt = answer.job.prompt
        end = min(answer.fed + room, len(prompt))
        for position in range(answer.fed, end):
            wanted = position == len(prompt) - 1
            entries.append(Entry(prompt[position], position, answer.slot.index, wanted))
        answer.slot.tokens.extend(prompt[answer.fed : end])
        read = end - answer.fed
        answer.fed = end
        return read

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
