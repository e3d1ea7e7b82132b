"""One thread owns one loaded model and answers several requests side by side.

Requests beyond the slots wait in order of arrival; `rounds` says what happens with the others.
"""

import threading
from collections import deque
from collections.abc import Callable

from apps.core.logging import get_logger
from apps.providers import metrics
from apps.providers.domain.slots import SlotTable
from apps.providers.engine.model import EngineSpec, LocalModel, NativeError, OpenModel
from apps.providers.engine.rounds import Job, Rounds
from apps.providers.errors import ConfigurationError, ProviderInterrupted, ProviderUnavailable

logger = get_logger(__name__)

MAX_WAITING = 64
STOP_TIMEOUT_S = 10.0


class EngineGone(Exception):
    """This engine takes no more requests; the next one of its model does."""


class Engine:
    """A model file, its owner thread and the queue in front of it."""

    def __init__(
        self,
        spec: EngineSpec,
        *,
        open_model: OpenModel,
        when_gone: Callable[[], None] = lambda: None,
    ) -> None:
        """Start the thread, which loads the model.

        Args:
            spec: What is loaded.
            open_model: Loads it; called on the thread.
            when_gone: Called on the thread when the model's memory was given back.
        """
        self.spec = spec
        self._when_gone = when_gone
        self._open_model = open_model
        self._wake = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._stopping = False
        self._serving = False
        self._dead = False
        self.loaded = threading.Event()
        self.gone = threading.Event()
        self.failure: Exception | None = None
        self.table = SlotTable(spec.sequences)
        name = f"llm-{spec.path.stem}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether requests are still accepted."""
        return not (self._dead or self._stopping)

    @property
    def busy(self) -> bool:
        """Whether it is loading, answers somebody or has somebody waiting."""
        with self._wake:
            return self._is_busy()

    def submit(self, job: Job) -> None:
        """Queue a request; its events arrive through `job.deliver`.

        Raises:
            EngineGone: It has stopped, also when it did so a moment ago.
            ProviderUnavailable: The queue is full.
        """
        with self._wake:
            if self._dead or self._stopping:
                raise EngineGone
            if len(self._waiting) >= MAX_WAITING:
                raise ProviderUnavailable(retry_after_s=5)
            self._waiting.append(job)
            self._wake.notify()

    def cancel(self, job: Job) -> None:
        """Give a request up; harmless when it has ended."""
        with self._wake:
            job.cancelled = True
            if job in self._waiting:
                self._waiting.remove(job)
            self._wake.notify()

    def stop(self) -> None:
        """Stop after the current round, free the model and wait for the thread."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join(STOP_TIMEOUT_S)

    def retire(self) -> bool:
        """Stop and free the model unless it is busy; say whether that was done."""
        with self._wake:
            if self._is_busy():
                return False
            self._stopping = True
            self._wake.notify()
        self._thread.join(STOP_TIMEOUT_S)
        return self.gone.is_set()

    def _is_busy(self) -> bool:
        return bool(self._waiting) or self._serving or not self.loaded.is_set()

    # Everything below runs on the owner thread only.

    def _run(self) -> None:
        rounds: Rounds | None = None
        failure: Exception = ProviderInterrupted()
        model: LocalModel | None = None
        file = self.spec.path.name
        try:
            model = self._open_model(self.spec)
            rounds = Rounds(model, self.table)
            logger.info("local_model.loaded", file=file, context=model.context_tokens)
            self.loaded.set()
            while self._take_in(rounds):
                rounds.step()
        except NativeError as error:
            logger.exception("local_model.failed", file=file)
            if rounds is None:
                failure = self.failure = ConfigurationError(str(error))
        except ConfigurationError as error:
            logger.exception("local_model.unusable", file=file, hint=error.hint)
            failure = self.failure = error
        finally:
            self._bury(rounds, failure)
            if model is not None:
                model.close()
            self.gone.set()
            self._when_gone()

    def _take_in(self, rounds: Rounds) -> bool:
        """Give waiting jobs to free slots; sleep while there is nothing to do."""
        while True:
            with self._wake:
                self._serving = rounds.running
                while not (self._waiting or self._serving or self._stopping):
                    if not self._wake.wait(self.spec.idle_s or None):
                        self._stopping = True
                        metrics.LOCAL_UNLOADS.labels("idle").inc()
                        logger.info("local_model.idle", file=self.spec.path.name)
                if self._stopping:
                    return False
                job = self._waiting.popleft() if self._waiting and rounds.has_room else None
                self._serving = self._serving or job is not None
            if job is None:
                return True
            rounds.admit(job)

    def _bury(self, rounds: Rounds | None, failure: Exception) -> None:
        with self._wake:
            self._dead = True
            left = list(self._waiting)
            self._waiting.clear()
        self.loaded.set()
        running = rounds.abandon() if rounds is not None else []
        for job in running + left:
            job.deliver(failure)
