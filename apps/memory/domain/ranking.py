"""How well each thing that is remembered fits a question. Pure, deterministic, numpy only.

Every signal is bounded and does not depend on how much is remembered, so they are added as they
are, without z-scores (whose scale grows with the number of things that do NOT fit):

    score = 0.30 * words       BM25 over the thing and its neighbours, as a share of the best one's
          + 1.00 * meaning     cosine of the thing and of its best neighbour
          + 0.15 * speaker     the one person whom the question names said it
          + 0.10 * date        said in, or telling of, the month or day that the question names
          + 0.10 * when        the question asks for a time and the thing names one
          + 0.10 * length      n / (n + 10): "Thanks!" is nobody's evidence
          - 0.05 * question    it ends with a question mark
          - 0.10 * assistant   the assistant said it, not the person
          + 0.05 * recency     half of it is gone after the half-life of its kind
          + 0.05 * importance  times confidence
          + 0.02 * use         n / (n + 5)

What each ingredient brings was measured (docs/memory.md). Things are given in the order of their
places, so that a session's turns stand side by side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from apps.memory.contracts import Signal

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]

# The weights: round, equal where nothing speaks for a difference. Halving or doubling one of them
# changes recall@10 by at most a few hundredths. `meaning` is the unit.
WORDS = 0.30  # a cosine of a hit stands about 0.3 above the rest, so both voices are equally loud
MEANING = 1.00
SPEAKER = 0.15
DATE = 0.10
WHEN = 0.10
LENGTH = 0.10
QUESTION = -0.05
ASSISTANT = -0.10
RECENCY = 0.05
IMPORTANCE = 0.05
USE = 0.02

K1, B = 1.2, 0.75  # the textbook's; from 0.9/0.4 to 2.0/0.75 nothing changes
REACH = 2  # turns on either side whose words count for a turn: question, answer, thanks, remark
# Weight of a neighbour = LEAN / (LEAN + own length in words): a short turn ("Yes, two of them!")
# leans on its neighbours, a long one stands alone. A turn of LEAN words, which is an average
# line of a chat, gets one half.
LEAN = 16.0
# A neighbour that is about something else says nothing about a turn. Cosines of strangers average
# 0.1, of neighbours in a chat 0.45; between UNRELATED and RELATED the leaning grows from 0 to full.
# These two and WORDS fit the cosines of MiniLM; another embedding model has its own.
UNRELATED, RELATED = 0.1, 0.3
NEIGHBOUR = 0.5  # largest share of `meaning` that comes from a neighbour; times the same leaning
NEAR = 0.2  # a cosine below it has nothing to do with the question
SHORT = 10.0  # words at which half of the bonus for length is reached
OFTEN = 5.0  # uses at which half of the bonus for use is reached


@dataclass(frozen=True, slots=True, kw_only=True)
class Things:
    """What is known of a subject's memories and turns before any question.

    Attributes:
        session: The session of each, ascending; -1 for what stands alone, as memories do.
        length: Words in it, repeated ones counted.
        speaker: Number of who said it; -1 for nobody.
        has_time: 1 where it names a date or a time.
        asks: 1 where it ends with a question mark.
        by_assistant: 1 where the assistant said it.
        cohesion: Mean cosine with the neighbours within `REACH`.
        recency: 1 for what is new, 0.5 after the half-life of its kind.
        importance: 0 to 1, times confidence.
        uses: How often it was given to a model.
        total: How many things there are where these are only the likely ones of very many; else 0.
    """

    session: Ints
    length: Floats
    speaker: Ints
    has_time: Floats
    asks: Floats
    by_assistant: Floats
    cohesion: Floats
    recency: Floats
    importance: Floats
    uses: Floats
    total: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Postings:
    """The things that hold one word of the question: their indexes, and how often.

    Attributes:
        held: How many hold it, where `at` has only the likely ones; else 0.
    """

    at: Ints
    frequency: Floats
    held: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question as analysed, with what was fetched for it.

    Attributes:
        postings: One for each of its words, names of speakers left out.
        cosine: Of each thing's vector with the question's; NaN where it has none. None where the
            question has no vector.
        speaker: The one speaker whom the question names; None for two or none.
        asks_time: Its answer is a time.
        dated: 1 where the date fits the one that the question names; None where it names none.
    """

    postings: Sequence[Postings]
    cosine: Floats | None
    speaker: int | None = None
    asks_time: bool = False
    dated: Floats | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """The first `k` indexes, best first, with what each signal gave to each score."""

    at: Ints
    scores: Floats
    parts: Mapping[Signal, Floats] = field(default_factory=dict)


def rank(things: Things, asked: Asked, *, k: int) -> Ranked:
    """Return the best `k` of what fits at all; equal scores are ordered by place."""
    parts = signals(things, asked)
    score = np.sum(list(parts.values()), axis=0)
    fits = parts[Signal.WORDS] > 0
    if Signal.MEANING in parts:
        fits |= parts[Signal.MEANING] >= MEANING * NEAR
    at = _best(np.where(fits, score, -np.inf), min(k, int(fits.sum())))
    return Ranked(at=at, scores=score[at], parts={name: part[at] for name, part in parts.items()})


