"""Models of the providers that operators and workspaces set up, each in its provider's language."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from apps.core.concurrency import platform_db
from apps.providers import selectors, sources
from apps.providers.contracts import BatchingAdapter, ChatAdapter, ModelRequest, ProviderEvent


async def _adapter_of(request: ModelRequest) -> ChatAdapter:
    model = selectors.get_model(request.model)
    # Opening a key reads the workspace's data key: off the event loop, once per process.
    known = sources.known_adapter(model)
    return known if known is not None else await platform_db(sources.build_adapter, model)


class ConfiguredAdapter:
    """Hands a request to the adapter of its model's provider."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
        """Yield the answer's events.

        Raises:
            KarenError: As the provider's adapter.
        """
        async with aclosing(self.stream_batches(request)) as batches:
            async for batch in batches:
                for event in batch:
                    yield event

    async def stream_batches(
        self, request: ModelRequest
    ) -> AsyncGenerator[list[ProviderEvent], None]:
        """Yield together what arrived together.

        Raises:
            ModelNotFound: The provider or its model is gone.
            ConfigurationError: Nothing installed speaks its language, or its key does not open.
            KarenError: As the provider's adapter.
        """
        adapter = await _adapter_of(request)
        if isinstance(adapter, BatchingAdapter):
            async with aclosing(adapter.stream_batches(request)) as batches:
                async for batch in batches:
                    yield batch
        else:
            async with aclosing(adapter.stream(request)) as events:
                async for event in events:
                    yield [event]
