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
from typing import NotRequired

from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from typing_extensions import TypedDict

from apps.core.logging import get_logger
from apps.core.redis import RedisRole, redis_client
from apps.core.scope import tenant_scope

logger = get_logger(__name__)

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
class Board:
    """The checks of this process, those still running, and the last answer.

    Attributes:
        checks: What to look at, by name.
        deadline_s: Seconds a round may take; what has not answered then counts as failed.
        kept_s: Seconds an answer is given again before the next round.
    """

    checks: dict[str, Check] = field(default_factory=dict)
    deadline_s: float = 1.5
    kept_s: float = 1.0
    running: dict[str, "Future[tuple[Outcome, int]]"] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    answer: Readiness | None = None
    answered_at: float = 0.0
    draining: bool = False

    def readiness(self) -> Readiness:
        """Return the state of everything on the board, at most `kept_s` old."""
        # Callers wait for one another here: a flood of probes costs one round of checks.
        with self.lock:
            if self.answer is None or time.monotonic() - self.answered_at >= self.kept_s:
                self.answer = self._look()
                self.answered_at = time.monotonic()
            answer = self.answer
        if self.draining:
            return Readiness(status="unavailable", checks=answer["checks"])
        return answer

    def begin_drain(self) -> None:
        """Answer `unavailable` from now on, so that load balancers send nobody new."""
        self.draining = True  # without the lock: a round of checks may hold it for its deadline

    def _look(self) -> Readiness:
        for name, check in self.checks.items():
            # One that still hangs from the last round is not started a second time: threads are
            # few, and its state is known.
            if name not in self.running:
                work = partial(copy_context().run, _timed, check.run)
                self.running[name] = _executor().submit(work)
        done, _ = wait(self.running.values(), timeout=self.deadline_s)
        reports = {name: self._report(name, done) for name in self.checks}
        missing = [name for name, report in reports.items() if not report["ok"]]
        status = "degraded" if missing else "ok"
        if any(self.checks[name].required for name in missing):
            status = "unavailable"
        return Readiness(status=status, checks=reports)

    def _report(self, name: str, done: "set[Future[tuple[Outcome, int]]]") -> CheckReport:
        future = self.running[name]
        if future not in done:
            return CheckReport(
                ok=False, ms=round(self.deadline_s * 1000), detail="no answer in time"
            )
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
    # lint: allow bare-thread: `Board` submits with the caller's context
    return ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="health")


@cache
def board() -> Board:
    """Return this process's board, with core's own checks on it."""
    own = [Check(name="database", run=_database, required=True)]
    own += [
        Check(
            name=f"redis_{role.value}",
            run=partial(_redis, role),
            required=role is RedisRole.STREAMS,
        )
        for role in RedisRole
    ]
    return Board(checks={check.name: check for check in own})


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
    board().checks[check.name] = check


@require_safe
@never_cache
def live(_request: HttpRequest) -> JsonResponse:
    """Say that the process answers; asks nothing of any other part."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def ready(_request: HttpRequest) -> JsonResponse:
    """Say whether this process can serve, with 503 when it cannot."""
    answer = board().readiness()
    return JsonResponse(answer, status=503 if answer["status"] == "unavailable" else 200)
