"""What is measured of one call from its question to its row in the ledger."""

import time
from collections.abc import Callable
from typing import TypeAlias

from apps.core import scope
from apps.core.clock import now
from apps.providers import metrics
from apps.providers.contracts import (
    Finished,
    Flow,
    ModelInfo,
    ModelRequest,
    Origin,
    ProviderEvent,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    Usage,
    UsageReport,
)
from apps.providers.domain.estimates import estimated_tokens
from apps.providers.ledger import CallRecord
from apps.providers.pricing import Tariff, tariff_of

Record: TypeAlias = Callable[[CallRecord], None]

OK, CLOSED = "ok", "closed"
_UNSEEN_TOKENS = 2_000  # marks of tools and turns, and reasoning that is not told apart


class Account:
    """One call: its outcome, its usage, its times, the stages it went through.

    Attributes:
        status: `ok`, the code of an error, or `closed` while nothing else is known: the reader
            went away.
        usage: What the model reported, or what was estimated at the end.
        is_cached: The answer was kept, or written for somebody else.
        tries: Attempts to reach the model.
    """

    def __init__(
        self, flow: Flow, model: ModelInfo, request: ModelRequest, origin: Origin, record: Record
    ) -> None:
        self.flow = flow
        self.model = model
        self.request = request
        self.origin = origin
        self.status = CLOSED
        self.usage: Usage | None = None
        self.is_cached = False
        self.tries = 0
        self._record = record
        self._labels = (flow.value, model.id)
        self._at = now()
        self._started = time.perf_counter()
        self._first: float | None = None
        self._bytes = 0
        self._reported = False
        self._is_flying = False
        self._has_left = False
        self._steps: list[tuple[str, str]] = []
        self._tariff: Tariff | None = None

    def another(self, request: ModelRequest) -> "Account":
        """Return the account of a further call for the same purpose."""
        return Account(self.flow, self.model, request, self.origin, self._record)

    def take_off(self) -> None:
        """Say that others may read the answer on when whoever asked has left."""
        self._is_flying = True

    def land(self, *, otherwise: Record) -> None:
        """Say that the model has ended; the record goes to `otherwise` where the asker has left."""
        self._is_flying = False
        if self._has_left:
            self._record = otherwise
            self.close()

    def step(self, stage: str, outcome: str) -> None:
        """Note that the call went through a stage of the gateway, and what came of it."""
        self._steps.append((stage, outcome))

    def saw(self, batch: list[ProviderEvent]) -> None:
        """Take notice of what is handed to the reader."""
        if self._first is None:
            self._first = time.perf_counter() - self._started
            metrics.FIRST_TOKEN.labels(*self._labels).observe(self._first)
        if isinstance(batch[-1], TextDelta):  # nearly always
            return
        for event in batch:
            if isinstance(event, UsageReport):
                self.usage = event.usage

    def checked(self, batch: list[ProviderEvent]) -> list[ProviderEvent]:
        """Add up what the model wrote, and have the answer tell its usage exactly once.

        A report that is missing, or that cannot be true, is replaced by an estimate.
        """
        for place, event in enumerate(batch):
            if isinstance(event, TextDelta | ReasoningDelta):
                text = event.text
                self._bytes += len(text) if text.isascii() else len(text.encode())
            elif isinstance(event, ToolCall):
                self._bytes += len(event.name) + len(event.arguments)
            elif isinstance(event, UsageReport):
                self._reported = True
                report = event if self._is_plausible(event.usage) else self.estimate()
                batch[place], self.usage = report, report.usage
        if isinstance(batch[-1], Finished) and not self._reported:
            self._reported = True
            batch.insert(-1, self.estimate())
        return batch

    def _is_plausible(self, usage: Usage) -> bool:
        # A token has a byte at least, but for what a provider thinks in secret and adds itself.
        if min(usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens) < 0:
            return False
        if self._bytes and not usage.completion_tokens:
            return False
        said = usage.completion_tokens - usage.reasoning_tokens
        return said <= self._bytes + _UNSEEN_TOKENS

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt, estimated by its length."""
        return prompt_estimate(self.request)

    def estimate(self) -> UsageReport:
        """Return what was used so far by the length of the texts."""
        return UsageReport(
            usage=Usage(
                prompt_tokens=self.prompt_tokens,
                completion_tokens=estimated_tokens(self._bytes),
                estimated=True,
            )
        )

    @property
    def tariff(self) -> Tariff:
        """How this call is priced."""
        if self._tariff is None:
            self._tariff = tariff_of(self.model)
        return self._tariff

    def consumed(self) -> Usage | None:
        """Return what the call used: as reported, else estimated; None if no model was reached."""
        if self.usage is not None:
            return self.usage
        # A model that was cut off, stopped or failed has read its prompt and written what came,
        # also where guardrails held all of it back.
        reached = self._first is not None or self._bytes > 0
        return self.estimate().usage if reached else None

    def close(self) -> None:
        """Count the call and hand its record on; once the model has ended, where others read on."""
        if self._is_flying:
            self._has_left = True
            return
        elapsed = time.perf_counter() - self._started
        usage = self.consumed()
        metrics.OPERATIONS.labels(*self._labels, self.status).inc()
        metrics.DURATION.labels(*self._labels).observe(elapsed)
        if usage is not None and not self.is_cached:
            metrics.TOKENS.labels(*self._labels, "prompt").inc(usage.prompt_tokens)
            metrics.TOKENS.labels(*self._labels, "completion").inc(usage.completion_tokens)
        tenant = scope.current()
        self._record(
            CallRecord(
                tenant_id=tenant.id if tenant else None,
                flow=self.flow,
                model=self.model.id,
                provider=self.model.provider,
                started_at=self._at,
                status=self.status,
                usage=usage,
                tariff=self.tariff if usage is not None else None,
                origin=self.origin,
                is_cached=self.is_cached,
                tries=self.tries,
                first_ms=None if self._first is None else round(self._first * 1000),
                total_ms=round(elapsed * 1000),
                correlation_id=scope.correlation_id(),
                steps=tuple(self._steps),
            )
        )


def prompt_estimate(request: ModelRequest) -> int:
    """Return the tokens of a prompt by its length in bytes."""
    size = sum(
        len(message.text) if message.text.isascii() else len(message.text.encode())
        for message in request.messages
    )
    return estimated_tokens(size)
