"""What people type into a search box, understood. Pure; every text has a meaning.

Words must all occur; the last one may be unfinished. `"several words"` must occur side by side;
`-word` and `-"several words"` must not occur. Whatever else is typed only parts words.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from apps.conversations.search.words import cut_words, is_unspaced

TERMS_MAX = 32  # more words cost time and change nothing
PREFIX_LENGTH_MIN = 2  # a single letter begins too many words

_PIECE = re.compile(r'(?P<minus>(?<!\S)-)?(?:"(?P<phrase>[^"]*)(?:"|$)|(?P<plain>[^\s"]+))')


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedQuery:
    """A query cut into terms, in the order they were typed.

    Attributes:
        words: Words that must occur.
        prefix: The last word, still being typed: words that begin with it count too.
        phrases: Words that must occur side by side.
        without: Phrases (or single words) that must not occur.
    """

    words: tuple[str, ...] = ()
    prefix: str | None = None
    phrases: tuple[tuple[str, ...], ...] = ()
    without: tuple[tuple[str, ...], ...] = ()

    @property
    def asks(self) -> bool:
        """Whether anything is looked for; exclusions alone only narrow a list."""
        return bool(self.words or self.prefix or self.phrases)

    @property
    def wanted(self) -> tuple[str, ...]:
        """All words that are looked for, phrases included."""
        parts = [*self.words, *((self.prefix,) if self.prefix else ())]
        return tuple(dict.fromkeys([*parts, *(word for phrase in self.phrases for word in phrase)]))


def parse_query(text: str) -> ParsedQuery:
    """Return what `text` asks for."""
    words: list[str] = []
    phrases: list[tuple[str, ...]] = []
    without: list[tuple[str, ...]] = []
    unfinished = False
    for found in _PIECE.finditer(text):
        if len(words) + len(phrases) + len(without) >= TERMS_MAX:
            break
        plain = found["plain"]
        source = plain if plain is not None else found["phrase"]
        cut = tuple(token.word for token in cut_words(source))[:TERMS_MAX]
        if not cut:
            continue
        unfinished = False
        if found["minus"]:
            without.append(cut)
        elif plain is None:
            phrases.append(cut)
        else:
            unfinished = found.end() == len(text) and not is_unspaced(cut[-1])
            for run in _runs(cut):
                if len(run) > 1:
                    phrases.append(run)
                else:
                    words += run
    prefix = words.pop() if unfinished and len(words[-1]) >= PREFIX_LENGTH_MIN else None
    return ParsedQuery(
        words=tuple(dict.fromkeys(words)),
        prefix=prefix,
        phrases=tuple(dict.fromkeys(phrases)),
        without=tuple(dict.fromkeys(without)),
    )


def _runs(cut: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield words one by one, and characters of scripts without blanks side by side."""
    for unspaced, group in groupby(cut, is_unspaced):
        if unspaced:
            yield tuple(group)
        else:
            yield from ((word,) for word in group)
