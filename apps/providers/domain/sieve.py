"""Taking out of a stream what rules and patterns find, wherever it is cut. Pure.

A match is settled once as many characters follow its beginning as a match may have (`window`);
until then the text from there on is held back. So the result does not depend on the pieces, for
matches of at most `window` characters.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

Span = tuple[int, int]
# Yields the places found in a text from an offset on, in order and without overlaps.
Finder = Callable[[str, int], Iterator[Span]]

_CONTEXT = 64  # characters before the held ones that a finder may look back at


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """One thing that is looked for.

    Attributes:
        name: Who it is for whoever asks what was found.
        find: Finds it.
        replacement: What stands in its place.
        until: What is found is only a beginning: everything goes up to this, however far it is.
    """

    name: str
    find: Finder
    replacement: str
    until: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """Something that was taken out."""

    name: str
    text: str = field(repr=False)


class StreamSieve:
    """Replaces what its screens find in a text that arrives in pieces."""

    def __init__(self, screens: Sequence[Screen], *, window: int) -> None:
        """Begin with nothing read.

        Args:
            screens: What is looked for.
            window: The most characters of a match; as many are held back.
        """
        self._screens = tuple(screens)
        self._window = window
        self._text = ""  # context, and what is held back
        self._shown = 0  # where in `_text` that begins
        self._resume = [0] * len(self._screens)
        self._until: re.Pattern[str] | None = None

    def feed(self, piece: str) -> tuple[str, tuple[Caught, ...]]:
        """Take the next piece; return what can be shown now, and what was taken out of it."""
        self._text += piece
        return self._settle(len(self._text) - self._window)

    def finish(self) -> tuple[str, tuple[Caught, ...]]:
        """Return the rest; afterwards a new text may begin."""
        shown = self._settle(len(self._text))
        self._text, self._until = "", None
        self._go_on_at(0)
        return shown

    def _settle(self, limit: int) -> tuple[str, tuple[Caught, ...]]:
        """Show what stands before `limit`, without what a match that begins before it covers."""
        if limit <= 0 or not self._past_until():
            return "", ()
        pieces: list[str] = []
        caught: list[Caught] = []
        done = self._shown
        for (start, end), screen in self._matches(limit):
            caught.append(Caught(name=screen.name, text=self._text[start:end]))
            if start >= done:
                pieces += [self._text[done:start], screen.replacement]
            done = max(done, end)
            if screen.until is not None:
                self._until = screen.until
                self._go_on_at(done)
                more, also = self._settle(limit)
                return "".join([*pieces, more]), (*caught, *also)
        pieces.append(self._text[done:limit])
        self._shown = max(done, limit)
        self._forget()
        return "".join(pieces), tuple(caught)

    def _past_until(self) -> bool:
        """Skip what belongs to something whose beginning was found; return whether it is over."""
        if self._until is None:
            return True
        end = self._until.search(self._text, self._shown)
        if end is None:
            self._go_on_at(max(len(self._text) - _CONTEXT, self._shown))
            self._forget()
            return False
        self._until = None
        self._go_on_at(end.end())
        return True

    def _matches(self, limit: int) -> list[tuple[Span, Screen]]:
        found: list[tuple[Span, Screen]] = []
        for number, screen in enumerate(self._screens):
            for start, end in screen.find(self._text, self._resume[number]):
                if start >= limit:
                    break
                found.append(((start, end), screen))
                self._resume[number] = end
            self._resume[number] = max(self._resume[number], limit)
        return sorted(found, key=lambda match: match[0])

    def _go_on_at(self, place: int) -> None:
        self._shown = place
        self._resume = [place] * len(self._screens)

    def _forget(self) -> None:
        cut = max(min(self._shown, *self._resume, len(self._text)) - _CONTEXT, 0)
        if cut:
            self._text = self._text[cut:]
            self._shown -= cut
            self._resume = [place - cut for place in self._resume]
