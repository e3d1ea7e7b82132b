"""The engines of this process, one per model file, loaded at first use.

A loaded model never crosses a fork: the child starts with none and loads its own.
"""

import asyncio
import atexit
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache

from django.conf import settings

from apps.providers import catalogue, trust
from apps.providers.engine.scheduler import Engine
from apps.providers.errors import ConfigurationError, ModelNotFound, NoModelAvailable

_engines: dict[str, Engine] = {}
_lock = threading.Lock()


def _forget_after_fork() -> None:
    global _lock  # noqa: PLW0603  # the parent may have held it at the moment of the fork
    _lock = threading.Lock()
    _engines.clear()  # without freeing: the memory is the parent's
    _loader.cache_clear()


os.register_at_fork(after_in_child=_forget_after_fork)


@cache
def _loader() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="llm-verify")


def generation_threads() -> int:
    """Return how many threads generate: `LOCAL_THREADS`, or the cores this process may use."""
    if settings.LOCAL_THREADS:
        return int(settings.LOCAL_THREADS)
    # Where the process is pinned to some cores, more threads than those only hinder each other.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load(model_id: str) -> Engine:
    """Return the engine of a local model, verifying and starting it at first use. Blocking.

    Raises:
        NoModelAvailable: llama-cpp-python is not installed.
        ModelNotFound: No file has this name.
        ConfigurationError: The file is not the one that was registered.
    """
    path = catalogue.local_files().get(model_id.partition("/")[2])
    if path is None:
        raise ModelNotFound(model=model_id)
    if not catalogue.engine_installed():
        raise NoModelAvailable(catalogue.why_no_local_model())
    with _lock:
        engine = _engines.get(model_id)
        if engine is None or not engine.alive or engine.path != path:
            # Whoever puts a file into the operator's folder installs it; from its first use on
            # it must stay as it was.
            trust.register_new(path)
            trust.verify(path)
            engine = Engine(
                path,
                threads=generation_threads(),
                context_tokens=settings.LOCAL_CONTEXT_TOKENS,
            )
            _engines[model_id] = engine
        return engine


def warm(model_id: str) -> None:
    """Load a local model and wait until it answers. Blocking.

    Raises:
        NoModelAvailable: llama-cpp-python is not installed.
        ModelNotFound: No file has this name.
        ConfigurationError: The file is not the one that was registered, or does not load.
    """
    engine = load(model_id)
    engine.loaded.wait()
    if not engine.alive:
        raise ConfigurationError(f"{engine.path.name} does not load; the log says why")


async def engine_for(model_id: str) -> Engine:
    """Return the engine of a local model without blocking the event loop.

    Raises:
        NoModelAvailable: llama-cpp-python is not installed.
        ModelNotFound: No file has this name.
        ConfigurationError: The file is not the one that was registered.
    """
    engine = _engines.get(model_id)
    if engine is not None and engine.alive:
        return engine
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_loader(), copy_context().run, load, model_id)


def stop_all() -> None:
    """Stop every engine and free its model; the next use loads again."""
    with _lock:
        engines = list(_engines.values())
        _engines.clear()
    for engine in engines:
        engine.stop()


atexit.register(stop_all)
