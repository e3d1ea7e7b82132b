"""What a prompt holds without searching: one statement for all of it, before every answer."""

from typing import Any
from uuid import UUID

from django.db import connection

from apps.core.clock import now
from apps.memory.contracts import (
    MemoryKind,
    MemoryOrigin,
    PersonProfile,
    ProfileEntry,
)
from apps.memory.domain.profile import Known, in_time, parts_of

EVERYTHING_MAX = 100  # memories; more are searched, however short they are
_EACH_MAX = 60  # of what is pinned, of instructions, of facts: beyond it no prompt has room

# A line of a prompt has a token for three characters, as where prompts are packed, and its mark.
# The subject's row says how many memories there are, so that only the few are measured at all.
_PROFILE = """
WITH whose AS MATERIALIZED (
    SELECT memory_count,
        CASE WHEN memory_count <= %(most)s THEN (
            SELECT coalesce(sum(length(text) / 3 + 2), 0) <= %(tokens)s FROM memory_memory
            WHERE subject_id = %(subject)s AND status IN ('active', 'consolidating')
        ) ELSE false END AS is_little,
        said_count > 0 AND EXISTS (
            SELECT FROM memory_utterance WHERE subject_id = %(subject)s
                AND conversation_id IS DISTINCT FROM %(conversation)s
        ) AS has_said
    FROM memory_subject WHERE id = %(subject)s
)
SELECT whose.*, known.*
FROM whose LEFT JOIN LATERAL (
    SELECT id, text, kind, origin, slot, importance, confidence, pinned_at,
        valid_to IS NULL OR valid_to > %(now)s, source_message_ids,
        row_number() OVER (
            PARTITION BY pinned_at IS NOT NULL, kind
            ORDER BY pinned_at, importance * confidence DESC, slot NOT LIKE 'self.%%', id
        ) AS number
    FROM memory_memory
    WHERE subject_id = %(subject)s AND status IN ('active', 'consolidating')
        AND (expires_at IS NULL OR expires_at > %(now)s)
        AND (whose.is_little OR pinned_at IS NOT NULL
            OR (valid_to IS NULL OR valid_to > %(now)s)
                AND (kind = 'procedural' OR kind = 'semantic' AND slot <> ''))
) AS known ON is_little OR number <= %(each)s
"""


def read_profile(
    *, subject_id: UUID, everything_tokens: int, except_conversation_id: UUID | None = None
) -> PersonProfile:
    """Return what is always known of a person, and all memories while they are little.

    Args:
        subject_id: Whose memory.
        everything_tokens: Up to about so many tokens, at three characters each, all are returned.
        except_conversation_id: What was said there does not count as something to search in.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _PROFILE,
            {
                "subject": subject_id,
                "most": EVERYTHING_MAX,
                "tokens": everything_tokens,
                "conversation": except_conversation_id,
                "now": now(),
                "each": _EACH_MAX,
            },
        )
        rows = cursor.fetchall()
    if not rows:
        return PersonProfile()
    memory_count, is_little, has_said = rows[0][:3]
    known = [_known(row[3:-1]) for row in rows if row[3] is not None]
    parts = parts_of(known)
    return PersonProfile(
        pinned=_entries(parts.pinned),
        standing=_entries(parts.standing),
        facts=_entries(parts.facts),
        everything=_entries(in_time(known)) if is_little else None,
        memory_count=memory_count,
        has_said=has_said,
    )


def _known(row: tuple[Any, ...]) -> Known:
    pk, text, kind, origin, slot, importance, confidence, pinned_at, holds, sources = row
    return Known(
        id=pk,
        text=text,
        kind=MemoryKind(kind),
        origin=MemoryOrigin(origin),
        slot=slot,
        importance=importance,
        confidence=confidence,
        pinned_at=pinned_at,
        holds=holds,
        source_message_ids=tuple(sources),
    )


def _entries(known: tuple[Known, ...]) -> tuple[ProfileEntry, ...]:
    return tuple(
        ProfileEntry(id=each.id, text=each.text, source_message_ids=each.source_message_ids)
        for each in known
    )
