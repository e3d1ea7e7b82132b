"""The nightly sample of recall, and the figures of its stages."""

from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from apps.accounts.permissions import MEMORY_WRITE
from apps.core import scope
from apps.core.clock import now
from apps.core.scope import Actor, TenantRef
from apps.memory import quality, services, tally
from apps.memory.models import Evidence
from apps.memory.recall import recall
from tests.fixtures.database import World
from tests.fixtures.people import People

ActorIn = Callable[[UUID, TenantRef], Actor]
STAGES = ("look", "words", "meaning", "things", "rank", "texts")


@pytest.fixture
def in_acme(committed: World, people: People, actor_in: ActorIn) -> Iterator[Actor]:
    ann = actor_in(people.ann, committed.acme)
    tally.forget()
    with scope.tenant_scope(committed.acme), scope.actor_scope(ann), scope.correlation_scope():
        yield ann
    tally.forget()


def keep(actor: Actor, text: str, quote: str = "") -> UUID:
    kept = services.remember(actor=actor, permission=MEMORY_WRITE, text=text).memory.id
    if quote:
        Evidence.objects.create(memory_id=kept, quote=quote)
    return kept


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_the_share_that_is_found_by_the_words_it_rests_on_is_published(
    in_acme: Actor, committed: World
) -> None:
    keep(in_acme, "Ann repairs clocks in the evening.", "In the evening I repair clocks, you know.")
    keep(in_acme, "Ann sings in a choir.")
    keep(in_acme, "Ann is afraid of heights.", "Ladders? Without me, thanks.")  # no word in common
    keep(in_acme, "Ann likes figs.", "?!")  # nothing to ask with

    with scope.tenant_scope(None):
        quality.sample_all()

    assert value("kari_memory_recall_quality") == pytest.approx(2 / 3)
    counted = tally.read(now().date())
    assert sum(n for (_hour, name), n in counted.items() if name == tally.SAMPLED) == 3
    assert sum(n for (_hour, name), n in counted.items() if name == tally.FOUND) == 2
    assert not any(name.startswith("recall") for _hour, name in counted), "nobody waited for these"
    with scope.tenant_scope(committed.globex):
        assert tally.read(now().date()) == {}


def test_nothing_is_published_where_there_is_nothing_to_ask(committed: World) -> None:
    with scope.tenant_scope(None), scope.correlation_scope():
        quality.sample_all()
    assert str(REGISTRY.get_sample_value("kari_memory_recall_quality")) == "nan"


def test_every_stage_and_source_of_a_recall_is_measured(in_acme: Actor) -> None:
    def measured() -> dict[str, float]:
        name = "kari_memory_recall_stage_seconds_count"
        return {stage: value(name, stage=stage) for stage in STAGES}

    keep(in_acme, "The tram stops at the old mill.")
    before, results = measured(), value("kari_memory_recall_results_total", source="memory")
    whole = value("kari_memory_recall_seconds_count")
    assert in_acme.id is not None
    assert recall(query="old mill", subject_id=in_acme.id, k=3, within_s=20)
    assert measured() == {stage: count + 1 for stage, count in before.items()}
    assert value("kari_memory_recall_results_total", source="memory") == results + 1
    assert value("kari_memory_recall_seconds_count") == whole + 1
