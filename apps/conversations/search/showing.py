"""From what was found to what is shown: texts, snippets, the way there."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from apps.conversations.models.conversations import Conversation
from apps.conversations.models.search import MessageIndex
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
    visible: QuerySet[Conversation],
    found: Sequence[Fused],
    parsed: ParsedQuery,
    alternatives: Mapping[str, Sequence[str]],
) -> Shown:
    """Return what was found, in the same order, with texts from the database.

    What is not visible, or not there any more, is left out, whoever found it.
    """
    rows = _rows_by_id(visible, [item.entry_id for item in found])
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


def _rows_by_id(visible: QuerySet[Conversation], ids: Sequence[UUID]) -> dict[UUID, MessageIndex]:
    if not ids:
        return {}
    rows = MessageIndex.objects.filter(pk__in=ids, conversation__in=visible.values("pk"))
    rows = rows.select_related("conversation", "message").defer("words")
    return {row.pk: row for row in rows.order_by()}


def _text_of(row: MessageIndex) -> str:
    return row.conversation.title if row.message is None else searchable_text(row.message)


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


def _hit(row: MessageIndex, item: Fused, fragments: tuple[Fragment, ...]) -> SearchHit:
    matched = item.matched
    if row.message_id is None:
        matched = (Match.TITLE, *(way for way in matched if way is not Match.WORDS))
    return SearchHit(
        conversation_id=row.conversation_id,
        message_id=row.message_id,
        title=row.conversation.title,
        role=Role(row.role) if row.role else None,
        model=row.model,
        author_id=row.author_id,
        has_file=row.has_file,
        created_at=row.created_at,
        fragments=fragments,
        score=item.score,
        matched=matched,
    )
