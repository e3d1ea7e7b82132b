"""Memories through REST: kept once, found, changed, erased, and only by their subject."""

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.test import Client

from apps.accounts.permissions import MEMORY_READ, MEMORY_WRITE
from apps.audit.models import AuditEntry
from apps.core import scope
from apps.core.ids import new_id
from apps.core.scope import Actor
from apps.memory import selectors, services
from apps.memory.contracts import MemoryChange, MemoryKind, RecallFilters
from apps.memory.errors import RecallUnavailable
from apps.memory.models import Memory
from apps.memory.recall import recall
from apps.providers import registry
from tests.app.memory.remembering import say
from tests.fixtures.database import World
from tests.fixtures.people import ActorIn, BrowserOf, People

MEMORIES = "/api/v1/memories"


def post(client: Client, **body: Any) -> Any:
    return client.post(MEMORIES, body, content_type="application/json")


def patch(client: Client, memory: str, **body: Any) -> Any:
    return client.patch(f"{MEMORIES}/{memory}", body, content_type="application/json")


def keep(actor: Actor, *texts: str) -> list[UUID]:
    return [
        services.remember(actor=actor, permission=MEMORY_WRITE, text=text).memory.id
        for text in texts
    ]


def texts_of(actor: Actor, query: str, k: int = 5) -> list[str]:
    assert actor.id is not None
    return [each.text for each in recall(query=query, subject_id=actor.id, k=k, within_s=30)]


def test_what_is_remembered_is_listed_newest_first(browser: Client) -> None:
    first = post(browser, text="I drink  my coffee\nblack").json()
    second = post(browser, text="Ada is my sister", kind="episodic", importance=8).json()

    assert first["text"] == "I drink my coffee black"
    assert (second["kind"], second["importance"], second["status"]) == ("episodic", 8, "active")
    assert [m["id"] for m in browser.get(MEMORIES).json()["results"]] == [second["id"], first["id"]]


def test_the_same_is_remembered_once(browser: Client) -> None:
    first = post(browser, text="I drink tea.")
    again = post(browser, text="i drink  TEA")

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]


def test_pinning_what_is_remembered_already_pins_it(browser: Client) -> None:
    kept = post(browser, text="I drink tea").json()

    assert post(browser, text="I drink tea", pinned=True).json()["pinned"]
    assert browser.get(MEMORIES).json()["results"][0]["id"] == kept["id"]


def test_twenty_at_once_keep_one(committed: World, ann: Actor) -> None:
    def one() -> UUID:
        try:
            with scope.tenant_scope(committed.acme), scope.actor_scope(ann):
                return keep(ann, "I drink tea")[0]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(5) as pool:
        ids = {
            future.result() for future in [pool.submit(copy_context().run, one) for _ in range(20)]
        }

    assert len(ids) == 1


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 2_001, "\x00"])
def test_nothing_and_too_much_are_refused(browser: Client, text: str) -> None:
    answer = post(browser, text=text)

    assert answer.status_code == 400
    assert "text" in answer.json()["error"]["details"]["fields"]


@pytest.mark.parametrize(
    "body", [{"importance": 0}, {"importance": 11}, {"confidence": 1.5}, {"kind": "rumour"}]
)
def test_a_value_out_of_range_is_refused(browser: Client, body: dict[str, Any]) -> None:
    answer = post(browser, text="tea", **body)

    assert answer.status_code == 400
    assert next(iter(body)) in answer.json()["error"]["details"]["fields"]


def test_a_secret_is_refused_with_its_kind_and_kept_nowhere(browser: Client) -> None:
    kept = post(browser, text="tea").json()
    answer = post(browser, text="My card is 4111 1111 1111 1111")
    changed = patch(browser, kept["id"], text="my password is swordfish")

    assert (answer.status_code, changed.status_code) == (422, 422)
    assert answer.json()["error"]["type"] == "memory_holds_secret"
    assert answer.json()["error"]["details"] == {"secret": "card_number"}
    assert [m["text"] for m in browser.get(MEMORIES).json()["results"]] == ["tea"]


def test_changing_nothing_is_no_change(browser: Client) -> None:
    kept = post(browser, text="tea").json()
    audited = AuditEntry.objects.count()

    same = patch(browser, kept["id"], text="tea", importance=5, pinned=False).json()

    assert same == kept
    assert AuditEntry.objects.count() == audited


