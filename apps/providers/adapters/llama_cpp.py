"""GGUF models inside this process, through `apps.providers.engine`."""

import asyncio
from collections.abc import AsyncGenerator

from apps.providers.adapters.stopping import until_stop
from apps.providers.contracts import Finished, ModelRequest, ProviderEvent
from apps.providers.engine import owners
from apps.providers.engine.scheduler import Job, Outcome


class LlamaCppAdapter:
    """Streams from the engine that owns the model's file."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
        """Yield the answer's events up to a stop text; closing frees the sequence.

        Raises:
            KarenError: As `_stream`.
        """
        events = self._stream(request)
        return until_stop(events, request.stop) if request.stop else events

    async def _stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
        """Yield the answer's events; closing frees the sequence before its next token.

        Raises:
            ModelNotFound: No such file.
            ConfigurationError: The file was altered, is not registered or does not load.
            ProviderUnavailable: Too many requests are waiting.
            ContextTooLong: The prompt does not fit.
            ProviderInterrupted: The engine failed while answering.
        """
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[Outcome] = asyncio.Queue()

        def deliver(outcome: Outcome) -> bool:
            if loop.is_closed():
                return False
            try:
                loop.call_soon_threadsafe(events.put_nowait, outcome)
            except RuntimeError:  # closed since the question
                return False
            return True

        job = Job(request, deliver)
        engine = await owners.engine_for(request.model)
        engine.submit(job)
        try:
            while True:
                outcome = await events.get()
                if isinstance(outcome, Exception):
                    raise outcome
                yield outcome
                if isinstance(outcome, Finished):
                    return
        finally:
            engine.cancel(job)
