"""Stop texts for models that do not know them themselves."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from apps.providers.contracts import Finished, FinishReason, ProviderEvent, TextDelta
from apps.providers.domain.stops import StopText


async def until_stop(
    events: AsyncGenerator[ProviderEvent, None], stops: Sequence[str]
) -> AsyncGenerator[ProviderEvent, None]:
    """Yield an answer's events up to the first stop text, which also stops the model."""
    gate = StopText(stops)
    async with aclosing(events):
        async for event in events:
            if isinstance(event, TextDelta):
                shown = gate.feed(event.text)
                if shown:
                    yield TextDelta(text=shown)
                if gate.stopped:
                    yield Finished(reason=FinishReason.STOP)
                    return
                continue
            rest = gate.rest()
            if rest:
                yield TextDelta(text=rest)
            yield event
