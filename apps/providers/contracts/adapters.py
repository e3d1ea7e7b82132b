"""What speaks to models."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from apps.providers.contracts.events import ProviderEvent
from apps.providers.contracts.requests import ModelRequest

if TYPE_CHECKING:
    from array import array  # not subscriptable at run time before Python 3.12


class ChatAdapter(Protocol):
    """Speaks one wire format (or one engine) for chat models."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
        """Yield the events of one answer; exactly one `Finished`, last.

        An async generator: closing it stops the model. Raises only errors of
        `apps.providers.errors`.
        """
        ...


@runtime_checkable
class BatchingAdapter(Protocol):
    """A chat adapter that can hand over together what arrived together.

    Whoever forwards an answer then writes once for all of it.
    """

    def stream_batches(self, request: ModelRequest) -> AsyncGenerator[list[ProviderEvent], None]:
        """Yield the events of `ChatAdapter.stream` in non-empty batches."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorBatch:
    """What an embedding model made of some texts.

    Attributes:
        vectors: One of unit length per text, in order.
        tokens: Tokens read, where the provider reports them.
    """

    vectors: "list[array[float]]"
    tokens: int | None = None


class EmbeddingAdapter(Protocol):
    """Turns texts into vectors."""

    async def embed(self, texts: Sequence[str]) -> VectorBatch:
        """Return one vector of unit length per text, in order.

        The vector of a text does not depend on the texts beside it. Raises only errors of
        `apps.providers.errors`.
        """
        ...


@runtime_checkable
class CustomAdapter(Protocol):
    """What a package offers that brings its own way to models (`docs/providers.md`).

    Its entry point in the group `karen.adapters` names a callable that takes a
    `registry.Endpoint` and returns one of these. All methods run on one event loop; whatever
    blocks belongs in a thread of the package's own.
    """

    async def load_model(self, model: str) -> None:
        """Make a model ready; called once before its first use and after it was unloaded."""
        ...

    def generate(self, request: ModelRequest) -> AsyncGenerator[str | ProviderEvent, None]:
        """Yield the answer: texts, or events where the model says more.

        Closing the generator stops the model. Without a `Finished` the answer counts as whole
        when the generator ends.
        """
        ...

    async def get_embeddings(
        self, texts: Sequence[str], *, model: str
    ) -> Sequence[Sequence[float]]:
        """Return one vector per text, in order."""
        ...

    async def unload_model(self, model: str) -> None:
        """Give back what a model holds; called when it was not used for a while."""
        ...
