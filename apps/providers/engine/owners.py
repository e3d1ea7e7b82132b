"""The engines of this process, one per model file, loaded at first use.

A loaded model never crosses a fork: the child starts with none and loads its own.
"""

import asyncio
import atexit
import os
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache

from django.conf import settings

from apps.providers import catalogue, trust
from apps.providers.domain.cpus import cpu_numbers
from apps.providers.engine.model import EngineSpec
from apps.providers.engine.native import NativeModel
from apps.providers.engine.residents import Residents
from apps.providers.engine.scheduler import Engine
from apps.providers.errors import ConfigurationError, ModelNotFound, NoModelAvailable

SLOTS = 4
_OF_RAM = 0.6  # of the machine's memory, where the operator set no budget


def memory_budget() -> int:
    """Return the bytes that local models may take together."""
    if settings.LOCAL_MEMORY_MIB:
        return int(settings.LOCAL_MEMORY_MIB) << 20
    return int(_OF_RAM * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


_residents = Residents(open_model=NativeModel, budget=memory_budget)


def _forget_after_fork() -> None:
    _residents.forget()
    _loader.cache_clear()


os.register_at_fork(after_in_child=_forget_after_fork)


@cache
def _loader() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="llm-verify")


def _cpus() -> frozenset[int]:
    try:
        cpus = cpu_numbers(settings.LOCAL_CPUS)
    except ValueError:
        raise ConfigurationError("LOCAL_CPUS must look like 0-3,6") from None
    if not cpus:
        return cpus
    if not hasattr(os, "sched_setaffinity"):
        raise ConfigurationError("LOCAL_CPUS is not possible on this system")
    if not cpus & os.sched_getaffinity(0):
        raise ConfigurationError("LOCAL_CPUS names no processor that this process may use")
    return cpus & frozenset(os.sched_getaffinity(0))


def generation_threads() -> int:
    """Return how many threads generate: `LOCAL_THREADS`, or the cores the engine may use.

    Raises:
        ConfigurationError: `LOCAL_CPUS` names none of them.
    """
    if settings.LOCAL_THREADS:
        return int(settings.LOCAL_THREADS)
    cpus = _cpus()
    if cpus:
        return len(cpus)
    # Where the process is pinned to some cores, more threads than those only hinder each other.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def engine_spec(model_id: str) -> EngineSpec:
    """Return how a local model is loaded under the present settings.

    Raises:
        ModelNotFound: No file has this name.
        ConfigurationError: `LOCAL_CPUS` makes no sense here.
    """
    name = model_id.partition("/")[2]
    path = catalogue.local_files().get(name)
    if path is None:
        raise ModelNotFound(model=model_id)
    return EngineSpec(
        path=path,
        adapter=catalogue.adapter_files().get(name),
        context_tokens=settings.LOCAL_CONTEXT_TOKENS,
        threads=generation_threads(),
        cpus=_cpus(),
        sequences=SLOTS,
        gpu_layers=settings.LOCAL_GPU_LAYERS,
        gpu_required=settings.LOCAL_GPU_REQUIRED,
        mmap=settings.LOCAL_MMAP,
        idle_s=settings.LOCAL_IDLE_SECONDS,
    )


def _verify(spec: EngineSpec) -> None:
    for path in (spec.path, spec.adapter):
        if path is not None:
            # Whoever puts a file into the operator's folder installs it; from its first use on
            # it must stay as it was.
            trust.register_new(path)
            trust.verify(path)


def load(model_id: str) -> Engine:
    """Return the engine of a local model, verifying and starting it at first use. Blocking.

    Raises:
        NoModelAvailable: llama-cpp-python is not installed.
        ModelNotFound: No file has this name.
        ProviderUnavailable: Models that answer now leave it no memory.
        ConfigurationError: The file is not the one that was registered, or too large.
    """
    spec = engine_spec(model_id)
    if not catalogue.engine_installed():
        raise NoModelAvailable(catalogue.why_no_local_model())
    return _residents.load(model_id, spec, lambda: _verify(spec))


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
        raise engine.failure or ConfigurationError(
            f"{engine.spec.path.name} does not load; the log says why"
        )


async def engine_for(model_id: str) -> Engine:
    """Return the engine of a local model without blocking the event loop.

    Raises:
        NoModelAvailable: llama-cpp-python is not installed.
        ModelNotFound: No file has this name.
        ProviderUnavailable: Models that answer now leave it no memory.
        ConfigurationError: The file is not the one that was registered, or too large.
    """
    engine = _residents.find(model_id)
    if engine is not None:
        return engine
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_loader(), copy_context().run, load, model_id)


def stop_all() -> None:
    """Stop every engine and free its model; the next use loads again."""
    _residents.stop()


atexit.register(stop_all)
