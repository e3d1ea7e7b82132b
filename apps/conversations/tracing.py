"""Collects what an attempt decides and does; written in one go when the turn is settled."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from apps.conversations.domain.steps import Step, StepKind, bounded
from apps.core.clock import now
from apps.core.logging import redact_secrets


def _detail(values: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = bounded(values)
    return dict(redact_secrets(None, "", shown))


class Trace:
    """The steps of one attempt, in order."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._next = 0

    def add(self, kind: StepKind, *, ms: int = 0, **detail: Any) -> None:
        """Note a step that just ended."""
        self._steps.append(self.step(kind, ms=ms, **detail))

    def step(self, kind: StepKind, *, ms: int = 0, key: str = "", **detail: Any) -> Step:
        """Return the next step of the attempt without collecting it: the ledger writes its own."""
        made = Step(
            seq=self._next,
            kind=kind,
            started_at=now() - timedelta(milliseconds=ms),
            ms=ms,
            detail=_detail(detail),
            key=key,
        )
        self._next += 1
        return made

    @contextmanager
    def timed(self, kind: StepKind, **detail: Any) -> Iterator[dict[str, Any]]:
        """Note a step that lasts as long as the block; what the block adds is kept with it."""
        started = time.perf_counter()
        try:
            yield detail
        finally:
            self.add(kind, ms=round((time.perf_counter() - started) * 1000), **detail)

    def drain(self) -> list[Step]:
        """Return the collected steps and forget them."""
        steps, self._steps = self._steps, []
        return steps
