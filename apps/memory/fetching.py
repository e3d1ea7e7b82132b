"""What recall reads from the database, packed: one row of bytes instead of ten thousand rows.

PostgreSQL computes the cosines and sends each column as one string of fixed-width numbers, which
numpy reads without a copy. Places are the key of everything: memories have negative ones, what was
said has `session * SESSION_SIZE + position`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import numpy as np
from django.db import connection

from apps.memory.contracts import RecallFilters
from apps.memory.domain.ranking import Floats, Ints
from apps.providers.contracts import Embedding

KINDS = ("said", "semantic", "episodic", "procedural")

_POSTINGS = """
SELECT string_agg(int4send(place), ''), string_agg(int2send(frequency::smallint), '')
FROM memory_posting
WHERE subject_id = %(subject)s AND lexeme = ANY(
    SELECT lexeme FROM unnest(to_tsvector('english', %(query)s)) EXCEPT
    SELECT lexeme FROM unnest(to_tsvector('english', %(names)s))
)
GROUP BY lexeme ORDER BY lexeme
"""
_THINGS = """
SELECT string_agg(int4send(place), ''), string_agg(int2send(length), ''),
    string_agg(int2send(speaker), ''), string_agg(int2send(flags), ''),
    string_agg(float4send(cohesion), ''), string_agg(float8send(at), ''),
    string_agg(float4send(importance), ''), string_agg(int4send(uses), ''),
    string_agg(int4send(first_day), ''), string_agg(int4send(last_day), ''),
    string_agg(float4send(cosine), '')
FROM (
    SELECT place, words_count::smallint AS length, (-1)::smallint AS speaker,
        (CASE kind WHEN 'semantic' THEN 16 WHEN 'episodic' THEN 32 ELSE 48 END
            + (valid_from IS NOT NULL)::int * 2)::smallint AS flags,
        0::real AS cohesion, extract(epoch FROM coalesce(last_used_at, created_at)) AS at,
        (importance * confidence / 10)::real AS importance, use_count::int AS uses,
        coalesce(valid_from::date - '1970-01-01', -2000000)::int AS first_day,
        coalesce(valid_from::date - '1970-01-01', -2000000)::int AS last_day,
        {cosine} AS cosine
    FROM memory_memory
    WHERE subject_id = %(subject)s AND status IN ('active', 'consolidating')
        AND place IS NOT NULL {memory_filter} {likely}
    UNION ALL
    SELECT place, words::smallint, speaker::smallint,
        (by_assistant::int + has_time::int * 2 + asks::int * 4)::smallint,
        cohesion::real, extract(epoch FROM said_at), 0.5::real, 0,
        least(said_at::date, about_from) - '1970-01-01', greatest(said_at::date, about_to)
            - '1970-01-01',
        {cosine}
    FROM memory_utterance
    WHERE subject_id = %(subject)s {said_filter} {likely}
    ORDER BY place
) AS thing
"""
# Of very many things the nearest and those with the words, each with its neighbours in a session.
# The order of the nearest is that of an index, where there is one (`services.vector_indexes`).
_LIKELY = """
WITH near AS MATERIALIZED ({nearest}), likely AS MATERIALIZED (
    SELECT place + step AS place FROM (
        SELECT place FROM near UNION SELECT unnest(%(places)s::int[])
    ) AS found CROSS JOIN unnest('{{-2,-1,0,1,2}}'::int[]) AS step
    WHERE place > 0 OR step = 0
)
"""
_NEAREST = """
(SELECT place FROM {table} WHERE subject_id = %(subject)s AND embedding_model = %(model{number})s
    {filter} ORDER BY embedding <=> %(vector{number})s::halfvec, place LIMIT %(nearest)s)
"""
_LIVE = " AND status IN ('active', 'consolidating') AND place IS NOT NULL"
# An approximate index looks at as many as are wanted, and further where filters leave some out.
_FOR_INDEXES = """
SELECT set_config('hnsw.ef_search', %s, true),
    set_config('hnsw.iterative_scan', 'strict_order', true)
