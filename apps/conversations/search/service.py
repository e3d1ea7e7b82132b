"""One search: ask each way of searching, join what they found, show it.

What a way of searching needs may be away. Then the others answer, and the page says what is
missing; only when nothing at all can be asked does the search fail.
"""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from django.db import DatabaseError, connection, transaction

from apps.conversations.errors import SearchUnavailable
from apps.conversations.search import elastic, metrics, postgres
from apps.conversations.search.contracts import (
    LIMIT_MAX,
    TEXT_MAX,
    Candidate,
    Filters,
    Match,
    Part,
    SearchPage,
    SearchQuery,
)
from apps.conversations.search.cursors import (
    newest_cursor,
    newest_position,
    ranked_cursor,
    ranked_position,
)
from apps.conversations.search.fusion import Fused, dealt, fuse_ranks
from apps.conversations.search.meaning import NoVectors, list_old_models, vector_of_query
from apps.conversations.search.query import ParsedQuery, parse_query
from apps.conversations.search.showing import show_hits
from apps.conversations.search.visibility import sql_of_visible
from apps.conversations.search.words import may_be_misspelled
from apps.core.errors import InvalidInput
from apps.core.logging import get_logger
from apps.core.scope import Actor

logger = get_logger(__name__)

FEW = 5  # with fewer hits than this, other spellings are tried


@dataclass(slots=True)
class _Search:
    """One search under way."""

    actor: Actor
    seen: postgres.Sql
    parsed: ParsedQuery
    filters: Filters
    text: str
    is_sensitive: bool
    engine: str = "postgresql"
    missing: list[Part] = field(default_factory=list)
    alternatives: postgres.Alternatives = field(default_factory=dict)

    def lacks(self, part: Part, error: Exception) -> None:
        """Note that a part cannot be asked this time."""
        self.missing.append(part)
        metrics.missing_total.labels(part.value).inc()
        logger.warning("search.part_missing", part=part.value, reason=type(error).__name__)


def find_messages(actor: Actor, query: SearchQuery) -> SearchPage:
    """Return what the actor may see that fits `query`: messages, answers, titles.

    With a text the best come first, without one the newest. The order is the same each time the
    same is asked of the same messages.

    Raises:
        NotAuthenticated: The actor is nobody in particular.
        PermissionDenied: The actor may not chat.
        InvalidInput: The text is too long, the limit out of range, or the cursor not ours.
        SearchUnavailable: No part of search answers.
    """
    started = time.perf_counter()
    _check(query)
    parsed = parse_query(query.text)
    search = _Search(
        actor=actor,
        seen=sql_of_visible(actor, query.filters),
        parsed=parsed,
        filters=query.filters,
        text=query.text,
        is_sensitive=query.is_sensitive,
    )
    if parsed.asks:
        page = _ranked_page(search, query)
    elif query.text.strip() and not parsed.without:
        page = SearchPage(hits=())  # only signs, which are not indexed
    else:
        page = _newest_page(search, query)
    metrics.searches_total.labels(search.engine).inc()
    metrics.search_seconds.labels(search.engine).observe(time.perf_counter() - started)
    return page


def _apart() -> AbstractContextManager[object]:
    # A failing statement must not spoil the caller's transaction; without one it spoils nothing.
    return transaction.atomic() if connection.in_atomic_block else nullcontext()


def _check(query: SearchQuery) -> None:
    if len(query.text) > TEXT_MAX:
        raise InvalidInput(fields={"q": [f"At most {TEXT_MAX} characters."]})
    if not 1 <= query.limit <= LIMIT_MAX:
        raise InvalidInput(fields={"limit": [f"Give a whole number from 1 to {LIMIT_MAX}."]})


# -- with a text


