"""Ends an answer at a stop text, for models whose engine does not know about stop texts. Pure."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from apps.providers.contracts import Finished, FinishReason, ProviderEvent, TextDelta


class StopFilter:
    """Lets text through up to the first stop text, holding back what may be its beginning."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.stopped = False

    def feed(self, text: str) -> str:
        """Take in a piece and return what can be shown; sets `stopped` at a stop text."""
        self._held += text
        places = [place for stop in self._stops if (place := self._held.find(stop)) >= 0]
        if places:
            self.stopped = True
            shown, self._held = self._held[: min(places)], ""
            return shown
        kept = self._open_end()
        shown = self._held[: len(self._held) - kept]
        self._held = self._held[len(self._held) - kept :]
        return shown

    def rest(self) -> str:
        """Return what was held back, at the end of the answer."""
        held, self._held = self._held, ""
        return held

    def _open_end(self) -> int:
        """Return how many characters at the end may begin a stop text."""
        for length in range(max(map(len, self._stops), default=1) - 1, 0, -1):
            if any(stop.startswith(self._held[-length:]) for stop in self._stops):
                return min(length, len(self._held))
        return 0


async def until_stop(
    events: AsyncGenerator[ProviderEvent, None], stops: tuple[str, ...]
) -> AsyncGenerator[ProviderEvent, None]:
    """Yield `events` up to the first of `stops`; closing this closes them."""
    texts = StopFilter(stops)
    async with aclosing(events):
        async for event in events:
            if not isinstance(event, TextDelta):
                held = texts.rest()
                if held:
                    yield TextDelta(text=held)
                yield event
                continue
            shown = texts.feed(event.text)
            if shown:
                yield TextDelta(text=shown)
            if texts.stopped:
                yield Finished(reason=FinishReason.STOP)
                return