"""
_IS_LIKELY = " AND place = ANY(ARRAY(SELECT place FROM likely))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Columns of the things that may be recalled, in the order of their places.

    Attributes:
        flags: 1 said by the assistant, 2 names a time, 4 asks; times 16 the index in `KINDS`.
        at: When it was said or last used, in seconds since 1970.
        first_day: The first day it is about, or was said on, in days since 1970.
        last_day: The last such day.
        cosine: With the question; NaN where either has no vector.
    """

    place: Ints
    length: Floats
    speaker: Ints
    flags: Ints
    cohesion: Floats
    at: Floats
    importance: Floats
    uses: Floats
    first_day: Ints
    last_day: Ints
    cosine: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Likely:
    """Which of very many things to look at.

    Attributes:
        places: Those that hold the question's words.
        nearest: How many of the nearest to the question, in each of the two tables.
    """

    places: Ints
    nearest: int


_COLUMNS = (
    ("place", ">i4"), ("length", ">i2"), ("speaker", ">i2"), ("flags", ">i2"),
    ("cohesion", ">f4"), ("at", ">f8"), ("importance", ">f4"), ("uses", ">i4"),
    ("first_day", ">i4"), ("last_day", ">i4"), ("cosine", ">f4"),
)  # fmt: skip


def fetch_postings(
    *, subject_id: UUID, query: str, names: Sequence[str]
) -> list[tuple[Ints, Floats]]:
    """Return (places, frequencies) for each word of the query that the subject ever used.

    Args:
        subject_id: Whose memory.
        query: What it is about.
        names: Names of speakers, whose words are left out.
    """
    with connection.cursor() as cursor:
        cursor.execute(_POSTINGS, {"subject": subject_id, "query": query, "names": " ".join(names)})
        rows = cursor.fetchall()
    return [(_ints(place, ">i4"), _floats(frequency, ">i2")) for place, frequency in rows]


def fetch_things(
    *,
    subject_id: UUID,
    vectors: Sequence[Embedding],
    filters: RecallFilters,
    likely: Likely | None = None,
) -> Fetched:
    """Return what may be recalled, with its cosine, in the order of the places.

    Args:
        subject_id: Whose memory.
        vectors: The question's vectors, one for each model that made vectors of the subject's.
        filters: What may be recalled at all.
        likely: Not everything, as that would be very much.
    """
    cosine, arguments = _cosine(vectors)
    memory_filter, said_filter, wanted = _filters(filters)
    statement = _THINGS.format(
        cosine=cosine,
        memory_filter=memory_filter,
        said_filter=said_filter,
        likely=_IS_LIKELY if likely else "",
    )
    if likely:
        statement = (
            _LIKELY.format(nearest=_nearest(vectors, memory_filter, said_filter)) + statement
        )
        places = ",".join(map(str, likely.places))
        wanted |= {"places": f"{{{places}}}", "nearest": likely.nearest}
    with connection.cursor() as cursor:
        if likely:
            cursor.execute(_FOR_INDEXES, [str(likely.nearest)])
        cursor.execute(statement, {"subject": subject_id, **arguments, **wanted})
        row = cursor.fetchone() or ()
    columns: dict[str, Floats | Ints] = {}
    for (name, kind), packed in zip(_COLUMNS, row, strict=True):
        whole = kind[1] == "i" and name not in {"length", "uses"}
        columns[name] = _ints(packed, kind) if whole else _floats(packed, kind)
    return Fetched(**columns)  # type: ignore[arg-type]  # by name, as _COLUMNS says


def _nearest(vectors: Sequence[Embedding], memory_filter: str, said_filter: str) -> str:
    """Return SQL for the places of what is nearest, in each table for each of the vectors."""
    arms = [
        _NEAREST.format(table=table, number=number, filter=wanted)
        for number in range(len(vectors))
        for table, wanted in (
            ("memory_memory", _LIVE + memory_filter),
            ("memory_utterance", said_filter),
        )
    ]
    return " UNION ALL ".join(arms) or "SELECT NULL::int AS place WHERE false"


