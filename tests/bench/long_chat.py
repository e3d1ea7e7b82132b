"""A long conversation and many memories, and how long assembling a prompt of them takes.

In this process, as a worker does it: recall by words and meaning, counting, choosing, explaining.
The baseline is what nobody can do without: one embedding of the question and one scan of the
vectors, on the same connection, right before.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from apps.conversations.context import assemble_prompt
from apps.conversations.contracts import BranchMessage, ClaimedTurn
from apps.conversations.models.conversations import Conversation
from apps.conversations.models.messages import Message
from apps.conversations.selectors import branch_messages
from apps.core import scope
from apps.core.concurrency import run_async
from apps.core.ids import new_id
from apps.core.scope import TenantRef
from apps.memory.models import Memory
from apps.memory.services.indexing import index_waiting
from apps.providers import gateway
from apps.providers.catalogue import EMBEDDING_MODEL
from apps.providers.contracts import ChatMessage, Flow, ModelInfo, Role
from apps.tenants import services as tenants

TURNS, MEMORIES, DIMENSIONS = 500, 10_000, 384
_WARM_UP, _SAMPLES = 10, 200
_SYLLABLES = ("ba", "ke", "lo", "mi", "nu", "ra", "si", "to", "ve", "za")
_MODEL = ModelInfo(
    id="openai/gpt-4o-mini",
    label="",
    provider="openai",
    context_tokens=128_000,
    in_process=False,
    supports_tools=True,
)
_SYSTEM = ChatMessage(role=Role.SYSTEM, text="You are Karen, a helpful AI assistant.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One prompt: milliseconds, its tokens, and whether a source was missing."""

    bare_ms: float
    reading_ms: float
    assembling_ms: float
    tokens: int
    missing: bool


def sampled() -> list[Sample]:
    """Fill a workspace of its own and measure; every question is a new one."""
    with scope.actor_scope(scope.SYSTEM), scope.correlation_scope():
        tenant = tenants.provision_tenant(name="Bench", slug=f"bench-{new_id().hex[-12:]}")
        with scope.tenant_scope(tenant):
            scene = _Scene(tenant, random.Random(11))
            samples = [scene.sample() for _ in range(_WARM_UP + _SAMPLES)]
    return samples[_WARM_UP:]


class _Scene:
    def __init__(self, tenant: TenantRef, chance: random.Random) -> None:
        self._tenant = tenant
        self._chance = chance
        self._words = ["".join(chance.choices(_SYLLABLES, k=3)) for _ in range(1_000)]
        self._person = new_id()
        self._remember()
        self._conversation, self._leaf = self._talk()
        self._history: tuple[BranchMessage, ...] = ()
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE memory_memory")

    def _text(self, words: int) -> str:
        return " ".join(self._chance.choices(self._words, k=words))

    def _remember(self) -> None:
        # A vector costs milliseconds and a scan does not care what is in it: random ones.
        rows = [
            Memory(
                subject_id=self._person,
                text=self._text(12),
                content_hash=f"{number:064x}",
                embedding=[self._chance.gauss(0, 0.05) for _ in range(DIMENSIONS)],
                embedding_model=EMBEDDING_MODEL,
            )
            for number in range(MEMORIES)
        ]
        Memory.objects.bulk_create(rows, batch_size=500)
        index_waiting()

    def _talk(self) -> tuple[UUID, UUID]:
        conversation = Conversation.objects.create(owner_id=self._person)
        messages: list[Message] = []
        for number in range(2 * TURNS + 1):
            messages.append(
                Message(
                    conversation=conversation,
                    parent=messages[-1] if messages else None,
                    role="assistant" if number % 2 else "user",
                    parts=[{"type": "text", "text": self._text(80 if number % 2 else 25)}],
                )
            )
        Message.objects.bulk_create(messages, batch_size=500)
        return conversation.pk, messages[-1].pk

    def sample(self) -> Sample:
        """Measure one prompt, the baseline right before it."""
        bare_ms = _timed(self._embed_and_scan)
        reading_ms = _timed(self._read)
        claimed = self._claimed(self._text(20))
        started = time.perf_counter()
        prompt = assemble_prompt(claimed, model=_MODEL, system=_SYSTEM, answer_tokens=1024)
        assembling_ms = (time.perf_counter() - started) * 1000
        context = prompt.context or {}
        recalled = [item for item in context["items"] if item["source"] == "memory"]
        short = any("without" in item.get("why", "") for item in recalled)
        return Sample(
            bare_ms=bare_ms,
            reading_ms=reading_ms,
            assembling_ms=assembling_ms,
            tokens=prompt.tokens,
            missing=bool(context["missing"]) or not recalled or short,
        )

    def _embed_and_scan(self) -> None:
        texts = [self._text(20)]
        (embedding,) = run_async(gateway.embed(flow=Flow.EMBED_TEXT, texts=texts))
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id, text FROM memory_memory WHERE subject_id = %s AND status = 'active'"
                " AND embedding_model = %s ORDER BY embedding <=> %s LIMIT 12",
                [self._person, embedding.model, str(list(embedding.vector))],
            )
            cursor.fetchall()

    def _read(self) -> None:
        self._history = branch_messages(leaf_id=self._leaf)

    def _claimed(self, question: str) -> ClaimedTurn:
        *before, last = self._history
        asked = BranchMessage(id=last.id, role=Role.USER, text=question)
        return ClaimedTurn(
            turn_id=new_id(),
            conversation_id=self._conversation,
            answer_id=new_id(),
            attempt=1,
            owner="bench",
            model=_MODEL.id,
            tenant=self._tenant,
            history=(*before, asked),
            requester_id=self._person,
        )


def _timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000