def test_a_memory_cannot_come_to_say_what_another_one_says(browser: Client) -> None:
    post(browser, text="tea")
    kept = post(browser, text="coffee").json()

    answer = patch(browser, kept["id"], text="Tea")

    assert (answer.status_code, answer.json()["error"]["type"]) == (409, "memory_exists")


def test_an_archived_memory_is_kept_and_not_recalled(browser: Client, in_acme: Actor) -> None:
    kept = post(browser, text="The ship sails at nine").json()

    archived = patch(browser, kept["id"], status="archived").json()

    assert archived["status"] == "archived"
    assert texts_of(in_acme, "When does the ship sail?") == []
    assert post(browser, text="The ship sails at nine").status_code == 201


def test_what_is_forgotten_is_gone(browser: Client, in_acme: Actor) -> None:
    kept = post(browser, text="The ship sails at nine").json()

    assert browser.delete(f"{MEMORIES}/{kept['id']}").status_code == 204
    assert browser.delete(f"{MEMORIES}/{kept['id']}").status_code == 404
    assert not Memory.objects.exists()
    assert texts_of(in_acme, "When does the ship sail?") == []


def test_every_change_is_audited_without_its_text(browser: Client) -> None:
    kept = post(browser, text="The heron sleeps").json()
    patch(browser, kept["id"], pinned=True)
    browser.delete(f"{MEMORIES}/{kept['id']}")

    entries = AuditEntry.objects.filter(target_type="memory").order_by("id")
    assert [entry.action for entry in entries] == [
        "memory.remembered",
        "memory.updated",
        "memory.forgotten",
    ]
    assert "heron" not in str([vars(entry) for entry in entries])


def test_two_tenants_with_equal_ids_remember_different_things(
    committed: World, people: People, browser_of: BrowserOf
) -> None:
    same = new_id()
    for ref in (committed.acme, committed.globex):
        with scope.tenant_scope(ref):
            Memory.objects.create(
                id=same, subject_id=people.bea, text=f"of {ref.slug}", content_hash="0"
            )

    for ref in (committed.acme, committed.globex):
        rows = browser_of(people.bea, ref).get(MEMORIES).json()["results"]
        assert [row["text"] for row in rows] == [f"of {ref.slug}"]
        with scope.tenant_scope(ref):
            found = recall(query="of", subject_id=people.bea, k=5, within_s=30)
            assert all(each.text == f"of {ref.slug}" for each in found)


def test_memories_of_a_colleague_are_not_recalled(
    committed: World, people: People, in_acme: Actor, actor_in: ActorIn
) -> None:
    keep(actor_in(people.bea, committed.acme), "The ship sails at nine")

    assert texts_of(in_acme, "When does the ship sail?") == []


@pytest.mark.parametrize(
    "wrong",
    [{"importance": 11}, {"confidence": 2.0}, {"kind": "rumour"}, {"status": "lost"}],
)
def test_the_database_refuses_what_no_service_writes(
    in_acme: Actor, wrong: dict[str, object]
) -> None:
    assert in_acme.id is not None
    with pytest.raises(IntegrityError), transaction.atomic():
        Memory.objects.create(subject_id=in_acme.id, text="x", content_hash="x", **wrong)


# -- vectors and recall


def test_a_vector_is_computed_once(in_acme: Actor) -> None:
    keep(in_acme, "tea")

    assert services.embed_waiting() == 1
    assert services.embed_waiting() == 0
    assert Memory.objects.get().embedding_model


def test_a_changed_text_gets_a_new_vector(in_acme: Actor) -> None:
    (kept,) = keep(in_acme, "tea")
    services.embed_waiting()
    before = Memory.objects.get().embedding

    services.update_memory(
        actor=in_acme,
        permission=MEMORY_WRITE,
        memory_id=kept,
        change=MemoryChange(text="a sailing ship"),
    )

    assert Memory.objects.get().embedding is None
    assert services.embed_waiting() == 1
    assert Memory.objects.get().embedding != before


_FACTS = (
    "Ada is my sister and lives in Porto",
    "I drink my coffee without milk",
    "The deployment runs every Tuesday at nine",
    "My car is a green Volvo",
    "I am allergic to peanuts",
)


