"""From what was found to what is shown: texts, snippets, the way there."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from apps.conversations.search import postgres
from apps.conversations.search.contracts import Fragment, Match, SearchHit
from apps.conversations.search.fusion import Fused
from apps.conversations.search.indexing import searchable_text
from apps.conversations.search.query import ParsedQuery
from apps.conversations.search.snippets import find_spans, snippet_of
from apps.conversations.search.words import cut_words
from apps.providers.contracts import Role

_STEM_PREFIX = 3  # English stems keep the first letters, with a few exceptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Hits of a page, and the corrections that really occur in them."""

    hits: tuple[SearchHit, ...]
    corrections: tuple[tuple[str, str], ...]


def show_hits(
    *,
    visible: postgres.Sql,
    found: Sequence[Fused],
    parsed: ParsedQuery,
    alternatives: Mapping[str, Sequence[str]],
) -> Shown:
    """Return what was found, in the same order, with texts from the database.

    What is not visible, or not there any more, is left out, whoever found it.
    """
    rows = postgres.rows_of([item.entry_id for item in found], visible=visible)
    present = [item for item in found if item.entry_id in rows]
    texts = {item.entry_id: _text_of(rows[item.entry_id]) for item in present}
    tokens = {pk: list(cut_words(text)) for pk, text in texts.items()}
    occurring = {token.word for some in tokens.values() for token in some}
    wanted = _wanted(parsed, alternatives, occurring)
    hits = []
    for item in present:
        pk = item.entry_id
        spans = find_spans(tokens[pk], is_wanted=wanted, phrases=parsed.phrases)
        hits.append(_hit(rows[pk], item, snippet_of(texts[pk], spans)))
    corrections = [
        (word, other)
        for word, others in alternatives.items()
        for other in others
        if other in occurring and word not in occurring
    ]
    return Shown(hits=tuple(hits), corrections=tuple(corrections))


def _text_of(row: postgres.FoundRow) -> str:
    return row.title if row.parts is None else searchable_text(row.parts)


def _wanted(
    parsed: ParsedQuery, alternatives: Mapping[str, Sequence[str]], occurring: Iterable[str]
) -> Callable[[str], bool]:
    """Return what says whether a word of a text is why the text was found."""
    typed = [*parsed.words, *((parsed.prefix,) if parsed.prefix else ())]
    exact = {*typed, *(other for others in alternatives.values() for other in others)}
    prefix = parsed.prefix
    beginnings = {word[:_STEM_PREFIX] for word in exact}
    alike = {word for word in occurring if word[:_STEM_PREFIX] in beginnings} - exact
    if alike:
        stems = postgres.stems_of(alike | exact)
        wanted_stems = {stems[word] for word in exact if word in stems}
        exact |= {word for word in alike if stems.get(word) in wanted_stems}

    def is_wanted(word: str) -> bool:
        return word in exact or (prefix is not None and word.startswith(prefix))

    return is_wanted


def _hit(row: postgres.FoundRow, item: Fused, fragments: tuple[Fragment, ...]) -> SearchHit:
    matched = item.matched
    if row.message_id is None:
        matched = (Match.TITLE, *(way for way in matched if way is not Match.WORDS))
    return SearchHit(
        conversation_id=row.conversation_id,
        message_id=row.message_id,
        title=row.title,
        role=Role(row.role) if row.role else None,
        model=row.model,
        author_id=row.author_id,
        has_file=row.has_file,
        created_at=row.created_at,
        fragments=fragments,
        score=item.score,
        matched=matched,
    )
