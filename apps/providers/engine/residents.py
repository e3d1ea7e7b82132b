"""Loaded models within a memory budget.

Whoever is asked for next sends away those that were not asked for longest, never one that answers.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from apps.core.logging import get_logger
from apps.providers import metrics
from apps.providers.domain.gguf import GgufError, read_header
from apps.providers.domain.residency import Resident, who_leaves
from apps.providers.engine.model import EngineSpec, OpenModel
from apps.providers.engine.scheduler import Engine
from apps.providers.errors import ConfigurationError, ProviderUnavailable

logger = get_logger(__name__)

BUSY_RETRY_S = 5.0
_OVERHEAD = 1.1  # buffers for computing, by measure of the built-in model


@dataclass(slots=True)
class _Loaded:
    engine: Engine
    size_bytes: int
    used_at: int


class Residents:
    """Loaded models within a budget of bytes."""

    def __init__(self, *, open_model: OpenModel, budget: Callable[[], int]) -> None:
        self._open_model = open_model
        self._budget = budget
        self._lock = threading.Lock()
        self._loaded: dict[str, _Loaded] = {}
        self._clock = 0

    def forget(self) -> None:
        """Lose every engine without freeing anything: after a fork the memory is the parent's."""
        self._lock = threading.Lock()  # the parent may have held it at the moment of the fork
        self._loaded.clear()

    def find(self, name: str) -> Engine | None:
        """Return the engine of a model if it is loaded and answers; counts as a use."""
        loaded = self._loaded.get(name)
        if loaded is None or not loaded.engine.alive:
            return None
        self._clock += 1
        loaded.used_at = self._clock
        return loaded.engine

    def load(self, name: str, spec: EngineSpec, verify: Callable[[], None]) -> Engine:
        """Return the engine of a model, making room for it first. Blocking.

        Raises:
            ProviderUnavailable: Those that answer now leave no room.
            ConfigurationError: It is larger than the budget, or `verify` refuses its files.
        """
        with self._lock:
            engine = self.find(name)
            if engine is not None and engine.spec == spec:
                return engine
            before = self._loaded.pop(name, None)
            if before is not None:
                before.engine.stop()  # its file was replaced, or it is just giving its memory back
            verify()
            size = memory_bytes(spec)
            self._make_room(name, size)
            self._clock += 1
            engine = Engine(spec, open_model=self._open_model, when_gone=self._count)
            self._loaded[name] = _Loaded(engine, size, self._clock)
            self._count()
            return engine

    def _make_room(self, name: str, size: int) -> None:
        budget = self._budget()
        if size > budget:
            mib = (size >> 20, budget >> 20)
            raise ConfigurationError(f"{name} takes {mib[0]} MiB; LOCAL_MEMORY_MIB gives {mib[1]}")
        while True:
            self._drop_dead()
            leaving = who_leaves(self._residents(), wanted=size, budget=budget)
            if leaving is None:
                raise ProviderUnavailable(retry_after_s=BUSY_RETRY_S)
            if not leaving:
                return
            # One by one: somebody may have asked one of them since.
            if self._loaded[leaving[0]].engine.retire():
                del self._loaded[leaving[0]]
                metrics.LOCAL_UNLOADS.labels("memory").inc()
                logger.info("local_model.evicted", model=leaving[0], by=name)

    def _drop_dead(self) -> None:
        for name in [name for name, each in self._loaded.items() if each.engine.gone.is_set()]:
            del self._loaded[name]

    def _residents(self) -> list[Resident]:
        return [
            Resident(
                name=name,
                size_bytes=each.size_bytes,
                busy=each.engine.busy or not each.engine.alive,
                used_at=each.used_at,
            )
            for name, each in self._loaded.items()
        ]

    def _count(self) -> None:
        # Also called by an engine's thread while ours waits for it: so without the lock.
        here = [each for each in list(self._loaded.values()) if not each.engine.gone.is_set()]
        metrics.LOCAL_LOADED.set(len(here))
        metrics.LOCAL_MEMORY_BYTES.set(sum(each.size_bytes for each in here))

    def stop(self) -> None:
        """Stop every engine and free its model; the next use loads again."""
        with self._lock:
            engines = [each.engine for each in self._loaded.values()]
            self._loaded.clear()
            self._count()
        for engine in engines:
            engine.stop()


def memory_bytes(spec: EngineSpec) -> int:
    """Return what a model is expected to take: its files, and the cache of every sequence."""
    try:
        with spec.path.open("rb") as file:
            header = read_header(file)
    except GgufError as error:
        raise ConfigurationError(f"{spec.path.name} is no readable GGUF file: {error}") from error
    tokens = min(spec.context_tokens, header.context_tokens or spec.context_tokens)
    files = [spec.path, *([spec.adapter] if spec.adapter else [])]
    weights = sum(path.stat().st_size for path in files)
    return int(_OVERHEAD * (weights + header.cache_bytes(tokens * spec.sequences)))
