"""GGUF models inside this process, through `apps.providers.engine`."""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace

from apps.providers.contracts import Finished, ModelRequest, ProviderEvent
from apps.providers.domain.plain import plain_messages
from apps.providers.domain.stops import until_stop
from apps.providers.engine import owners
from apps.providers.engine.scheduler import Job, Outcome
from apps.providers.errors import ProviderRejected


def _checked(request: ModelRequest) -> ModelRequest:
    """Refuse what the engine cannot do: leaving it out silently would be a wrong answer."""
    try:
        wanted = json.loads(request.response_format or '{"type": "text"}')
    except ValueError as error:
        raise ProviderRejected from error
    forced = request.tools and request.tool_choice not in {None, "auto", "none"}
    if forced or wanted != {"type": "text"} or any(each.images for each in request.messages):
        raise ProviderRejected
    return replace(request, messages=plain_messages(request.messages))


class LlamaCppAdapter:
    """Streams from the engine that owns the model's file."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
        """Yield the answer's events; closing frees the sequence before its next token.

        Tools are never called: the engine has no grammar for them.

        Raises:
            ModelNotFound: No such file.
            ConfigurationError: The file was altered, is not registered or does not load.
            ProviderUnavailable: Too many requests are waiting.
            ContextTooLong: The prompt does not fit.
            ProviderInterrupted: The engine failed while answering.
            ProviderRejected: Images, a forced tool or a response format are asked for.
        """
        request = _checked(request)
        events = self._generated(request)
        return until_stop(events, request.stop) if request.stop else events

    async def _generated(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
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
