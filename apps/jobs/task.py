"""The base of every task: tenant, correlation id, deadline, metrics, dead letters.

A task body is one call of a service. A tenant's task carries its tenant explicitly, captured when
it was enqueued; without a valid, active tenant it becomes a dead letter and never runs in
`public` (decisions.md, trap 3).
"""

import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from celery import Task, shared_task
from celery.exceptions import Reject
from django.db import Error, OperationalError, close_old_connections, connection
from typing_extensions import override

from apps.core import scope
from apps.core.logging import get_logger
from apps.core.metrics import unhandled_total
from apps.core.scope import TenantRef
from apps.jobs import metrics
from apps.jobs.registry import TaskSpec, register_task, require_task, resolve_tenant
from apps.jobs.services import bury

logger = get_logger(__name__)

TENANT_HEADER = "karen_tenant"
CORRELATION_HEADER = "karen_correlation_id"
_AWAY_S = 0.5

_deadline: ContextVar[float | None] = ContextVar("karen_task_deadline", default=None)


def remaining_s() -> float:
    """Return the seconds left until the running task's deadline; infinite outside a task."""
    deadline = _deadline.get()
    return float("inf") if deadline is None else deadline - time.monotonic()


def _database_answers() -> bool:
    try:
        close_old_connections()
        connection.ensure_connection()
        return bool(connection.is_usable())
    except Error:
        return False


class KarenTask(Task):  # type: ignore[type-arg]  # celery-types: generic only in stubs
    """What tenant tasks and global tasks share."""

    abstract = True
    acks_late = True
    reject_on_worker_lost = True
    ignore_result = True

    @override
    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Run the body in its scope; an exception becomes a dead letter."""
        spec = require_task(self.name)
        with scope.correlation_scope(self._header(CORRELATION_HEADER)):
            close_old_connections()
            token = _deadline.set(time.monotonic() + spec.deadline_s)
            started = time.perf_counter()
            try:
                self._run_in_scope(spec, args, kwargs)
            except Exception as error:  # the task base is one of three places that may
                if isinstance(error, OperationalError) and not _database_answers():
                    # Every task may run twice, so none is lost because the database was away.
                    logger.warning("task.database_unavailable", task=self.name)
                    threading.Event().wait(_AWAY_S)
                    raise Reject(str(error), requeue=True) from error
                unhandled_total.labels("task").inc()
                logger.exception("task.failed", task=self.name)
                self._bury(kwargs, reason=type(error).__name__, error=str(error))
            finally:
                _deadline.reset(token)
                metrics.task_seconds.labels(self.name).observe(time.perf_counter() - started)
                close_old_connections()

    def _run_in_scope(self, spec: TaskSpec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not spec.tenant:
            with scope.tenant_scope(None), scope.actor_scope(scope.SYSTEM):
                super().__call__(*args, **kwargs)
            return
        ref = self._tenant()
        if ref is None:
            logger.error("task.tenant_refused", task=self.name)
            self._bury(kwargs, reason="no_valid_tenant", error="")
            return
        with scope.tenant_scope(ref), scope.actor_scope(scope.SYSTEM):
            super().__call__(*args, **kwargs)

    def _header(self, name: str) -> str | None:
        headers = self.request.headers or {}
        value = headers.get(name)
        return value if isinstance(value, str) else None

    def _tenant(self) -> TenantRef | None:
        text = self._header(TENANT_HEADER)
        try:
            tenant_id = UUID(text or "")
        except ValueError:
            return None
        return resolve_tenant(tenant_id)

    def _bury(self, kwargs: dict[str, Any], *, reason: str, error: str) -> None:
        info = self.request.delivery_info or {}
        bury(
            task=self.name,
            queue=str(info.get("routing_key") or require_task(self.name).queue),
            kwargs=kwargs,
            tenant=self._header(TENANT_HEADER),
            reason=reason,
            error=error,
        )


def _declare(spec: TaskSpec) -> Callable[[Callable[..., None]], KarenTask]:
    register_task(spec)

    def decorate(function: Callable[..., None]) -> KarenTask:
        task: KarenTask = shared_task(base=KarenTask, name=spec.name)(function)
        return task

    return decorate


def tenant_task(
    *,
    name: str,
    queue: str,
    deadline_s: float,
    expires_s: float,
    idempotency: str,
    gathers: str = "",
) -> Callable[[Callable[..., None]], KarenTask]:
    """Declare a task that works inside the tenant it was enqueued in; see `TaskSpec`."""
    return _declare(
        TaskSpec(
            name=name, queue=queue, deadline_s=deadline_s, expires_s=expires_s,
            idempotency=idempotency, tenant=True, gathers=gathers,
        )
    )  # fmt: skip


def global_task(
    *, name: str, queue: str, deadline_s: float, expires_s: float, idempotency: str
) -> Callable[[Callable[..., None]], KarenTask]:
    """Declare a task of the platform itself; see `TaskSpec`."""
    return _declare(
        TaskSpec(
            name=name, queue=queue, deadline_s=deadline_s, expires_s=expires_s,
            idempotency=idempotency, tenant=False,
        )
    )  # fmt: skip
