"""What must hold whatever was done: counted in the tables, and looked for in every text of them.

Texts of the random work carry marks, words that nothing else has. A mark belongs to the memory or
the message it was written with: when that is gone, the mark must be nowhere.
"""

import re
from collections.abc import Iterable
from uuid import UUID

# What must not be, by name; each counts rows.
LAWS = {
    "posting without its thing": """
        SELECT count(*) FROM memory_posting AS p WHERE NOT EXISTS (
            SELECT FROM memory_memory AS m WHERE m.subject_id = p.subject_id AND m.place = p.place
        ) AND NOT EXISTS (
            SELECT FROM memory_utterance AS u WHERE u.subject_id = p.subject_id
                AND u.place = p.place)""",
    "thing without its postings": """
        SELECT count(*) FROM (
            SELECT subject_id, place, words_count AS words FROM memory_memory WHERE place < 0
            UNION ALL SELECT subject_id, place, words FROM memory_utterance
        ) AS thing WHERE words <> (
            SELECT coalesce(sum(frequency), 0) FROM memory_posting AS p
            WHERE p.subject_id = thing.subject_id AND p.place = thing.place)""",
    "live without a place, or a place without life": """
        SELECT count(*) FROM memory_memory
        WHERE (status IN ('active', 'consolidating')) <> (place IS NOT NULL)""",
    "vector of what is not live": """
        SELECT count(*) FROM memory_memory WHERE embedding IS NOT NULL
            AND status NOT IN ('active', 'consolidating')
            OR (embedding IS NULL) <> (embedding_model = '')""",
    "evidence without its memory": """
        SELECT count(*) FROM memory_evidence WHERE memory_id NOT IN (
            SELECT id FROM memory_memory)""",
    "mention without its memory": """
        SELECT count(*) FROM memory_mention WHERE memory_id NOT IN (SELECT id FROM memory_memory)
            OR entity_id NOT IN (SELECT id FROM memory_entity)""",
    "version without its memory": """
        SELECT count(*) FROM memory_memoryversion WHERE memory_id NOT IN (
            SELECT id FROM memory_memory)""",
    "entity nobody mentions": """
        SELECT count(*) FROM memory_entity WHERE id NOT IN (
            SELECT entity_id FROM memory_mention)""",
    "subject's counts": """
        SELECT count(*) FROM memory_subject AS s WHERE
            (memory_count, memory_words) <> (
                SELECT count(*), coalesce(sum(words_count), 0) FROM memory_memory AS m
                WHERE m.subject_id = s.id AND m.status IN ('active', 'consolidating'))
            OR (said_count, said_words) <> (
                SELECT count(*), coalesce(sum(words), 0) FROM memory_utterance AS u
                WHERE u.subject_id = s.id)""",
    "the same twice": """
        SELECT count(*) FROM (
            SELECT FROM memory_memory WHERE status IN ('active', 'consolidating')
            GROUP BY subject_id, content_hash HAVING count(*) > 1) AS twice""",
    "two values at once": """
        SELECT count(*) FROM (
            SELECT FROM memory_memory WHERE status IN ('active', 'consolidating')
                AND slot <> '' AND valid_to IS NULL
            GROUP BY subject_id, slot HAVING count(*) > 1) AS twice""",
    "superseded and not archived with dates, or by nothing of the same person": """
        SELECT count(*) FROM memory_memory AS m WHERE superseded_by_id IS NOT NULL AND (
            status <> 'archived' OR valid_to IS NULL OR retired_at IS NULL OR NOT EXISTS (
                SELECT FROM memory_memory AS by WHERE by.id = m.superseded_by_id
                    AND by.subject_id = m.subject_id))""",
    "superseded by itself, in a circle": """
        WITH RECURSIVE chain AS (
            SELECT id, superseded_by_id AS by, 1 AS depth FROM memory_memory
            WHERE superseded_by_id IS NOT NULL
            UNION ALL
            SELECT chain.id, m.superseded_by_id, depth + 1 FROM chain
            JOIN memory_memory AS m ON m.id = chain.by
            WHERE m.superseded_by_id IS NOT NULL AND depth < 200
        ) SELECT count(*) FROM chain WHERE by = id""",
    "retired and live": """
        SELECT count(*) FROM memory_memory
        WHERE (status IN ('active', 'consolidating')) <> (retired_at IS NULL)""",
    "learnt from nothing": """
        SELECT count(*) FROM memory_memory AS m WHERE origin = 'extracted'
            AND source_message_ids = '{}' AND NOT EXISTS (
                SELECT FROM memory_evidence AS e WHERE e.memory_id = m.id)""",
    "consolidated from nothing": """
        SELECT count(*) FROM memory_memory AS m WHERE origin = 'consolidated'
            AND status = 'active' AND NOT EXISTS (
                SELECT FROM memory_changesetentry AS e JOIN memory_changeset AS c
                    ON c.id = e.changeset_id
                WHERE e.memory_id = m.id AND e.before = '{}' AND c.state = 'applied')""",
    "text of what was erased": """
        SELECT count(*) FROM memory_changesetentry AS e WHERE (e.before::text || e.after::text) LIKE
            '%text%' AND NOT EXISTS (SELECT FROM memory_memory AS m WHERE m.id = e.memory_id)""",
}
# Everything of each person, as one hash: whose operation it was not must find it unchanged.
PRINTS = """
SELECT '{schema}', s.id, md5(concat(
    (SELECT string_agg(m::text, '|' ORDER BY id) FROM memory_memory AS m
        WHERE m.subject_id = s.id),
    (SELECT string_agg(u::text, '|' ORDER BY id) FROM memory_utterance AS u
        WHERE u.subject_id = s.id),
    (SELECT string_agg(e::text, '|' ORDER BY e.id) FROM memory_evidence AS e
        JOIN memory_memory AS m ON m.id = e.memory_id WHERE m.subject_id = s.id),
    (SELECT string_agg(n::text, '|' ORDER BY id) FROM memory_entity AS n
        WHERE n.subject_id = s.id),
    (SELECT string_agg(c::text, '|' ORDER BY id) FROM memory_changeset AS c
        WHERE c.subject_id = s.id),
    s::text
)) FROM memory_subject AS s
"""
# Every mark in every text, and every message that anything names.
TEXTS = """
SELECT 'mark', found[1] FROM (
    SELECT text AS words FROM memory_memory
    UNION ALL SELECT value FROM memory_memory
    UNION ALL SELECT text FROM memory_utterance
    UNION ALL SELECT quote FROM memory_evidence
    UNION ALL SELECT key FROM memory_entity
    UNION ALL SELECT lower(name) FROM memory_entity
    UNION ALL SELECT before::text FROM memory_memoryversion
    UNION ALL SELECT concat(before, after) FROM memory_changesetentry
    UNION ALL SELECT note FROM memory_changeset
    UNION ALL SELECT lexeme FROM memory_posting
) AS everything CROSS JOIN LATERAL regexp_matches(words, 'zq[bkmpvx]+', 'g') AS found
UNION SELECT 'message', id::text FROM memory_utterance
UNION SELECT 'message', message_id::text FROM memory_evidence WHERE message_id IS NOT NULL
UNION SELECT 'message', unnest(source_message_ids)::text FROM memory_memory
UNION SELECT 'message', id::text FROM memory_changeset
UNION SELECT 'memory', id::text FROM memory_memory
"""
COUNTED = " UNION ALL ".join(
    f"SELECT '{name.replace(chr(39), chr(39) * 2)}', ({law})" for name, law in LAWS.items()
)
# In the order in which their rows can be deleted.
TABLES = (
    "changesetentry", "changeset", "memoryversion", "mention", "evidence", "entity", "posting",
    "utterance", "memory", "subject", "memorypolicy",
)  # fmt: skip