def _cosine(vectors: Sequence[Embedding]) -> tuple[str, dict[str, Any]]:
    """Return SQL for the cosine with the vector of the model that a row's vector is of."""
    if not vectors:
        return "'NaN'::real", {}
    cases, arguments = [], {}
    for number, embedding in enumerate(vectors):
        cases.append(
            f"WHEN %(model{number})s THEN (1 - (embedding <=> %(vector{number})s::halfvec))::real"
        )
        arguments[f"model{number}"] = embedding.model
        arguments[f"vector{number}"] = "[" + ",".join(map(repr, embedding.vector)) + "]"
    return f"CASE embedding_model {' '.join(cases)} ELSE 'NaN'::real END", arguments


def _filters(filters: RecallFilters) -> tuple[str, str, dict[str, Any]]:
    memories, said, arguments = [], [], dict[str, Any]()
    if filters.kinds:
        memories.append("kind = ANY(%(kinds)s)")
        arguments["kinds"] = sorted(filters.kinds)
    if filters.namespaces:
        memories.append("namespace = ANY(%(namespaces)s)")
        arguments["namespaces"] = sorted(filters.namespaces)
    if filters.conversation_id is not None:
        memories.append("conversation_id = %(conversation)s")
        said.append("conversation_id = %(conversation)s")
        arguments["conversation"] = filters.conversation_id
    for name, sign, moment in (("since", ">=", filters.since), ("until", "<=", filters.until)):
        if moment is not None:
            memories.append(f"coalesce(valid_from, created_at) {sign} %({name})s")
            said.append(f"said_at {sign} %({name})s")
            arguments[name] = moment
    if filters.except_conversation_id is not None:
        said.append("conversation_id <> %(except)s")
        arguments["except"] = filters.except_conversation_id
    if not filters.with_said:
        said.append("false")
    if not filters.with_memories:
        memories.append("false")
    return _and(memories), _and(said), arguments


def _and(conditions: Sequence[str]) -> str:
    return "".join(f" AND {condition}" for condition in conditions)


def _ints(packed: bytes | None, kind: str) -> Ints:
    return np.frombuffer(packed or b"", dtype=kind).astype(np.int64)


def _floats(packed: bytes | None, kind: str) -> Floats:
    return np.frombuffer(packed or b"", dtype=kind).astype(np.float64)


def day_number(day: date) -> int:
    """Return a day as `first_day` and `last_day` have it."""
    return (day - date(1970, 1, 1)).days


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The text at a place, and where it is from."""

    id: UUID
    text: str
    speaker: int
    said_at: datetime
    conversation_id: UUID | None
    sources: tuple[UUID, ...]


_TEXTS = """
SELECT place, id, text, -1, coalesce(valid_from, created_at), conversation_id, source_message_ids
FROM memory_memory WHERE subject_id = %(subject)s AND place = ANY(%(memories)s)
UNION ALL
SELECT place, id, text, speaker, said_at, conversation_id, ARRAY[id]
FROM memory_utterance WHERE subject_id = %(subject)s AND place = ANY(%(said)s)
"""


def fetch_texts(*, subject_id: UUID, places: Sequence[int]) -> dict[int, Found]:
    """Return what stands at places; what went meanwhile is missing."""
    with connection.cursor() as cursor:
        cursor.execute(
            _TEXTS,
            {
                "subject": subject_id,
                "memories": [place for place in places if place < 0],
                "said": [place for place in places if place > 0],
            },
        )
        rows = cursor.fetchall()
    return {
        place: Found(
            id=pk, text=text, speaker=speaker, said_at=at, conversation_id=conversation,
            sources=tuple(sources),
        )
        for place, pk, text, speaker, at, conversation, sources in rows
    }  # fmt: skip
