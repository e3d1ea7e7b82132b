"""`make bench-memory DATA=<file>`: how well recall finds the evidence of questions.

The data are conversations of two people over many sessions, with questions and the turns that
answer them, in the schema of LoCoMo (Maharana et al., ACL 2024). Each conversation is taken in
through the product's own write path, each question asked through `recall`. Plain BM25, plain
MiniLM and their rank fusion over the same texts are measured in the same run.
"""

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import django
import numpy as np

CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop"}
DEPTHS = (5, 10, 20)
_K = 60  # reciprocal rank fusion
_ENOUGH = 0.85

Ranking = list[str]  # ids of turns, best first
Ask = Callable[["Question"], Ranking]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One line of a conversation."""

    id: str
    speaker: str
    text: str
    said_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question and the turns that answer it."""

    text: str
    category: int
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One conversation with its questions."""

    id: str
    turns: tuple[Turn, ...]
    questions: tuple[Question, ...]


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(prog="make bench-memory", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--ablate", action="store_true", help="without each ingredient in turn")
    options = parser.parse_args()
    samples = read_samples(options.data)
    sys.stdout.write(f"{options.data.name}: {len(samples)} conversations\n")
    for line in _measured(samples, ablate=options.ablate):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    return 0


def read_samples(path: Path) -> list[Sample]:
    """Return the conversations of a file in LoCoMo's schema; questions need evidence."""
    samples = []
    for raw in json.loads(path.read_text("utf-8")):
        turns = tuple(_turns(raw["conversation"]))
        known = {turn.id for turn in turns}
        questions = tuple(
            Question(
                text=each["question"],
                category=each["category"],
                evidence=tuple(dict.fromkeys(e for e in each["evidence"] if e in known)),
            )
            for each in raw["qa"]
            if each["category"] in CATEGORIES
        )
        samples.append(
            Sample(
                id=str(raw["sample_id"]),
                turns=turns,
                questions=tuple(each for each in questions if each.evidence),
            )
        )
    return samples


def _turns(conversation: Mapping[str, object]) -> list[Turn]:
    turns = []
    number = 1
    while f"session_{number}_date_time" in conversation or f"session_{number}" in conversation:
        began = _moment(str(conversation.get(f"session_{number}_date_time", "")))
        lines = conversation.get(f"session_{number}", [])
        for place, line in enumerate(lines if isinstance(lines, list) else []):
            caption = line.get("blip_caption")
            turns.append(
                Turn(
                    id=line["dia_id"],
                    speaker=line["speaker"],
                    text=line["text"] + (f" [image: {caption}]" if caption else ""),
                    said_at=began + timedelta(seconds=30 * place),
                )
            )
        number += 1
    return turns


