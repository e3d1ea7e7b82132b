"""Recall: what fits a question best, out of memories and of what was said, and why."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db import DatabaseError, connection, transaction

from apps.core.clock import now
from apps.core.concurrency import start_async
from apps.core.errors import KarenError
from apps.core.logging import get_logger
from apps.memory import metrics, reembedding, tally
from apps.memory.contracts import (
    RecalledKind,
    RecalledMemory,
    RecallFilters,
    Signal,
    SignalShare,
)
from apps.memory.domain import questions, ranking
from apps.memory.domain.ranking import Asked, Postings, Ranked, Things
from apps.memory.errors import RecallUnavailable
from apps.memory.fetching import (
    Fetched,
    Likely,
    day_number,
    fetch_postings,
    fetch_texts,
    fetch_things,
)
from apps.memory.models.said import SESSION_SIZE
from apps.providers import gateway
from apps.providers.contracts import Embedding, Flow

logger = get_logger(__name__)
T = TypeVar("T")

_QUERY_CHARACTERS = 2_000
_ANYTHING = RecallFilters()
_FETCHING = 0.4  # share of the time that is kept for reading; without a vector words answer alone
# Up to so many things all are looked at, which takes some 10 ms; of more the likely ones.
_ALL_MAX = 3_000
_LIKELY = 400
_DAY_S = 86_400.0
_SAID_HALF_LIFE_DAYS = 60.0


def recall(
    *,
    query: str,
    subject_id: UUID,
    k: int,
    within_s: float | None = None,
    is_sensitive: bool = False,
    filters: RecallFilters = _ANYTHING,
    at: datetime | None = None,
    is_counted: bool = True,
) -> tuple[RecalledMemory, ...]:
    """Return the `k` things about a subject that fit a query best, best first.

    How the score is made: `domain.ranking`. Words or meaning may be missing; what is left answers.

    Args:
        query: What it is about; its beginning, if it is very long.
        subject_id: Whose memory.
        k: Most results.
        within_s: Seconds after which what is not there yet is done without; `MEMORY_RECALL_S`, as a
            prompt waits, if not given.
        is_sensitive: The query goes to no embedding model outside this installation.
        filters: What may be recalled at all.
        at: From when "yesterday" and recency count; now, if not given.
        is_counted: Somebody waits for it, so it belongs into the figures of how long recall takes.

    Raises:
        RecallUnavailable: Neither words nor meaning could be asked.
    """
    started = time.monotonic()
    deadline = started + (settings.MEMORY_RECALL_S if within_s is None else within_s)
    with _stage("look"):
        look = _look(subject_id, deadline)
    if not look.count or k <= 0:
        return ()
    asked = query[:_QUERY_CHARACTERS]
    words, meant = _looked_up(subject_id, asked, look, deadline, is_sensitive)
    total = look.count if look.count > _ALL_MAX else 0
    likely = _likely(words or [], total) if total else None
    with _stage("things"):
        things = _fetched(subject_id, meant, filters, likely, deadline)
    moment = at or now()
    with _stage("rank"):
        ranked = ranking.rank(
            _things(things, moment, look.half_lives, total),
            _asked(asked, look.speakers, words or [], things, moment, total),
            k=k,
        )
    lacking = [Signal.WORDS] if words is None else []
    lacking += [] if meant or not asked.strip() else [Signal.MEANING]
    with _stage("texts"):
        results = _results(subject_id, things, ranked, look.speakers, lacking)
    if is_counted:
        _count(time.monotonic() - started, results)
    return results


def _likely(words: Sequence[tuple[ranking.Ints, ranking.Floats]], total: int) -> Likely:
    return Likely(places=ranking.likely(words, total, _LIKELY), nearest=_LIKELY)


def _fetched(
    subject_id: UUID,
    vectors: Sequence[Embedding],
    filters: RecallFilters,
    likely: Likely | None,
    deadline: float,
) -> Fetched:
    """Return what may be recalled.

    Raises:
        RecallUnavailable: The database did not answer in time.
    """
    found = _attempt(
        Signal.MEANING,
        lambda: _within(
            deadline,
            fetch_things,
            subject_id=subject_id,
            vectors=vectors,
            filters=filters,
            likely=likely,
        ),
    )
    if found is None:
        raise RecallUnavailable
    return found


def _looked_up(
    subject_id: UUID,
    query: str,
    look: reembedding.Look,
    deadline: float,
    is_sensitive: bool,
) -> tuple[list[tuple[ranking.Ints, ranking.Floats]] | None, list[Embedding]]:
    """Return where the query's words stand, None if nobody could say, and its vectors.

    Raises:
        RecallUnavailable: There is neither.
    """
    names = [name for name in look.speakers if name]
    plain = questions.without_names(query, names) or query
    by = deadline - _FETCHING * max(deadline - time.monotonic(), 0)
    # The vector is computed on another thread while PostgreSQL looks for the words.
    vectors = [
        start_async(_embedded(plain, by, model, is_sensitive)) for model in ("", *look.old_models)
    ]
    with _stage("words"):
        words = _attempt(
            Signal.WORDS,
            lambda: _within(
                deadline, fetch_postings, subject_id=subject_id, query=query, names=names
            ),
        )
    meant = [found for vector in vectors if (found := _attempt(Signal.MEANING, vector.result))]
    if words is None and not meant:
        raise RecallUnavailable
    return words, meant


def _stage(name: str) -> AbstractContextManager[object]:
    return metrics.recall_stage_seconds.labels(name).time()


def _count(seconds: float, results: Sequence[RecalledMemory]) -> None:
    metrics.recall_seconds.observe(seconds)
    tally.note_recall(seconds)
    for kind in RecalledKind:
        number = sum(each.kind is kind for each in results)
        if number:
            metrics.recall_results_total.labels(kind.value).inc(number)


def _attempt(signal: Signal, ask: Callable[[], T]) -> T | None:
    """Return what is found, or None where it cannot be asked now."""
    try:
        return ask()
    except (DatabaseError, KarenError, TimeoutError) as error:
        metrics.recall_missing_total.labels(signal.value).inc()
        logger.warning("recall.signal_missing", signal=signal.value, reason=type(error).__name__)
        return None


def _look(subject_id: UUID, deadline: float) -> reembedding.Look:
    # One look into an index, for the many who have none; not worth a transaction with a time limit.
    if time.monotonic() >= deadline:
        raise RecallUnavailable
    try:
        return reembedding.look(subject_id)
    except DatabaseError as error:
        raise RecallUnavailable from error


def _within(deadline: float, fetch: Callable[..., T], **arguments: object) -> T:
    """Fetch, and let PostgreSQL itself stop what would take longer."""
    left_ms = int((deadline - time.monotonic()) * 1000)
    if left_ms <= 0:
        raise TimeoutError
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(left_ms)])
        return fetch(**arguments)


async def _embedded(
    query: str, deadline: float, model: str, is_sensitive: bool
) -> Embedding | None:
    if not query.strip():
        return None
    with _stage("meaning"):
        async with asyncio.timeout(max(deadline - time.monotonic(), 0)):
            (embedding,) = await gateway.embed(
                flow=Flow.EMBED_TEXT, texts=[query], model=model, is_sensitive=is_sensitive
            )
    return embedding


def _things(found: Fetched, moment: datetime, half_lives: Sequence[float], total: int) -> Things:
    half_life_days = np.array([_SAID_HALF_LIFE_DAYS, *half_lives])  # in the order of KINDS
    kind = found.flags >> 4
    age_days = np.maximum(moment.timestamp() - found.at, 0) / _DAY_S
    return Things(
        session=np.where(found.place < 0, -1, found.place // SESSION_SIZE),
        length=found.length,
        speaker=found.speaker,
        has_time=((found.flags & 2) > 0).astype(np.float64),
        asks=((found.flags & 4) > 0).astype(np.float64),
        by_assistant=((found.flags & 1) > 0).astype(np.float64),
        cohesion=found.cohesion,
        recency=0.5 ** (age_days / half_life_days[kind]),
        importance=found.importance,
        uses=found.uses,
        total=total,
    )


def _asked(
    query: str,
    speakers: Sequence[str],
    words: Sequence[tuple[ranking.Ints, ranking.Floats]],
    found: Fetched,
    moment: datetime,
    total: int,
) -> Asked:
    postings = []
    for places, frequency in words:
        at = np.searchsorted(found.place, places)
        at[at == len(found.place)] = 0
        there = found.place[at] == places if len(found.place) else np.zeros(len(at), dtype=bool)
        if there.any():  # filters may have left some out
            held = len(places) if total else 0
            postings.append(Postings(at=at[there], frequency=frequency[there], held=held))
    periods = questions.named_periods(query, moment.date())
    dated = None
    if periods:
        meets = [
            (found.first_day <= day_number(each.last)) & (found.last_day >= day_number(each.first))
            for each in periods
        ]
        dated = np.any(meets, axis=0).astype(np.float64)
    return Asked(
        postings=postings,
        cosine=None if np.isnan(found.cosine).all() else found.cosine,
        speaker=questions.named_speaker(query, speakers),
        asks_time=questions.asks_time(query),
        dated=dated,
    )


def _results(
    subject_id: UUID,
    things: Fetched,
    ranked: Ranked,
    speakers: Sequence[str],
    lacking: Sequence[Signal],
) -> tuple[RecalledMemory, ...]:
    places = [int(place) for place in things.place[ranked.at]]
    texts = fetch_texts(subject_id=subject_id, places=places)
    results = []
    for number, place in enumerate(places):
        found = texts.get(place)
        if found is None:  # forgotten this very moment
            continue
        shares = _shares(ranked, number)
        results.append(
            RecalledMemory(
                kind=RecalledKind.MEMORY if place < 0 else RecalledKind.SAID,
                id=found.id,
                text=found.text,
                score=round(float(ranked.scores[number]), 6),
                why=_why(shares, lacking),
                signals=shares,
                speaker=speakers[found.speaker] if found.speaker >= 0 else "",
                said_at=found.said_at,
                conversation_id=found.conversation_id,
                source_message_ids=found.sources,
            )
        )
    return tuple(results)


def _shares(ranked: Ranked, number: int) -> tuple[SignalShare, ...]:
    shares = [
        SignalShare(signal=signal, share=round(float(part[number]), 6))
        for signal, part in ranked.parts.items()
        if abs(float(part[number])) >= 0.0005
    ]
    return tuple(sorted(shares, key=lambda each: (-each.share, each.signal)))


def _why(shares: Sequence[SignalShare], lacking: Sequence[Signal]) -> str:
    given = [f"{each.signal.value} {each.share:+.2f}" for each in shares]
    return ", ".join([*given, *(f"without {signal.value}" for signal in lacking)])
