"""GGUF models inside this process, through `apps.providers.engine`."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

from apps.providers.contracts import Finished, ModelRequest, ProviderEvent
from apps.providers.domain.plain import plain_messages
from apps.providers.domain.sampling import BadSampling, Sampling, sampling_from
from apps.providers.domain.stops import until_stop
from apps.providers.engine import owners
from apps.providers.engine.grammar import grammar_of
from apps.providers.engine.rounds import Job, Outcome
from apps.providers.engine.scheduler import Engine, EngineGone
from apps.providers.errors import ProviderUnavailable, RequestUnsupported

_TRIES = 3  # an engine may be unloaded between finding and asking it


def _checked(request: ModelRequest) -> ModelRequest:
    """Refuse what the engine cannot do: leaving it out silently would be a wrong answer."""
    if request.tools and request.tool_choice not in {None, "auto", "none"}:
        raise RequestUnsupported(param="tool_choice", problem="local models call no tools")
    if any(each.images for each in request.messages):
        raise RequestUnsupported(param="messages", problem="local models see no images")
    return replace(request, messages=plain_messages(request.messages))


def _sampling(request: ModelRequest) -> Sampling:
    try:
        return sampling_from(
            request.temperature, request.sampling, grammar=grammar_of(request.response_format)
        )
    except BadSampling as error:
        raise RequestUnsupported(param=error.name, problem=error.problem) from error


class LlamaCppAdapter:
    """Streams from the engine that owns the model's file."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
        """Yield the answer's events; closing frees the sequence before its next token.

        Tools are never called: the engine has no grammar for them.

        Raises:
            ModelNotFound: No such file.
            ConfigurationError: The file was altered, is not registered or does not load.
            ProviderUnavailable: Too many requests are waiting, or other models fill the memory.
            ContextTooLong: The prompt does not fit.
            ProviderInterrupted: The engine failed while answering.
            RequestUnsupported: Images, a forced tool, or a format or parameter that is not
                understood.
        """
        request = _checked(request)
        events = self._generated(request, _sampling(request))
        return until_stop(events, request.stop) if request.stop else events

    async def _generated(
        self, request: ModelRequest, sampling: Sampling
    ) -> AsyncGenerator[ProviderEvent, None]:
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

        job = Job(request, sampling, deliver)
        engine = await _submitted(job)
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


async def _submitted(job: Job) -> Engine:
    for _ in range(_TRIES):
        engine = await owners.engine_for(job.request.model)
        try:
            engine.submit(job)
        except EngineGone:
            continue
        return engine
    raise ProviderUnavailable(retry_after_s=1)