def _moment(text: str) -> datetime:
    """Read "1:56 pm on 8 May, 2023"."""
    return datetime.strptime(text.strip(), "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC)


def _measured(samples: Sequence[Sample], *, ablate: bool) -> Iterator[str]:
    os.environ["DJANGO_SETTINGS_MODULE"] = "karen_site.settings.test"
    django.setup()
    # Django is set up only now.
    from apps.admin.preparation import _bootstrap_database, _migrate_public
    from apps.core import scope
    from apps.tenants import services as tenants
    from apps.tenants.template import ensure_template
    from tests.fixtures.database import _create_database

    _create_database()
    with scope.correlation_scope(), scope.actor_scope(scope.SYSTEM):
        _bootstrap_database()
        _migrate_public()
        ensure_template()
        tenant = tenants.provision_tenant(name="Quality", slug="quality")
        with scope.tenant_scope(tenant):
            yield from _lines(samples, ablate=ablate)


def _lines(samples: Sequence[Sample], *, ablate: bool) -> Iterator[str]:
    scores: dict[str, list[tuple[int, list[float]]]] = {}
    spent: list[float] = []
    answered: list[tuple[Sample, Question, Ranking]] = []
    for sample in samples:
        recall = _product(sample, spent)
        ways = _baselines(sample) | {"recall": recall}
        if ablate:
            ways |= {f"- {name}": _without(constants, recall) for name, constants in _PARTS.items()}
        for name, ask in ways.items():
            for question in sample.questions:
                ranking = ask(question)
                score = scored(ranking, question.evidence)
                scores.setdefault(name, []).append((question.category, score))
                if name == "recall":
                    answered.append((sample, question, ranking))
        yield f"{sample.id}: {len(sample.turns)} turns, {len(sample.questions)} questions"
    yield ""
    heads = [f"R@{depth}" for depth in DEPTHS] + ["MRR"]
    yield f"{'':<22}{'n':>5}" + "".join(f"{head:>8}" for head in heads)
    for name, found in scores.items():
        yield _line(name, [score for _category, score in found])
        for category, label in CATEGORIES.items():
            part = [score for each, score in found if each == category]
            if part and name == "recall":
                yield _line(f"  {label}", part)
    yield ""
    yield _context(answered)
    spent.sort()
    p50, p95 = (spent[int(len(spent) * share)] * 1000 for share in (0.5, 0.95))
    yield f"recall took {p50:.1f} ms (p50), {p95:.1f} ms (p95) with the query's embedding"


def _context(answered: Sequence[tuple[Sample, Question, Ranking]]) -> str:
    """Say how much a prompt must take to hold `_ENOUGH` of the evidence."""
    from apps.providers.domain.estimates import estimated_tokens

    def tokens(turns: Iterable[Turn]) -> int:
        return sum(estimated_tokens(len(turn.text.encode())) for turn in turns)

    for k in range(1, max(DEPTHS) + 1):
        shares = [
            len(set(found[:k]) & set(question.evidence)) / len(question.evidence)
            for _sample, question, found in answered
        ]
        if math.fsum(shares) / len(shares) >= _ENOUGH:
            break
    else:
        return f"{max(DEPTHS)} results hold less than {_ENOUGH} of the evidence"
    given = whole = 0
    for sample, _question, found in answered:
        chosen = set(found[:k])
        given += tokens(turn for turn in sample.turns if turn.id in chosen)
        whole += tokens(sample.turns)
    return (
        f"{_ENOUGH} of the evidence is in {k} results: {given / len(answered):.0f} tokens (mean),"
        f" {given / whole:.3f} of the whole conversation"
    )


def _line(name: str, scores: Sequence[Sequence[float]]) -> str:
    means = [math.fsum(column) / len(scores) for column in zip(*scores, strict=True)]
    return f"{name:<22}{len(scores):>5}" + "".join(f"{mean:>8.3f}" for mean in means)


def scored(ranking: Sequence[str], evidence: Sequence[str]) -> list[float]:
    """Return evidence recall at each depth, and the reciprocal rank of the first evidence."""
    distinct = list(dict.fromkeys(ranking))
    wanted = set(evidence)
    recalls = [len(wanted & set(distinct[:depth])) / len(wanted) for depth in DEPTHS]
    first = next((rank for rank, each in enumerate(distinct, 1) if each in wanted), None)
    return [*recalls, 1 / first if first else 0.0]


def _product(sample: Sample, spent: list[float]) -> Ask:
    """Take a conversation in as the product does; return how it is asked."""
    from apps.core.ids import new_id
    from apps.memory import recall as memory, services
    from apps.memory.contracts import Said

    subject, conversation = new_id(), new_id()
    ids = {new_id(): turn for turn in sample.turns}
    said = [
        Said(
            message_id=key,
            conversation_id=conversation,
            speaker=turn.speaker,
            by_assistant=False,
            text=turn.text,
            said_at=turn.said_at,
        )
        for key, turn in ids.items()
    ]
    for start in range(0, len(said), 20):
        services.take_in(subject_id=subject, said=said[start : start + 20])
    services.embed_waiting()
    last = max(turn.said_at for turn in sample.turns)

    def ask(question: Question) -> Ranking:
        started = time.perf_counter()
        found = memory.recall(
            query=question.text, subject_id=subject, k=max(DEPTHS), within_s=30, at=last
        )
        spent.append(time.perf_counter() - started)
        return [ids[source].id for each in found for source in each.source_message_ids]

    return ask


# What an ingredient is switched off by: constants of the ranking.
_PARTS = {
    "words": {"WORDS": 0.0},
    "meaning": {"MEANING": 0.0},
    "neighbours": {"LEAN": 1e-9},
    "neighbours' meaning": {"NEIGHBOUR": 0.0},
    "speaker": {"SPEAKER": 0.0},
    "date": {"DATE": 0.0},
    "when": {"WHEN": 0.0},
    "length": {"LENGTH": 0.0},
    "question": {"QUESTION": 0.0},
    "recency": {"RECENCY": 0.0},
}


def _without(constants: Mapping[str, float], recall: Ask) -> Ask:
    from apps.memory.domain import ranking

    def ask(question: Question) -> Ranking:
        before = {name: getattr(ranking, name) for name in constants}
        for name, value in constants.items():
            setattr(ranking, name, value)
        try:
            return recall(question)
        finally:
            for name, value in before.items():
                setattr(ranking, name, value)

    return ask


# -- the plain ways


def _baselines(sample: Sample) -> dict[str, Ask]:
    texts = [f"{turn.speaker}: {turn.text}" for turn in sample.turns]
    names = [turn.id for turn in sample.turns]
    bags = _lexemes(texts)
    lengths = np.array([sum(bag.values()) for bag in bags], dtype=np.float64)
    vectors = _vectors(texts)

    def bm25(question: Question) -> Ranking:
        (wanted,) = _lexemes([question.text])
        score = np.zeros(len(texts))
        norm = 1.2 * (0.25 + 0.75 * lengths / lengths.mean())
        for lexeme in wanted:
            frequency = np.array([bag.get(lexeme, 0) for bag in bags], dtype=np.float64)
            holding = np.count_nonzero(frequency)
            rarity = math.log1p((len(texts) - holding + 0.5) / (holding + 0.5))
            score += rarity * frequency * 2.2 / (frequency + norm)
        return [names[at] for at in np.argsort(-score, kind="stable")[:50]]

    def minilm(question: Question) -> Ranking:
        cosine = vectors @ _vectors([question.text])[0]
        return [names[at] for at in np.argsort(-cosine, kind="stable")[:50]]

    def fused(question: Question) -> Ranking:
        score: dict[str, float] = {}
        for ranking in (bm25(question), minilm(question)):
            for rank, each in enumerate(ranking, 1):
                score[each] = score.get(each, 0) + 1 / (_K + rank)
        return sorted(score, key=lambda each: (-score[each], each))

    return {"BM25": bm25, "MiniLM": minilm, "rank fusion": fused}


def _lexemes(texts: Sequence[str]) -> list[dict[str, int]]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT jsonb_object_agg(lexeme, cardinality(positions))"
            " FROM unnest(to_tsvector('english', text)))"
            " FROM unnest(%s::text[]) WITH ORDINALITY AS given(text, number) ORDER BY number",
            [list(texts)],
        )
        return [json.loads(found) if found else {} for (found,) in cursor.fetchall()]


def _vectors(texts: Sequence[str]) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    from apps.core.concurrency import run_async
    from apps.providers import gateway
    from apps.providers.contracts import Flow

    found = run_async(gateway.embed(flow=Flow.EMBED_TEXT, texts=list(texts)))
    return np.array([each.vector for each in found])


if __name__ == "__main__":
    sys.exit(main())
