"""Asking a model for something short, outside any turn: a title, a summary."""

import asyncio
import contextlib

from apps.core.concurrency import run_async
from apps.jobs.task import remaining_s
from apps.providers import gateway
from apps.providers.contracts import Flow, ModelRequest, Origin, TextDelta
from apps.providers.errors import ProviderTimeout

_MOST_S = 120.0
_RESERVE_S = 5.0


def written_by(*, flow: Flow, request: ModelRequest, origin: Origin) -> str:
    """Return the whole visible answer of a model. Blocking.

    Raises:
        ProviderTimeout: It took longer than this task may.
        KarenError: As `providers.gateway.stream`.
    """
    return run_async(_collected(flow, request, origin, min(_MOST_S, remaining_s() - _RESERVE_S)))


async def _collected(flow: Flow, request: ModelRequest, origin: Origin, seconds: float) -> str:
    pieces: list[str] = []
    try:
        async with (
            asyncio.timeout(max(seconds, 0)),
            contextlib.aclosing(
                gateway.stream(flow=flow, request=request, origin=origin)
            ) as events,
        ):
            pieces.extend([e.text async for e in events if isinstance(e, TextDelta)])
    except TimeoutError as error:
        raise ProviderTimeout from error
    return "".join(pieces)
