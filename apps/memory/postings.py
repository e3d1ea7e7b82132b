"""The index of words: what BM25 counts, written beside what it is about.

PostgreSQL's text search makes the stems, for what is written as for what is asked, so both agree.
Nothing is counted ahead of time that can be counted when asked: how many things hold a word is
the number of its postings.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import connection

_WRITE = """
WITH word AS MATERIALIZED (
    SELECT item.place, found.lexeme, least(cardinality(found.positions), 32767) AS frequency
    FROM unnest(%(places)s::int[], %(texts)s::text[]) AS item(place, text)
    CROSS JOIN LATERAL unnest(to_tsvector('english', item.text)) AS found
), length AS (
    SELECT place, least(sum(frequency), 32767)::int AS words FROM word GROUP BY place
), written AS (
    INSERT INTO memory_posting (subject_id, lexeme, place, frequency, length)
    SELECT %(subject)s, lexeme, place, frequency, words FROM word JOIN length USING (place)
)
SELECT place, words FROM length
"""
_ERASE = """
DELETE FROM memory_posting
USING unnest(%(places)s::int[], %(texts)s::text[]) AS item(place, text)
CROSS JOIN LATERAL unnest(to_tsvector('english', item.text)) AS found
WHERE memory_posting.subject_id = %(subject)s
    AND memory_posting.lexeme = found.lexeme AND memory_posting.place = item.place
"""


def write(subject_id: UUID, texts: Mapping[int, str]) -> dict[int, int]:
    """Index texts by their places; the caller holds the subject's lock.

    Returns:
        How many words each has; places of texts without one are missing.
    """
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, _arguments(subject_id, texts))
        return dict(cursor.fetchall())


def erase(subject_id: UUID, texts: Mapping[int, str]) -> None:
    """Take texts out of the index; they must be those that were written."""
    with connection.cursor() as cursor:
        cursor.execute(_ERASE, _arguments(subject_id, texts))


def _arguments(subject_id: UUID, texts: Mapping[int, str]) -> dict[str, Any]:
    return {"subject": subject_id, "places": list(texts), "texts": list(texts.values())}