MARK = re.compile(r"zq[bkmpvx]+")
_LETTERS = "bkmpvx"  # no ending of these is cut off as a suffix
_TABLE = re.compile(rf"\b(memory_(?:{'|'.join(TABLES)}))\b")


def in_schema(statement: str, schema: str) -> str:
    """Return a statement whose tables are those of one schema, whatever the search path is."""
    return _TABLE.sub(rf'"{schema}".\1', statement)


def mark(number: int) -> str:
    """Return the word that nothing else has."""
    letters = ""
    while number or not letters:
        number, at = divmod(number, len(_LETTERS))
        letters += _LETTERS[at]
    return f"zq{letters}"


class Marks:
    """Which mark belongs to what, in one workspace."""

    def __init__(self) -> None:
        self.of_memories: dict[str, UUID] = {}
        self.of_messages: dict[str, UUID] = {}
        self.forgotten: set[UUID] = set()

    def left(self, found: Iterable[tuple[str, str]]) -> list[str]:
        """Return what should be gone and is not; `found` is what `TEXTS` answers."""
        rows = list(found)
        memories = {UUID(what) for kind, what in rows if kind == "memory"}
        marks = {what for kind, what in rows if kind == "mark"}
        messages = {UUID(what) for kind, what in rows if kind == "message"}
        stray = [
            f"{each} of memory {self.of_memories[each]}"
            for each in marks & self.of_memories.keys()
            if self.of_memories[each] not in memories
        ]
        stray += [
            f"{each} of message {self.of_messages[each]}"
            for each in marks & self.of_messages.keys()
            if self.of_messages[each] in self.forgotten
        ]
        unknown = marks - self.of_memories.keys() - self.of_messages.keys()
        stray += [f"{each} of what was never kept" for each in unknown]
        return sorted([*stray, *(f"message {each}" for each in messages & self.forgotten)])
