"""Is this process alive, and can it serve? `/health/live` and `/health/ready`.

Core checks what it owns: the database and Redis by role. Other apps add theirs with
`register_check`. Checks run at the same time, each on its own thread with a deadline, because a
check that hangs is exactly what this page must report. The public answer holds words from this
code only: no addresses, versions or exception texts.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import cache, partial
from typing import NotRequired, TypedDict

from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.core.logging import get_logger
from apps.core.redis import RedisRole, redis_client
from apps.core.scope import tenant_scope

logger = get_logger(__name__)

_DEADLINE_S = 1.5
_KEPT_S = 1.0
_THREADS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one check found; `detail` is shown to everybody."""

    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that readiness depends on.

    Attributes:
        name: Its name in the answer.
        run: Looks, blocking, and returns an outcome; an exception counts as a failure.
        required: Without it this process cannot serve at all.
    """

    name: str
    run: Callable[[], Outcome]
    required: bool = False


class CheckReport(TypedDict):
    """One check in the answer; `ms` is how long it took, in milliseconds."""

    ok: bool
    ms: int
    detail: NotRequired[str]


class Readiness(TypedDict):
    """The answer of `/health/ready`: `ok`, `degraded` (serves with less) or `unavailable`."""

    status: str
    checks: dict[str, CheckReport]


def _timed(run: Callable[[], Outcome]) -> tuple[Outcome, int]:
    started = time.monotonic()
    with tenant_scope(None):
        outcome = run()
    return outcome, round((time.monotonic() - started) * 1000)


@dataclass(slots=True)
class _Board:
    """The checks of this process, those still running, and the last answer."""

    checks: dict[str, Check] = field(default_factory=dict)
    running: dict[str, "Future[tuple[Outcome, int]]"] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    answer: Readiness | None = None
    answered_at: float = 0.0
    draining: bool = False

    def readiness(self) -> Readiness:
        # Callers wait for one another here: a flood of probes costs one round of checks a second.
        with self.lock:
            if self.answer is None or time.monotonic() - self.answered_at >= _KEPT_S:
                self.answer = self._look()
                self.answered_at = time.monotonic()
            return self.answer

    def _look(self) -> Readiness:
        for name, check in self.checks.items():
            # One that still hangs from the last round is not started a second time: threads are
            # few, and its state is known.
            if name not in self.running:
                work = partial(copy_context().run, _timed, check.run)
                self.running[name] = _executor().submit(work)
        done, _ = wait(self.running.values(), timeout=_DEADLINE_S)
        reports = {name: self._report(name, done) for name in self.checks}
        missing = [name for name, report in reports.items() if not report["ok"]]
        status = "degraded" if missing else "ok"
        if self.draining or any(self.checks[name].required for name in missing):
            status = "unavailable"
        return Readiness(status=status, checks=reports)

    def _report(self, name: str, done: "set[Future[tuple[Outcome, int]]]") -> CheckReport:
        future = self.running[name]
        if future not in done:
            return CheckReport(ok=False, ms=round(_DEADLINE_S * 1000), detail="no answer in time")
        del self.running[name]
        error = future.exception()
        if error is not None:
            logger.warning("health.check_failed", check=name, exc_info=error)
            return CheckReport(ok=False, ms=0, detail="not reachable")
        outcome, ms = future.result()
        report = CheckReport(ok=outcome.ok, ms=ms)
        if outcome.detail:
            report["detail"] = outcome.detail
        return report


@cache
def _executor() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="health")


@cache
def _board() -> _Board:
    board = _Board()
    board.checks["database"] = Check(name="database", run=_database, required=True)
    for role in RedisRole:
        name = f"redis_{role.value}"
        board.checks[name] = Check(
            name=name, run=partial(_redis, role), required=role is RedisRole.STREAMS
        )
    return board


def _database() -> Outcome:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        connection.close()  # gives a pooled connection back; this thread may idle for long
    return Outcome(ok=True)


def _redis(role: RedisRole) -> Outcome:
    redis_client(role).ping()
    return Outcome(ok=True)


def register_check(check: Check) -> None:
    """Add a check to readiness; called from `AppConfig.ready`."""
    _board().checks[check.name] = check


def begin_drain() -> None:
    """Answer `unavailable` from now on, so that load balancers send nobody new."""
    board = _board()
    board.draining = True
    board.answer = None


def readiness() -> Readiness:
    """Return the state of everything this process depends on, at most a second old."""
    return _board().readiness()


@require_safe
@never_cache
def live(_request: HttpRequest) -> JsonResponse:
    """Say that the process answers; asks nothing of any other part."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def ready(_request: HttpRequest) -> JsonResponse:
    """Say whether this process can serve, with 503 when it cannot."""
    answer = readiness()
    return JsonResponse(answer, status=503 if answer["status"] == "unavailable" else 200)
