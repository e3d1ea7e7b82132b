"""Snippets: the part of a text around what was found, in plain pieces. Pure.

Pieces rather than markup, so that nobody can be tempted to render a message as HTML, and rather
than offsets, because clients count characters differently.
"""

from collections.abc import Callable, Sequence

from apps.conversations.search.contracts import Fragment
from apps.conversations.search.words import Token

SNIPPET_LENGTH = 240  # characters
_LEAD = 60  # characters before the first marked word

IsWanted = Callable[[str], bool]
Span = tuple[int, int]


def find_spans(
    tokens: Sequence[Token], *, is_wanted: IsWanted, phrases: Sequence[Sequence[str]]
) -> list[Span]:
    """Return where wanted words and whole phrases stand in a text, in order, without overlaps."""
    spans = [(token.start, token.end) for token in tokens if is_wanted(token.word)]
    for phrase in phrases:
        spans += _phrase_spans(tokens, phrase)
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _phrase_spans(tokens: Sequence[Token], phrase: Sequence[str]) -> list[Span]:
    size = len(phrase)
    words = [token.word for token in tokens]
    return [
        (tokens[at].start, tokens[at + size - 1].end)
        for at in range(len(words) - size + 1)
        if words[at] == phrase[0] and words[at : at + size] == list(phrase)
    ]


def snippet_of(text: str, spans: Sequence[Span]) -> tuple[Fragment, ...]:
    """Return the part of `text` with most of `spans`, cut at words, spans marked.

    Args:
        text: A whole message.
        spans: What to mark, in order, without overlaps.
    """
    start, end = _window(text, spans)
    pieces: list[Fragment] = []
    if start > 0:
        pieces.append(Fragment(text="… ", marked=False))
    at = start
    for left, right in spans:
        left, right = max(left, at), min(right, end)  # noqa: PLW2901  # the visible part of it
        if left >= right:
            continue
        if left > at:
            pieces.append(Fragment(text=text[at:left], marked=False))
        pieces.append(Fragment(text=text[left:right], marked=True))
        at = right
    if at < end:
        pieces.append(Fragment(text=text[at:end], marked=False))
    if end < len(text):
        pieces.append(Fragment(text=" …", marked=False))
    return tuple(pieces)


def _window(text: str, spans: Sequence[Span]) -> Span:
    if len(text) <= SNIPPET_LENGTH:
        return 0, len(text)
    best, most = 0, 0
    for index, (left, _right) in enumerate(spans):
        limit = left - _LEAD + SNIPPET_LENGTH
        count = sum(1 for span in spans[index:] if span[1] <= limit)
        if count > most:
            best, most = left, count
    start = _after_blank(text, max(best - _LEAD, 0), best)
    end = min(start + SNIPPET_LENGTH, len(text))
    if end < len(text):
        blank = text.rfind(" ", start + SNIPPET_LENGTH // 2, end)
        end = blank if blank > 0 else end
    return start, end


def _after_blank(text: str, at: int, latest: int) -> int:
    """Return the beginning of the first word from `at` on, not after `latest`."""
    if at == 0:
        return 0
    blank = text.find(" ", at, latest)
    return blank + 1 if blank >= 0 else at
