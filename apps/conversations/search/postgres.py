"""Search in PostgreSQL: words by its full-text index, meaning by an exact scan of vectors.

Statements are written by hand, because they are the budget of a search. Whatever somebody typed
is passed as a parameter, and as quoted words that hold letters, digits and marks only. Every
statement goes through `_from_visible`, which holds the condition on who may see what.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from apps.conversations.search.contracts import Candidate, Filters
from apps.conversations.search.query import ParsedQuery
from apps.conversations.search.words import mistakes, mistakes_allowed, spelling_keys

CANDIDATES_MAX = 100
RANKED_MAX = 1_000  # the newest matches that are ranked: ranking reads each one's words
SCANNED_MAX = 20_000  # the newest vectors that are compared (decisions §4)
SIMILARITY_MIN = 0.35  # cosine; unrelated texts lie below 0.2 with MiniLM
_ALTERNATIVES_MAX = 3
_SIMILAR_WORDS_MAX = 1_000

Params = list[Any]


@dataclass(slots=True)
class Sql:
    """A piece of SQL with its parameters."""

    text: str
    params: Params = field(default_factory=list)


# -- what was typed, as a tsquery


def tsquery_of(parsed: ParsedQuery, *, alternatives: "Alternatives | None" = None) -> Sql | None:
    """Return an expression of type tsquery; None when nothing is asked or excluded.

    Args:
        parsed: What was typed.
        alternatives: Other spellings that count for a word as well.
    """
    other = alternatives or {}
    terms = [_any_of([_word(word), *map(_word, other.get(word, ()))]) for word in parsed.words]
    if parsed.prefix is not None:
        also = map(_word, other.get(parsed.prefix, ()))
        terms.append(_any_of([_prefix(parsed.prefix), *also]))
    terms += [_side_by_side(phrase) for phrase in parsed.phrases]
    terms += [Sql(f"!!({s.text})", s.params) for s in map(_side_by_side, parsed.without)]
    if not terms:
        return None
    return Sql(" && ".join(term.text for term in terms), _flat(terms))


def _word(word: str) -> Sql:
    # As written, or any word with the same English stem.
    return Sql("(%s::tsquery || plainto_tsquery('english', %s))", [f"'{word}'", word])


def _prefix(word: str) -> Sql:
    return Sql("(%s::tsquery || plainto_tsquery('english', %s))", [f"'{word}':*", word])


def _side_by_side(phrase: Sequence[str]) -> Sql:
    # Weights B and A stand for words as written; stems, which have D, have positions of their own.
    return Sql("%s::tsquery", [" <-> ".join(f"'{word}':AB" for word in phrase)])


def _any_of(terms: Sequence[Sql]) -> Sql:
    return Sql(f"({' || '.join(term.text for term in terms)})", _flat(terms))


def _flat(pieces: Iterable[Sql]) -> Params:
    return [value for piece in pieces for value in piece.params]


# -- conditions


def _from_visible(table: str, visible: Sql, conditions: Sequence[Sql]) -> Sql:
    seen = Sql(f"{table}.conversation_id IN ({visible.text})", visible.params)
    pieces = [seen, *conditions]
    return Sql(" AND ".join(piece.text for piece in pieces), _flat(pieces))


def _common_conditions(table: str, filters: Filters) -> list[Sql]:
    found: list[Sql] = []
    if filters.conversation_id is not None:
        found.append(Sql(f"{table}.conversation_id = %s", [filters.conversation_id]))
    if filters.outside is not None:
        found.append(Sql(f"{table}.conversation_id <> %s", [filters.outside]))
    if filters.since is not None:
        found.append(Sql(f"{table}.created_at >= %s", [filters.since]))
    if filters.before is not None:
        found.append(Sql(f"{table}.created_at < %s", [filters.before]))
    return found


def _message_conditions(filters: Filters) -> list[Sql]:
    found: list[Sql] = []
    if filters.about_messages:
        found.append(Sql("i.message_id IS NOT NULL"))
    if filters.author_id is not None:
        found.append(Sql("i.author_id = %s", [filters.author_id]))
    if filters.role is not None:
        found.append(Sql("i.role = %s", [filters.role.value]))
    if filters.model is not None:
        found.append(Sql("i.model = %s", [filters.model]))
    if filters.has_file is not None:
        found.append(Sql("i.has_file = %s", [filters.has_file]))
    return found


def _rows(statement: str, params: Params) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


# -- ways of searching


def words_statement(*, visible: Sql, tsquery: Sql, filters: Filters) -> Sql:
    """Return the statement that finds words, ranked; also what the benchmark compares with."""
    wanted = Sql(f"i.words @@ ({tsquery.text})", tsquery.params)
    where = _from_visible(
        "i", visible, [wanted, *_common_conditions("i", filters), *_message_conditions(filters)]
    )
    return Sql(
        f"SELECT found.id, ts_rank(found.words, {tsquery.text}, 1) AS score FROM ("  # noqa: S608  # parts of this module; values are parameters
        " SELECT i.id, i.created_at, i.words FROM conversations_messageindex i"
        f" WHERE {where.text} ORDER BY i.created_at DESC, i.id DESC LIMIT {RANKED_MAX}"
        ") found ORDER BY score DESC, found.created_at DESC, found.id DESC"
        f" LIMIT {CANDIDATES_MAX}",
        [*tsquery.params, *where.params],
    )


def find_words(*, visible: Sql, tsquery: Sql, filters: Filters) -> list[Candidate]:
    """Return what holds the wanted words, best first; the newest `RANKED_MAX` are ranked."""
    statement = words_statement(visible=visible, tsquery=tsquery, filters=filters)
    found = _rows(statement.text, statement.params)
    return [Candidate(entry_id=row[0], score=row[1]) for row in found]


def find_meaning(
    *,
    visible: Sql,
    vector: Sequence[float],
    model: str,
    filters: Filters,
    without: Sql | None,
) -> list[Candidate]:
    """Return messages that mean something similar, nearest first.

    The newest `SCANNED_MAX` vectors are compared, exactly.

    Args:
        visible: Where to look, of `visibility.sql_of_visible`.
        vector: What is looked for, of unit length.
        model: The embedding model it comes from; vectors of others are not compared.
        filters: What found messages must be like.
        without: A tsquery that found messages must match; None for any.
    """
    conditions = [Sql("v.model = %s", [model]), *_common_conditions("v", filters)]
    of_messages = _message_conditions(filters)
    if without is not None:
        of_messages.append(Sql(f"i.words @@ ({without.text})", without.params))
    join = " JOIN conversations_messageindex i ON i.id = v.entry_id" if of_messages else ""
    where = _from_visible("v", visible, [*conditions, *of_messages])
    # Vectors have unit length: the inner product is the cosine, and cheaper.
    statement = (
        "SELECT near.entry_id, -near.distance FROM ("  # noqa: S608  # as above
        " SELECT newest.entry_id, newest.created_at, newest.embedding <#> %s::halfvec AS distance"
        " FROM (SELECT v.entry_id, v.created_at, v.embedding"
        f" FROM conversations_messagevector v{join} WHERE {where.text}"
        f" ORDER BY v.created_at DESC LIMIT {SCANNED_MAX}) newest) near"
        " WHERE near.distance <= %s"
        f" ORDER BY near.distance, near.created_at DESC, near.entry_id DESC LIMIT {CANDIDATES_MAX}"
    )
    literal = f"[{','.join(map(repr, vector))}]"
    found = _rows(statement, [literal, *where.params, -SIMILARITY_MIN])
    return [Candidate(entry_id=row[0], score=row[1]) for row in found]


@dataclass(frozen=True, slots=True)
class FoundRow:
    """An index row with what is shown of it; `parts` is None for a title."""

    id: UUID
    conversation_id: UUID
    message_id: UUID | None
    role: str
    model: str
    author_id: UUID | None
    has_file: bool
    created_at: datetime
    title: str
    parts: list[dict[str, Any]] | None


def rows_of(ids: Sequence[UUID], *, visible: Sql) -> dict[UUID, FoundRow]:
    """Return those of some index rows that are visible, by id."""
    if not ids:
        return {}
    where = _from_visible("i", visible, [Sql("i.id = ANY(%s)", [list(ids)])])
    found = _rows(
        "SELECT i.id, i.conversation_id, i.message_id, i.role, i.model, i.author_id, i.has_file,"  # noqa: S608  # as above
        " i.created_at, c.title, m.parts FROM conversations_messageindex i"
        " JOIN conversations_conversation c ON c.id = i.conversation_id"
        f" LEFT JOIN conversations_message m ON m.id = i.message_id WHERE {where.text}",
        where.params,
    )
    # Django has PostgreSQL's JSON left as text, for its own fields to read.
    return {row[0]: FoundRow(*(*row[:9], row[9] and json.loads(row[9]))) for row in found}


Position = tuple[datetime, UUID]


def list_newest(
    *,
    visible: Sql,
    filters: Filters,
    without: Sql | None,
    after: Position | None,
    limit: int,
) -> list[Position]:
    """Return when and which: messages that fit `filters`, newest first, older than `after`."""
    conditions = [
        Sql("i.message_id IS NOT NULL"),
        *_common_conditions("i", filters),
        *_message_conditions(filters),
    ]
    if without is not None:
        conditions.append(Sql(f"i.words @@ ({without.text})", without.params))
    if after is not None:
        conditions.append(Sql("(i.created_at, i.id) < (%s, %s)", list(after)))
    where = _from_visible("i", visible, conditions)
    found = _rows(
        f"SELECT i.created_at, i.id FROM conversations_messageindex i WHERE {where.text}"  # noqa: S608  # as above
        " ORDER BY i.created_at DESC, i.id DESC LIMIT %s",
        [*where.params, limit],
    )
    return [(row[0], row[1]) for row in found]


# -- spelling and stems

Alternatives = dict[str, tuple[str, ...]]


def similar_words(words: Sequence[str]) -> Alternatives:
    """Return words of this workspace that each of `words` may be a misspelling of, nearest first.

    They come from everybody's messages: use them to search, show them only where they were found.
    """
    found: Alternatives = {}
    with transaction.atomic(), connection.cursor() as cursor:
        # Comparing arrays costs more than PostgreSQL thinks: left alone it reads every word.
        cursor.execute("SET LOCAL enable_seqscan = off")
        for word in words:
            cursor.execute(
                "SELECT word FROM conversations_searchword WHERE keys && %s::int[] LIMIT %s",
                [spelling_keys(word), _SIMILAR_WORDS_MAX],
            )
            most = mistakes_allowed(word)
            others = [other for (other,) in cursor if abs(len(other) - len(word)) <= most]
            measured = [(mistakes(word, other), other) for other in others if other != word]
            near = sorted(pair for pair in measured if pair[0] <= most)
            if near:
                found[word] = tuple(other for _count, other in near[:_ALTERNATIVES_MAX])
        cursor.execute("SET LOCAL enable_seqscan = on")
    return found


def stems_of(words: Iterable[str]) -> dict[str, str]:
    """Return each word's English stem; words without one are left out."""
    rows = _rows(
        "SELECT word, ts_lexize('english_stem', word) FROM unnest(%s::text[]) AS word",
        [sorted(words)],
    )
    return {word: stems[0] for word, stems in rows if stems}
