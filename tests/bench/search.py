"""Suite `search`: what finding something among 100,000 messages costs.

One person owns them all, which is the hardest case: nothing is left out by who may see what. Texts
are made of an invented vocabulary whose words are as unevenly frequent as real ones (Zipf). Vectors
are random and as many as are ever compared: what they mean does not change what comparing costs.

Karen's side is one call of the service: parsing, the query's own vector by the real model, all
statements, snippets. The baseline sends the same statements over a bare psycopg connection and
reads their rows.
"""

import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import django
import psycopg

from tests.bench.processes import karen_environment, prepare
from tests.bench.rows import BenchError, Budget, Figure, Row, p95

MESSAGES, PER_CONVERSATION = 100_000, 20
_WORDS, _WORDS_PER_MESSAGE = 30_000, (8, 120)
_ROUNDS, _WARM_UP = 9, 2

SEARCH = Figure(
    name="search_p95_ms",
    unit="ms",
    baseline="the same SQL by psycopg",
    budget=Budget(at_most=60, ratio_at_most=3),
)
SEARCH_TYPO = Figure(
    name="search_typo_p95_ms",
    unit="ms",
    baseline="a search without typo",
    budget=Budget(at_most=90),
)
SEARCH_NEWEST = Figure(
    name="search_newest_p95_ms",
    unit="ms",
    baseline="a search with words",
    budget=Budget(at_most=60),
)
FIGURES = (SEARCH, SEARCH_TYPO, SEARCH_NEWEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Vocabulary:
    """Words, most frequent first, and how to draw from them."""

    words: Sequence[str]
    weights: Sequence[float]

    def text(self, chance: random.Random) -> str:
        """Return an invented message."""
        count = chance.randint(*_WORDS_PER_MESSAGE)
        return " ".join(chance.choices(self.words, cum_weights=self.weights, k=count))

    def queries(self, chance: random.Random) -> list[str]:
        """Return what people might type: one to three words, rare and frequent, some unfinished."""
        found = []
        for number in range(40):
            low = (20, 200, 2_000, 8_000)[number % 4]
            picked = [self.words[chance.randint(low, low * 3)] for _ in range(1 + number % 3)]
            found.append(" ".join(picked) + ("" if number % 2 else " "))
        return found


def _vocabulary() -> _Vocabulary:
    chance = random.Random(7)
    syllables = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er")]
    words: dict[str, None] = {}
    while len(words) < _WORDS:
        words["".join(chance.choices(syllables, k=chance.randint(2, 4)))] = None
    total, weights = 0.0, []
    for rank in range(1, _WORDS + 1):
        total += 1 / rank
        weights.append(total)
    return _Vocabulary(words=list(words), weights=weights)


def measure(folder: Path) -> list[Row]:
    """Return the suite's rows."""
    environment = karen_environment(folder / "search")
    prepare(environment)
    os.environ["DJANGO_SETTINGS_MODULE"] = environment["DJANGO_SETTINGS_MODULE"]
    django.setup()
    from apps.core import scope  # needs the apps, as do the imports below
    from apps.tenants import services as tenants

    vocabulary = _vocabulary()
    with scope.correlation_scope(), scope.actor_scope(scope.SYSTEM):
        ref = tenants.provision_tenant(name="Search bench", slug=f"search-{os.getpid()}")
        with scope.tenant_scope(ref):
            owner = ref.id  # any id will do: nobody signs in
            _fill(vocabulary, owner)
            return _rows(vocabulary, owner, ref.schema)


def _fill(vocabulary: _Vocabulary, owner_id: UUID) -> None:
    from django.db import connection

    from apps.conversations.models.conversations import Conversation
    from apps.conversations.models.messages import Message
    from apps.conversations.search import indexing
    from apps.core.clock import now
    from apps.core.ids import new_id

    chance = random.Random(11)
    started = now() - timedelta(days=900)
    for number in range(MESSAGES // PER_CONVERSATION):
        at = started + timedelta(hours=4 * number)
        conversation = Conversation.objects.create(
            owner_id=owner_id, title=vocabulary.text(chance)[:60], created_at=at, updated_at=at
        )
        Message.objects.bulk_create(
            Message(
                id=new_id(),
                conversation=conversation,
                role="assistant" if place % 2 else "user",
                parts=[{"type": "text", "text": vocabulary.text(chance)}],
                created_at=at + timedelta(minutes=place),
            )
            for place in range(PER_CONVERSATION)
        )
        indexing.index_conversation(conversation_id=conversation.pk, again=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO conversations_messagevector"
            " (entry_id, conversation_id, created_at, model, embedding)"
            " SELECT i.id, i.conversation_id, i.created_at, %s,"
            " l2_normalize((SELECT array_agg(random() - 0.5)"
            " FROM generate_series(1, 384) WHERE i.id IS NOT NULL)::vector)::halfvec"
            " FROM conversations_messageindex i WHERE i.message_id IS NOT NULL",
            [_embedding_model()],
        )
        for table in ("message", "conversation", "messageindex", "messagevector", "searchword"):
            cursor.execute(f"VACUUM ANALYZE conversations_{table}")


def _embedding_model() -> str:
    from apps.providers import registry

    return registry.embedder().model


def _rows(vocabulary: _Vocabulary, owner_id: UUID, schema: str) -> list[Row]:
    from apps.conversations.permissions import CHAT
    from apps.conversations.search.contracts import SearchQuery
    from apps.conversations.search.service import find_messages
    from apps.core.scope import Actor

    actor = Actor(id=owner_id, label="bench", permissions=frozenset({CHAT}))
    queries = vocabulary.queries(random.Random(3))

    def ask(text: str) -> None:
        page = find_messages(actor, SearchQuery(text=text))
        if page.missing:
            raise BenchError(f"a part of search did not answer: {page.missing}")

    typos = [query[:2] + query[3:] for query in queries if len(query.split()[0]) > 5]
    with psycopg.connect(os.environ["DATABASE_URL"], cursor_factory=psycopg.ClientCursor) as bare:
        bare.execute(f'SET search_path TO "{schema}", public')
        statements = {query: _statements(actor, query) for query in queries}

        def send(text: str) -> None:
            for sql, params in statements[text]:
                bare.execute(sql, params).fetchall()

        karen, raw = _interleaved(queries, ask, send)
    typo, newest = _interleaved(typos, ask, lambda _text: ask(""))
    return [
        SEARCH.row(
            p95(karen),
            n=len(karen),
            baseline_value=p95(raw),
            note=f"p50 {statistics.median(karen):.1f} ms, bare {statistics.median(raw):.1f} ms;"
            f" {MESSAGES} messages of one person, service layer, query vector included",
        ),
        SEARCH_TYPO.row(p95(typo), n=len(typo), baseline_value=p95(karen)),
        SEARCH_NEWEST.row(p95(newest), n=len(newest), baseline_value=p95(karen)),
    ]


def _interleaved(
    queries: Sequence[str], left: Callable[[str], None], right: Callable[[str], None]
) -> tuple[list[float], list[float]]:
    """Return milliseconds of both sides, round by round, without the warm-up rounds."""
    samples: tuple[list[float], list[float]] = ([], [])
    for number in range(_WARM_UP + _ROUNDS):
        for query in queries:
            for side, ask in enumerate((left, right)):
                started = time.perf_counter()
                ask(query)
                if number >= _WARM_UP:
                    samples[side].append((time.perf_counter() - started) * 1000)
    return samples


def _statements(actor: Any, text: str) -> list[tuple[str, list[Any]]]:
    """Return the statements that a search sends, with their parameters as psycopg takes them."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from apps.conversations.search.contracts import SearchQuery
    from apps.conversations.search.service import find_messages

    with CaptureQueriesContext(connection) as captured:
        find_messages(actor, SearchQuery(text=text))
    texts = [query["sql"].replace("%", "%%") for query in captured.captured_queries]
    return [(sql, []) for sql in texts if sql.startswith("SELECT")]