def test_recall_finds_by_words_before_any_vector_was_computed(in_acme: Actor) -> None:
    keep(in_acme, *_FACTS)

    assert in_acme.id is not None
    found = recall(query="When is deployment?", subject_id=in_acme.id, k=3, within_s=30)

    assert found[0].text == _FACTS[2]
    assert "words +0.30" in found[0].why


def test_recall_finds_by_meaning_what_shares_no_word(in_acme: Actor) -> None:
    keep(in_acme, *_FACTS)
    services.embed_waiting()

    assert texts_of(in_acme, "Which vehicle do they own?")[0] == _FACTS[3]
    assert texts_of(in_acme, "Which vehicle do they own?") == texts_of(
        in_acme, "Which vehicle do they own?"
    )


def test_recall_works_without_an_embedding_model(in_acme: Actor) -> None:
    keep(in_acme, *_FACTS)
    services.embed_waiting()
    present = registry.embedder()
    registry.register_embedder(
        registry.Embedder(
            model=present.model,
            dimensions=present.dimensions,
            why_absent=lambda: "taken away by this test",
            adapter=present.adapter,
        )
    )
    try:
        assert in_acme.id is not None
        found = recall(query="my sister Ada", subject_id=in_acme.id, k=3, within_s=30)
    finally:
        registry.register_embedder(present)

    assert found[0].text == _FACTS[0]
    assert "without meaning" in found[0].why


def test_recall_works_without_full_text(in_acme: Actor, committed: World) -> None:
    keep(in_acme, *_FACTS)
    services.embed_waiting()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE memory_posting RENAME TO memory_posting_away")
    try:
        assert in_acme.id is not None
        found = recall(query="my sister Ada", subject_id=in_acme.id, k=3, within_s=30)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE memory_posting_away RENAME TO memory_posting")

    assert found[0].text == _FACTS[0]
    assert "without words" in found[0].why


def test_recall_without_any_signal_says_so(in_acme: Actor) -> None:
    keep(in_acme, *_FACTS)

    assert in_acme.id is not None
    with pytest.raises(RecallUnavailable):
        recall(query="Ada", subject_id=in_acme.id, k=3, within_s=0)


@pytest.mark.parametrize(
    "query", ["", "???", "'; DROP TABLE x --", "a & | ! :* (", "\\", "ö" * 5_000]
)
def test_any_query_is_answered(in_acme: Actor, query: str) -> None:
    keep(in_acme, *_FACTS)

    assert set(texts_of(in_acme, query)) <= set(_FACTS)


def test_pinned_memories_come_in_the_order_of_pinning(in_acme: Actor) -> None:
    first, second = keep(in_acme, "one", "two")
    for memory in (second, first):
        services.update_memory(
            actor=in_acme,
            permission=MEMORY_WRITE,
            memory_id=memory,
            change=MemoryChange(pinned=True, kind=MemoryKind.PROCEDURAL),
        )

    assert in_acme.id is not None
    profile = selectors.read_profile(subject_id=in_acme.id, everything_tokens=0)
    assert [each.text for each in profile.pinned] == ["two", "one"]
    assert selectors.list_memories(actor=in_acme, permission=MEMORY_READ).count() == 2


def test_recall_leaves_out_what_its_filters_say(in_acme: Actor) -> None:
    assert in_acme.id is not None
    keep(in_acme, "I keep bees on the roof")
    here, there = say(in_acme, "The bees swarmed"), say(in_acme, "The bees came back")

    def found(**filters: Any) -> set[str]:
        recalled = recall(
            query="bees", subject_id=in_acme.id or new_id(), k=9, within_s=30,
            filters=RecallFilters(**filters),
        )  # fmt: skip
        return {each.text for each in recalled}

    everything = {"I keep bees on the roof", "The bees swarmed", "The bees came back"}
    assert found() == everything
    assert found(with_memories=False) == everything - {"I keep bees on the roof"}
    assert found(with_said=False) == {"I keep bees on the roof"}
    assert found(except_conversation_id=here[0].conversation_id) == everything - {here[0].text}
    assert found(conversation_id=there[0].conversation_id) == {there[0].text}
