"""Learning by a model, where one is able: believed as far as the message bears it out."""

import json
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from apps.core import scope
from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef
from apps.memory import services
from apps.memory.contracts import Said
from apps.memory.models import Memory
from apps.providers import registry
from apps.providers.contracts import (
    Finished,
    FinishReason,
    ModelInfo,
    ModelRequest,
    ProviderEvent,
    TextDelta,
)
from apps.providers.errors import ProviderRejected
from tests.fixtures.database import World
from tests.fixtures.people import People

SAID = "We have just bought a narrowboat called Dusk and moor it in Bath."
READ = {
    "text": "Owns a narrowboat called Dusk.", "kind": "semantic", "about": "self", "attribute": "",
    "value": "narrowboat", "holds": "now", "since": None, "until": None,
    "quote": "We have just bought a narrowboat called Dusk",
}  # fmt: skip


@dataclass(slots=True)
class Reader:
    """A model that writes what a test wants; None makes it refuse."""

    answer: str | None = None
    able: bool = True
    asked: list[ModelRequest] = field(default_factory=list)

    def models(self) -> tuple[ModelInfo, ...]:
        """Return the one model."""
        return (
            ModelInfo(
                id="reader/small", label="Reader", provider="reader", context_tokens=8_000,
                in_process=False, supports_tools=False, supports_formats=self.able,
            ),
        )  # fmt: skip

    def stream(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
        """Write."""
        return self._written(request)

    async def _written(self, request: ModelRequest) -> AsyncGenerator[ProviderEvent, None]:
        self.asked.append(request)
        if self.answer is None:
            raise ProviderRejected
        yield TextDelta(text=self.answer)
        yield Finished(reason=FinishReason.STOP)


@pytest.fixture
def reader(settings: Any) -> Iterator[Reader]:
    made = Reader()
    settings.DEFAULT_MODEL = "reader/small"
    registry.register(
        registry.Provider(is_free=True, kind="reader", models=made.models, adapter=lambda: made)
    )
    yield made
    registry.unregister("reader")


@pytest.fixture
def ann(
    committed: World, people: People, actor_in: Callable[[UUID, TenantRef], Actor]
) -> Iterator[UUID]:
    actor = actor_in(people.ann, committed.acme)
    with scope.tenant_scope(committed.acme), scope.actor_scope(actor), scope.correlation_scope():
        yield people.ann


def learn(subject: UUID, text: str) -> list[str]:
    said = Said(
        message_id=new_id(), conversation_id=new_id(), speaker="", by_assistant=False, text=text,
        said_at=datetime(2024, 11, 5, tzinfo=UTC),
    )  # fmt: skip
    readings = services.read_said(subject_id=subject, said=[said])
    services.absorb(subject_id=subject, said=[said], readings=readings)
    return list(Memory.objects.order_by("id").values_list("text", flat=True))


def answer(**values: object) -> str:
    return json.dumps({"memories": [READ | values]})


def test_an_able_model_reads_what_no_rule_knows(ann: UUID, reader: Reader) -> None:
    reader.answer = answer()

    assert learn(ann, SAID) == ["Owns a narrowboat called Dusk."]
    (asked,) = reader.asked
    assert SAID in str(asked.messages)
    assert "2024-11-05" in str(asked.messages)
    assert "memories" in asked.response_format


def test_what_a_model_reads_fills_slots_as_rules_do(ann: UUID, reader: Reader) -> None:
    values = {"attribute": "home", "text": "Lives in Bath.", "value": "Bath", "quote": SAID}
    reader.answer = answer(**values)
    learn(ann, SAID)

    reader.answer = None  # the rules go on
    learn(ann, "I moved to Bristol.")

    old = Memory.objects.get(text="Lives in Bath.")
    assert (old.slot, old.status) == ("self.home", "archived")
    assert old.superseded_by == Memory.objects.get(text="Lives in Bristol.")


@pytest.mark.parametrize(
    "written",
    [None, "no JSON", "[]", '{"memories": 3}', '{"memories": [{"text": "Lives in Rome."}]}'],
)
def test_where_the_model_fails_the_rules_read(
    ann: UUID, reader: Reader, written: str | None
) -> None:
    reader.answer = written

    assert learn(ann, "I live in Rome.") == ["Lives in Rome."]
    assert len(reader.asked) == 1


@pytest.mark.parametrize(
    "values",
    [
        {"quote": "I sold it last year"},
        {"text": "The password is hunter2-hunter2."},
    ],
    ids=["nobody said that", "a secret"],
)
def test_a_model_is_not_believed_beyond_the_message(
    ann: UUID, reader: Reader, values: dict[str, str]
) -> None:
    reader.answer = answer(**values)

    assert learn(ann, SAID) == []


@pytest.mark.parametrize("text", ["Where do I live?", "Thanks!", "Write a poem about Rome."])
def test_no_model_is_paid_for_what_states_nothing(ann: UUID, reader: Reader, text: str) -> None:
    assert learn(ann, text) == []
    assert reader.asked == []


def test_a_model_that_cannot_keep_a_format_is_not_asked(ann: UUID, reader: Reader) -> None:
    reader.able = False

    assert learn(ann, "I live in Rome.") == ["Lives in Rome."]
    assert reader.asked == []
