"""What the gateway does beside the calls, from one thread per process.

Settings are compared with the others' versions, measurements and ledger rows are written in
batches. A call pays for none of it.
"""

import atexit
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import redis
from django.conf import settings
from django.db import Error, close_old_connections

from apps.core.logging import get_logger

logger = get_logger(__name__)

_TICK_S = 0.2


@dataclass(slots=True)
class _Chore:
    name: str
    every_s: float
    run: Callable[[], None]
    due_at: float = 0.0


_chores: dict[str, _Chore] = {}
_lock = threading.Lock()
_thread: threading.Thread | None = None
_wake = threading.Event()


def register(name: str, run: Callable[[], None], *, every_s: float) -> None:
    """Have `run` called every `every_s` seconds once the gateway is used; blocking work is fine.

    It is called from one thread, in no tenant's scope. `redis.RedisError` and database errors end
    that one run; the next one comes at its time.
    """
    _chores[name] = _Chore(name=name, every_s=every_s, run=run)


def start() -> None:
    """Begin, if this process has not; cheap when it has."""
    global _thread  # noqa: PLW0603  # one thread per process
    if _thread is not None or not settings.GATEWAY_UPKEEP:
        return
    with _lock:
        if _thread is None:
            # lint: allow bare-thread: it works for all tenants and belongs to none
            _thread = threading.Thread(target=_run, name="gateway-upkeep", daemon=True)
            _thread.start()


def _forget_after_fork() -> None:
    global _thread, _lock  # noqa: PLW0603  # threads do not cross a fork
    _thread = None
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forget_after_fork)


def _run() -> None:
    while True:
        _wake.wait(_TICK_S)
        moment = time.monotonic()
        for chore in list(_chores.values()):
            if chore.due_at <= moment:
                chore.due_at = moment + chore.every_s
                do(chore.name)


def do(name: str) -> bool:
    """Do one chore now, in the calling thread; say whether it could be done."""
    try:
        _chores[name].run()
    except (redis.RedisError, Error):
        logger.warning("gateway.chore_put_off", chore=name)
        return False
    finally:
        close_old_connections()
    return True


def finish() -> None:
    """Do every chore once more: a process that ends leaves nothing unwritten."""
    if _thread is not None:
        for name in list(_chores):
            do(name)


atexit.register(finish)
