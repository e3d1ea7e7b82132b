"""The only places where code crosses between threads and event loops.

`tenant_db` and `platform_db` take blocking database work off an event loop; `run_async` takes
asynchronous work off a worker thread. Both carry the caller's context (tenant, actor, correlation
id), which `asyncio.to_thread` and bare executors would run on unbounded or foreign threads.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import cache, partial
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.db import close_old_connections

from apps.core import scope

P = ParamSpec("P")
T = TypeVar("T")


@cache
def _database_executor() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=settings.DB_THREADS, thread_name_prefix="db")


def _clean_call(call: Callable[[], T]) -> T:
    # Returns the connection to the pool afterwards: a thread that idles must not hold one.
    close_old_connections()
    try:
        return call()
    finally:
        close_old_connections()


async def platform_db(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking database work from async code on the bounded executor.

    The caller's context travels along; changes the function makes to context variables do not
    come back. Use `tenant_db` wherever a tenant's content is touched.
    """
    call = partial(function, *args, **kwargs)
    context = copy_context()
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_database_executor(), context.run, _clean_call, call)


async def tenant_db(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking database work of the tenant in scope from async code.

    Raises:
        NoTenantInScope: No tenant is in scope.
    """
    scope.require()
    return await platform_db(function, *args, **kwargs)


def within(timeout_s: float, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking database work beside a worker's thread and wait for it no longer than that.

    What is late goes on by itself, up to the time-out of its statements, and is thrown away.

    Raises:
        TimeoutError: It is not done in time.
    """
    call = partial(function, *args, **kwargs)
    work = _database_executor().submit(copy_context().run, _clean_call, call)
    try:
        return work.result(timeout_s)
    except TimeoutError:
        work.cancel()  # if it has not begun, it need not begin
        raise


class _LoopThread:
    """One event loop on one daemon thread, for asynchronous work of threaded workers."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="karen-async", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()


@cache
def _loop_thread() -> _LoopThread:
    return _LoopThread()


def start_async(coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
    """Start `coroutine` on this process's shared event loop and return its future result.

    Called from worker threads, so that they can go on with blocking work of their own meanwhile.
    Cancelling the future does not stop the coroutine: give it a time-out of its own.
    """
    context = copy_context()
    loop = _loop_thread().loop
    outcome: Future[T] = Future()

    def start() -> None:
        task = loop.create_task(coroutine, context=context)
        task.add_done_callback(finish)

    def finish(task: asyncio.Task[T]) -> None:
        if task.cancelled():
            outcome.cancel()
            return
        error = task.exception()
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(task.result())

    loop.call_soon_threadsafe(start)
    return outcome


def run_async(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run `coroutine` on this process's shared event loop and wait for its result.

    Called from worker threads, never from an event loop. One shared loop keeps HTTP and Redis
    connections alive between tasks, which a loop per task would throw away. The thread gives its
    database connection back first: it may wait for minutes, and connections are few.
    """
    close_old_connections()
    return start_async(coroutine).result()