def _ranked_page(search: _Search, query: SearchQuery) -> SearchPage:
    after = ranked_position(query.cursor)
    lists = {Match.WORDS: _words(search)}
    if query.spelling and len(lists[Match.WORDS]) < FEW:
        lists[Match.TYPO] = _other_spellings(search, lists[Match.WORDS])
    lists[Match.MEANING] = _meaning(search)
    if Part.WORDS in search.missing and Part.MEANING in search.missing:
        raise SearchUnavailable
    fused = fuse_ranks(lists)
    if after is not None:
        fused = [item for item in fused if (-item.score, -item.entry_id.int) > after]
    hits = show_hits(
        visible=search.seen,
        found=fused[: query.limit],
        parsed=search.parsed,
        alternatives=search.alternatives,
    )
    return SearchPage(
        hits=hits.hits,
        next_cursor=ranked_cursor(fused[query.limit - 1]) if len(fused) > query.limit else None,
        missing=tuple(search.missing),
        corrections=hits.corrections,
    )


def _words(search: _Search) -> list[Candidate]:
    if elastic.is_configured() and Part.ELASTICSEARCH not in search.missing:
        try:
            found = elastic.find_words(
                actor=search.actor,
                parsed=search.parsed,
                filters=search.filters,
                alternatives=search.alternatives,
            )
        except elastic.ElasticUnavailable as error:
            search.lacks(Part.ELASTICSEARCH, error)
        else:
            search.engine = "elasticsearch"
            return found
    return _words_in_postgres(search)


def _words_in_postgres(search: _Search) -> list[Candidate]:
    tsquery = postgres.tsquery_of(search.parsed, alternatives=search.alternatives)
    assert tsquery is not None  # something is asked
    try:
        with _apart():
            return postgres.find_words(visible=search.seen, tsquery=tsquery, filters=search.filters)
    except DatabaseError as error:
        if Part.WORDS not in search.missing:
            search.lacks(Part.WORDS, error)
        return []


def _other_spellings(search: _Search, found: Sequence[Candidate]) -> list[Candidate]:
    if Part.WORDS in search.missing:
        return []
    typed = [*search.parsed.words, *((search.parsed.prefix,) if search.parsed.prefix else ())]
    doubtful = [word for word in typed if may_be_misspelled(word)]
    if not doubtful:
        return []
    try:
        with _apart():
            search.alternatives = postgres.similar_words(doubtful)
    except DatabaseError as error:
        search.lacks(Part.WORDS, error)
        return []
    if not search.alternatives:
        return []
    known = {candidate.entry_id for candidate in found}
    more = _words(search)
    return [candidate for candidate in more if candidate.entry_id not in known]


def _meaning(search: _Search) -> list[Candidate]:
    # Who puts words between quotes wants those words.
    if search.parsed.phrases:
        return []
    without = postgres.tsquery_of(ParsedQuery(without=search.parsed.without))
    wanted = " ".join(search.parsed.wanted)

    def near(model: str = "") -> tuple[str, list[Candidate]]:
        embedding = vector_of_query(wanted, model=model, is_sensitive=search.is_sensitive)
        with _apart():
            return embedding.model, postgres.find_meaning(
                visible=search.seen,
                vector=embedding.vector,
                model=embedding.model,
                filters=search.filters,
                without=without,
            )

    try:
        present, found = near()
        # Distances of two models say nothing about each other: their ranks are dealt in turn.
        return dealt([found, *(near(model)[1] for model in list_old_models(present))])
    except (NoVectors, DatabaseError) as error:
        search.lacks(Part.MEANING, error)
        return []


# -- without


def _newest_page(search: _Search, query: SearchQuery) -> SearchPage:
    try:
        with _apart():
            found = postgres.list_newest(
                visible=search.seen,
                filters=search.filters,
                without=postgres.tsquery_of(search.parsed),
                after=newest_position(query.cursor),
                limit=query.limit + 1,
            )
    except DatabaseError as error:
        search.lacks(Part.WORDS, error)
        raise SearchUnavailable from error
    shown = found[: query.limit]
    fused = [Fused(entry_id=pk, score=0.0, matched=(Match.NEWEST,)) for _at, pk in shown]
    hits = show_hits(visible=search.seen, found=fused, parsed=search.parsed, alternatives={})
    return SearchPage(
        hits=hits.hits,
        next_cursor=newest_cursor(*shown[-1]) if len(found) > query.limit else None,
        missing=tuple(search.missing),
    )