def signals(things: Things, asked: Asked) -> dict[Signal, Floats]:
    """Return each signal's weighted contribution to each score."""
    related = np.clip((things.cohesion - UNRELATED) / (RELATED - UNRELATED), 0.0, 1.0)
    leaning = related * LEAN / (LEAN + things.length)
    time = np.zeros(len(things.length))
    if asked.asks_time:
        time += WHEN * things.has_time
    if asked.dated is not None:
        time += DATE * asked.dated
    parts = {
        Signal.WORDS: WORDS * words(things, asked.postings, leaning),
        Signal.TIME: time,
        Signal.FORM: LENGTH * things.length / (things.length + SHORT)
        + QUESTION * things.asks
        + ASSISTANT * things.by_assistant,
        Signal.RECENCY: RECENCY * things.recency,
        Signal.IMPORTANCE: IMPORTANCE * things.importance,
        Signal.USE: USE * things.uses / (things.uses + OFTEN),
    }
    if asked.cosine is not None:
        parts[Signal.MEANING] = MEANING * meaning(things, asked.cosine, leaning)
    if asked.speaker is not None:
        parts[Signal.SPEAKER] = SPEAKER * (things.speaker == asked.speaker)
    return parts


def words(things: Things, postings: Sequence[Postings], leaning: Floats) -> Floats:
    """Return BM25 of each thing with its neighbours' words, divided by the best one's.

    A neighbour's words count `leaning` times, in the frequencies as in the length. Rarity is that
    of the widened turns: what is said all through a session is not rare.
    """
    size = len(things.length)
    if not size or not postings:
        return np.zeros(size)
    lexeme, place, tf = _widened(things, postings, leaning)
    length = things.length + leaning * around(things.length, things.session)
    norm = K1 * (1 - B + B * length / max(float(length.mean()), 1e-9))
    held = np.array([each.held for each in postings])
    holding = np.maximum(np.bincount(lexeme, minlength=len(postings)), held)
    rarity = _rarity(holding, max(things.total, size)) * (K1 + 1)
    gained = rarity[lexeme] * tf / (tf + norm[place])
    score: Floats = np.bincount(place, gained, minlength=size).astype(np.float64, copy=False)
    best = float(score.max())
    return score / best if best > 0 else score


def likely(words: Sequence[tuple[Ints, Floats]], total: int, k: int) -> Ints:
    """Return the `k` places whose own words fit best, in no order: which of very many to look at.

    Args:
        words: (places, frequencies) for each word of the question.
        total: How many things there are.
        k: Most places.
    """
    if not words:
        return np.zeros(0, dtype=np.int64)
    places, row = np.unique(np.concatenate([at for at, _tf in words]), return_inverse=True)
    gained = [
        _rarity(np.array([len(at)]), max(total, len(places))) * tf / (tf + K1) for at, tf in words
    ]
    score = np.bincount(row, np.concatenate(gained)).astype(np.float64, copy=False)
    return places[_best(score, k)]


def _rarity(holding: Ints, size: int) -> Floats:
    rarity: Floats = np.log1p((size - holding + 0.5) / (holding + 0.5))
    return rarity


def _widened(
    things: Things, postings: Sequence[Postings], leaning: Floats
) -> tuple[Ints, Ints, Floats]:
    """Return (lexeme, place, tf), neighbours' tf included. Only the postings are walked."""
    size = len(things.length)
    place = np.concatenate([each.at for each in postings])
    tf = np.concatenate([each.frequency for each in postings])
    row = np.repeat(np.arange(len(postings)) * size, [len(each.at) for each in postings])
    keys, values = [row + place], [tf]
    for step in range(1, min(REACH, size - 1) + 1):
        same = (things.session[step:] == things.session[:-step]) & (things.session[step:] >= 0)
        edge = np.zeros(step, dtype=bool)
        for shift, inside in ((step, np.r_[same, edge]), (-step, np.r_[edge, same])):
            taken = np.flatnonzero(inside[place])
            near = place[taken] + shift
            keys.append(row[taken] + near)
            values.append(tf[taken] * leaning[near])
    flat = np.bincount(np.concatenate(keys), np.concatenate(values)).astype(np.float64, copy=False)
    kept = np.flatnonzero(flat).astype(np.int64, copy=False)
    return kept // size, kept % size, flat[kept]


def meaning(things: Things, cosine: Floats, leaning: Floats) -> Floats:
    """Return the cosine of each thing and of its best neighbour, as one mean.

    The neighbour's share is smaller the longer the thing is. What has no vector yet has no meaning.
    """
    own = np.nan_to_num(cosine, nan=0.0)
    share = NEIGHBOUR * leaning
    return (1 - share) * own + share * best_beside(own, things.session)


def around(values: Floats, session: Ints) -> Floats:
    """Return for each place the sum of the values up to `REACH` places away in its session."""
    total = np.zeros(len(values))
    for step in range(1, REACH + 1):
        same = (session[step:] == session[:-step]) & (session[step:] >= 0)
        total[step:] += same * values[:-step]
        total[:-step] += same * values[step:]
    return total


def best_beside(values: Floats, session: Ints) -> Floats:
    """Return the larger value of both direct neighbours; without any, a place's own."""
    best = np.full(len(values), -np.inf)
    same = (session[1:] == session[:-1]) & (session[1:] >= 0)
    best[1:][same] = values[:-1][same]
    best[:-1][same] = np.maximum(best[:-1][same], values[1:][same])
    return np.where(np.isneginf(best), values, best)


def _best(score: Floats, k: int) -> Ints:
    k = min(k, len(score))
    if k == 0:
        return np.zeros(0, dtype=np.int64)
    edge = np.partition(score, len(score) - k)[len(score) - k]
    kept = np.flatnonzero(score >= edge)  # all ties at the edge, so that the order is defined
    order = np.lexsort((kept, -score[kept]))[:k]
    return kept[order].astype(np.int64)
