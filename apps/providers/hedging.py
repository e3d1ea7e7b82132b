"""Asking twice where the first question takes unusually long; the first answer counts.

Only for calls without effects and without streams: embeddings. A second question goes out after
the time within which 95 of 100 answers have come so far, and never for more than a tenth of all
calls, so that a provider in trouble is not asked twice by everybody.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from apps.providers import metrics

T = TypeVar("T")

_REMEMBERED = 128
_ENOUGH = 20  # answers after which their times say something
_BEFORE_S = 1.0
_LEAST_S = 0.02
_QUANTILE = 0.95
_SHARE = 0.1
_BURST = 3.0


class Hedge:
    """What is known about the times of one kind of call in this process."""

    def __init__(self, *, before_s: float = _BEFORE_S) -> None:
        self._times: deque[float] = deque(maxlen=_REMEMBERED)
        self._before_s = before_s
        self._allowed = _BURST

    def delay_s(self) -> float:
        """Return after how many seconds a second question is worth it."""
        if len(self._times) < _ENOUGH:
            return self._before_s
        ordered = sorted(self._times)
        return max(_LEAST_S, ordered[int(len(ordered) * _QUANTILE)])

    async def first_of(self, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the first answer; whatever is still asked then is cancelled.

        Raises:
            Exception: What the last question failed with, when none was answered.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        self._allowed = min(_BURST, self._allowed + _SHARE)
        tasks = [asyncio.create_task(ask())]
        try:
            done, _pending = await asyncio.wait(tasks, timeout=self.delay_s())
            if not done and self._allowed >= 1.0:
                self._allowed -= 1.0
                tasks.append(asyncio.create_task(ask()))
            answer = await _first_success(tasks)
            self._times.append(loop.time() - started)
            if len(tasks) > 1:
                metrics.HEDGES.labels("first" if _succeeded(tasks[0]) else "second").inc()
            return answer
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _succeeded(task: "asyncio.Task[T]") -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


async def _first_success(tasks: "list[asyncio.Task[T]]") -> T:
    pending: set[asyncio.Task[T]] = set(tasks)
    while True:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        answered = next((task for task in done if _succeeded(task)), None)
        if answered is not None:
            return answered.result()
        if not pending:
            return done.pop().result()  # raises what it failed with
