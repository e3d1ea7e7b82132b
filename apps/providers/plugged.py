"""Adapters that other packages bring, found by their entry points and kept at arm's length.

A package names its adapter in the group `karen.adapters`; nothing of it is imported before a
provider that uses it is asked. What goes wrong inside it fails that one call.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from weakref import WeakKeyDictionary

from apps.core.errors import KarenError
from apps.core.logging import get_logger
from apps.providers import registry
from apps.providers.contracts import (
    ChatAdapter,
    CustomAdapter,
    Finished,
    FinishReason,
    ModelRequest,
    ProviderEvent,
    ReasoningDelta,
    TextDelta,
    ToolCall,
    UsageReport,
)
from apps.providers.errors import (
    ConfigurationError,
    ProviderInterrupted,
    ProviderUnavailable,
)

logger = get_logger(__name__)

GROUP = "karen.adapters"
IDLE_S = 600.0
LOAD_TIMEOUT_S = 300.0


def installed() -> tuple[EntryPoint, ...]:
    """Return the adapters that installed packages declare, by name."""
    return tuple(sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)))


def register_installed(points: Iterable[EntryPoint] | None = None) -> tuple[str, ...]:
    """Register the declared adapters and return their names; imports nothing of them.

    A name that is taken already is left to whoever has it: a package cannot slip into the place
    of another one, nor of what ships with Karen.
    """
    names: list[str] = []
    for point in installed() if points is None else points:
        if registry.wire(point.name) is not None:
            logger.warning("adapter.name_taken", adapter=point.name, entry_point=point.value)
            continue
        registry.register_wire(point.name, _builder(point))
        names.append(point.name)
    return tuple(names)


def _builder(point: EntryPoint) -> Callable[[registry.Endpoint], ChatAdapter]:
    def build(endpoint: registry.Endpoint) -> ChatAdapter:
        try:
            made = point.load()(endpoint)
        except Exception as error:  # lint: allow broad-except: the border to another package's code
            logger.exception("adapter.not_loaded", adapter=point.name)
            raise ConfigurationError(f"the adapter {point.name} cannot be loaded") from error
        if not isinstance(made, CustomAdapter):
            logger.error("adapter.incomplete", adapter=point.name)
            raise ConfigurationError(f"the adapter {point.name} lacks methods of the protocol")
        return PluggedAdapter(point.name, made)

    return build


def _event(piece: object) -> ProviderEvent:
    if isinstance(piece, str):
        return TextDelta(text=piece)
    if isinstance(piece, TextDelta | ReasoningDelta | ToolCall | UsageReport | Finished):
        return piece
    raise TypeError(f"a {type(piece).__name__} is no event")


def _vector(values: Sequence[float]) -> list[float]:
    return [float(value) for value in values]


@dataclass(slots=True)
class _Loaded:
    """A model on one event loop: whether it is ready, who uses it, when it may go."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    is_ready: bool = False
    users: int = 0
    timer: asyncio.TimerHandle | None = None


class PluggedAdapter:
    """A custom adapter as the gateway calls it: models loaded at first use, failures translated."""

    def __init__(self, name: str, adapter: CustomAdapter, *, idle_s: float = IDLE_S) -> None:
        self._name = name
        self._adapter = adapter
        self._idle_s = idle_s
        self._models: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Loaded]] = (
            WeakKeyDictionary()
        )
        self._unloading: set[asyncio.Task[None]] = set()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
        """Yield the answer's events; exactly one `Finished`, last.

        Raises:
            ProviderUnavailable: The model does not load, or fails before its first event.
            ProviderInterrupted: It fails midway, or yields what is no event.
            KarenError: What the package itself raised of our errors.
        """
        model = request.model.partition("/")[2]
        loaded = self._claim(model)
        begun = False
        try:
            await self._ready(model, loaded)
            async with aclosing(self._adapter.generate(request)) as pieces:
                async for piece in pieces:
                    event = _event(piece)
                    begun = True
                    yield event
                    if isinstance(event, Finished):
                        return
            yield Finished(reason=FinishReason.STOP)
        except KarenError:
            raise
        except Exception as error:  # lint: allow broad-except: the border to another package's code
            logger.exception("adapter.failed", adapter=self._name, model=model)
            raise (ProviderInterrupted() if begun else ProviderUnavailable()) from error
        finally:
            self._release(model, loaded)

    async def embed(self, texts: Sequence[str], *, model: str) -> list[list[float]]:
        """Return one vector per text, in order.

        Raises:
            ProviderUnavailable: The model fails, or returns another number of vectors.
            KarenError: What the package itself raised of our errors.
        """
        loaded = self._claim(model)
        try:
            await self._ready(model, loaded)
            vectors = await self._adapter.get_embeddings(texts, model=model)
            return [_vector(vector) for _, vector in zip(texts, vectors, strict=True)]
        except KarenError:
            raise
        except Exception as error:  # lint: allow broad-except: the border to another package's code
            logger.exception("adapter.failed", adapter=self._name, model=model)
            raise ProviderUnavailable from error
        finally:
            self._release(model, loaded)

    async def aclose(self) -> None:
        """Unload what the running event loop has loaded and nobody uses."""
        for model, loaded in self._models.get(asyncio.get_running_loop(), {}).items():
            if loaded.timer is not None:
                loaded.timer.cancel()
                loaded.timer = None
            await self._unload(model, loaded)

    def _claim(self, model: str) -> _Loaded:
        models = self._models.setdefault(asyncio.get_running_loop(), {})
        loaded = models.setdefault(model, _Loaded())
        loaded.users += 1
        if loaded.timer is not None:
            loaded.timer.cancel()
            loaded.timer = None
        return loaded

    async def _ready(self, model: str, loaded: _Loaded) -> None:
        async with loaded.lock:
            if not loaded.is_ready:
                async with asyncio.timeout(LOAD_TIMEOUT_S):
                    await self._adapter.load_model(model)
                loaded.is_ready = True

    def _release(self, model: str, loaded: _Loaded) -> None:
        loaded.users -= 1
        if loaded.users == 0 and loaded.is_ready:
            loop = asyncio.get_running_loop()
            loaded.timer = loop.call_later(self._idle_s, self._start_unloading, model, loaded)

    def _start_unloading(self, model: str, loaded: _Loaded) -> None:
        task = asyncio.get_running_loop().create_task(self._unload(model, loaded))
        self._unloading.add(task)
        task.add_done_callback(self._unloading.discard)

    async def _unload(self, model: str, loaded: _Loaded) -> None:
        async with loaded.lock:
            if loaded.users or not loaded.is_ready:
                return  # somebody came meanwhile
            loaded.is_ready = False
            try:
                await self._adapter.unload_model(model)
            except Exception:  # lint: allow broad-except: the border to another package's code
                logger.exception("adapter.not_unloaded", adapter=self._name, model=model)
