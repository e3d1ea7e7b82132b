"""People see, search, understand and take with them what is remembered about them."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib import admin
from django.db import transaction
from django.test import Client

from apps.accounts.models.roles import Role
from apps.accounts.permissions import MEMORY_AUDIT, OWNER
from apps.audit.models import AuditEntry
from apps.core.clock import now
from apps.core.scope import Actor
from apps.memory.contracts import EntityKind, MemoryKind, MemoryStatus
from tests.app.memory.remembering import (
    as_person,
    changed_on,
    edit,
    learnt_on,
    name_in,
    noon,
    rest_on,
    say,
    supersede,
    told,
)
from tests.fixtures.database import World
from tests.fixtures.people import ActorIn, BrowserOf, People

MEMORIES = "/api/v1/memories"


def texts(client: Client, **asked: str) -> list[str]:
    answer = client.get(MEMORIES, asked)
    assert answer.status_code == 200, answer.content
    return [row["text"] for row in answer.json()["results"]]


def body_of(answer: Any) -> str:
    async def whole() -> bytes:
        return b"".join([piece async for piece in answer.streaming_content])

    return async_to_sync(whole)().decode()


# -- filters


def test_the_list_can_be_narrowed_down(browser: Client, in_acme: Actor) -> None:
    tea = told(in_acme, "I drink green tea", pinned=True)
    trip = told(in_acme, "Ada and I sailed to Porto", kind=MemoryKind.EPISODIC)
    old = told(in_acme, "The shop opens at nine")
    edit(in_acme, old, status=MemoryStatus.ARCHIVED)
    name_in(trip, "Ada")
    learnt_on(tea, "2026-01-05")

    assert texts(browser, kind="episodic") == [trip.text]
    assert texts(browser, kind="episodic,semantic", status="active") == [trip.text, tea.text]
    assert texts(browser, status="archived") == [old.text]
    assert texts(browser, pinned="true") == [tea.text]
    assert texts(browser, q="drinking teas") == [tea.text]
    assert texts(browser, entity="ADA") == [trip.text]
    assert texts(browser, until="2026-01-05") == [tea.text]
    assert texts(browser, since="2026-01-06", until="2026-01-07") == []
    assert texts(browser, namespace="long_term", q="nothing like it") == []


@pytest.mark.parametrize(
    "asked", [{"kind": "rumour"}, {"status": "lost"}, {"as_of": "March"}, {"since": "2027-13-01"}]
)
def test_a_filter_that_makes_no_sense_is_refused_by_its_name(
    browser: Client, asked: dict[str, str]
) -> None:
    answer = browser.get(MEMORIES, asked)

    assert answer.status_code == 400
    assert next(iter(asked)) in answer.json()["error"]["details"]["fields"]


def test_what_was_replaced_is_shown_only_to_who_asks_for_it(
    browser: Client, in_acme: Actor
) -> None:
    rome, berlin = told(in_acme, "I live in Rome"), told(in_acme, "I live in Berlin")
    with transaction.atomic():
        supersede(rome, berlin, at=noon("2026-03-10"))

    assert texts(browser) == ["I live in Berlin"]
    rows = browser.get(MEMORIES, {"superseded": "true"}).json()["results"]
    assert [(row["text"], row["superseded_by"]) for row in rows] == [
        ("I live in Berlin", None),
        ("I live in Rome", str(berlin.pk)),
    ]
    assert rows[1]["valid_to"].startswith("2026-03-10")


# -- what was believed then


def test_as_of_shows_what_was_believed_then_in_the_words_of_then(
    browser: Client, in_acme: Actor
) -> None:
    rome = told(in_acme, "I live in Rome")
    learnt_on(rome, "2026-01-10")
    dog = told(in_acme, "My dog is called Rex", importance=3)
    learnt_on(dog, "2026-02-01")
    edit(in_acme, dog, text="My dog is called Max", importance=8)
    changed_on(dog, "2026-06-01")
    berlin = told(in_acme, "I live in Berlin")
    learnt_on(berlin, "2026-03-10")
    with transaction.atomic():
        supersede(rome, berlin, at=noon("2026-03-10"))

    def believed(day: str) -> list[tuple[str, int]]:
        rows = browser.get(MEMORIES, {"as_of": day}).json()["results"]
        return sorted((row["text"], row["importance"]) for row in rows)

    assert believed("2026-01-09") == []
    assert believed("2026-02-15") == [("I live in Rome", 5), ("My dog is called Rex", 3)]
    assert believed("2026-03-31") == [("I live in Berlin", 5), ("My dog is called Rex", 3)]
    assert believed("2026-06-30") == [("I live in Berlin", 5), ("My dog is called Max", 8)]
    [row] = browser.get(MEMORIES, {"as_of": "2026-01-31"}).json()["results"]
    assert (row["status"], row["superseded_by"], row["valid_to"]) == ("active", None, None)


def test_as_of_knows_what_was_put_aside_and_taken_back_since(
    browser: Client, in_acme: Actor
) -> None:
    ship = told(in_acme, "The ship sails at nine")
    learnt_on(ship, "2026-01-01")
    edit(in_acme, ship, status=MemoryStatus.ARCHIVED)
    changed_on(ship, "2026-02-01")
    edit(in_acme, ship, status=MemoryStatus.ACTIVE)

    assert texts(browser, as_of="2026-01-15") == [ship.text]
    assert texts(browser, as_of="2026-02-15") == []
    assert texts(browser, as_of=(now() + timedelta(days=1)).date().isoformat()) == [ship.text]


# -- search


def test_search_gives_score_signals_reason_and_source(browser: Client, in_acme: Actor) -> None:
    told(in_acme, "I am allergic to peanuts")
    [said] = say(in_acme, "Peanuts make me ill, so no peanuts please")

    found = browser.post(
        f"{MEMORIES}/search", {"query": "peanuts", "limit": 5}, content_type="application/json"
    ).json()["results"]

    by_kind = {each["kind"]: each for each in found}
    assert set(by_kind) == {"memory", "said"}
    assert by_kind["said"]["conversation_id"] == str(said.conversation_id)
    assert by_kind["said"]["source_message_ids"] == [str(said.message_id)]
    first = found[0]
    assert first["score"] > 0
    assert any(each["signal"] == "words" and each["share"] > 0 for each in first["signals"])
    assert "the words it shares with your question" in first["reason"]


def test_search_keeps_to_its_filters(browser: Client, in_acme: Actor) -> None:
    told(in_acme, "Peanuts are in the satay", kind=MemoryKind.PROCEDURAL)
    told(in_acme, "I am allergic to peanuts")
    say(in_acme, "Peanuts again")

    found = browser.post(
        f"{MEMORIES}/search",
        {"query": "peanuts", "kinds": ["procedural"], "with_said": False},
        content_type="application/json",
    ).json()["results"]

    assert [each["text"] for each in found] == ["Peanuts are in the satay"]


def test_a_search_for_nothing_is_refused(browser: Client) -> None:
    answer = browser.post(
        f"{MEMORIES}/search", {"query": " ", "limit": 51}, content_type="application/json"
    )

    assert answer.status_code == 400
    assert set(answer.json()["error"]["details"]["fields"]) == {"query", "limit"}


# -- why, and what was before


def test_why_quotes_what_a_memory_rests_on_and_names_the_place(
    browser: Client, in_acme: Actor
) -> None:
    [said] = say(in_acme, "We moved to Berlin last week")
    berlin = told(in_acme, "Ann lives in Berlin")
    rest_on(berlin, said)

    why = browser.get(f"{MEMORIES}/{berlin.pk}/why").json()

    assert why["learnt_at"] == why["memory"]["created_at"]
    [quote] = why["evidence"]
    assert quote["quote"] == said.text
    assert (quote["message_id"], quote["conversation_id"]) == (
        str(said.message_id),
        str(said.conversation_id),
    )


def test_history_tells_versions_and_both_neighbours(browser: Client, in_acme: Actor) -> None:
    rome = told(in_acme, "I live in Room")
    edit(in_acme, rome, text="I live in Rome")
    rome.refresh_from_db()
    berlin = told(in_acme, "I live in Berlin")
    with transaction.atomic():
        supersede(rome, berlin, at=now())

    of_rome = browser.get(f"{MEMORIES}/{rome.pk}/history").json()
    assert [version["number"] for version in of_rome["versions"]] == [2, 1]
    assert of_rome["versions"][1]["before"]["text"] == "I live in Room"
    assert of_rome["versions"][1]["by"] == "Ann"
    assert of_rome["superseded_by"]["text"] == "I live in Berlin"
    of_berlin = browser.get(f"{MEMORIES}/{berlin.pk}/history").json()
    assert [old["text"] for old in of_berlin["supersedes"]] == ["I live in Rome"]
    assert browser.get(f"{MEMORIES}/{rome.pk}").json()["status"] == "archived"


# -- names


def test_names_are_counted_and_joined_by_the_memories_they_share(
    browser: Client, in_acme: Actor
) -> None:
    for text in ("Ada lives in Porto", "Ada studied in Porto"):
        memory = told(in_acme, text)
        name_in(memory, "Ada")
        name_in(memory, "Porto", kind=EntityKind.PLACE)
    name_in(told(in_acme, "Bob likes chess"), "Bob")
    gone = told(in_acme, "Carl left")
    name_in(gone, "Carl")
    edit(in_acme, gone, status=MemoryStatus.ARCHIVED)

    names = browser.get(f"{MEMORIES}/entities").json()["results"]
    assert [(each["name"], each["memories"]) for each in names] == [
        ("Ada", 2), ("Porto", 2), ("Bob", 1),
    ]  # fmt: skip
    places = browser.get(f"{MEMORIES}/entities", {"kind": "place"}).json()["results"]
    assert [each["name"] for each in places] == ["Porto"]
    graph = browser.get(f"{MEMORIES}/graph").json()
    known = {each["id"]: each["name"] for each in graph["entities"]}
    assert [
        ({known[link["source"]], known[link["target"]]}, link["memories"])
        for link in graph["links"]
    ] == [({"Ada", "Porto"}, 2)]
    beside = browser.get(f"{MEMORIES}/graph", {"entity": "ada"}).json()
    assert {each["name"] for each in beside["entities"]} == {"Ada", "Porto"}


# -- taking everything along


def make_everything(actor: Actor) -> None:
    [said] = say(actor, "We moved to Berlin last week")
    rome, berlin = told(actor, "I live in Rome"), told(actor, "I live in Berlin ünd Köln")
    rest_on(berlin, said)
    name_in(berlin, "Berlin", kind=EntityKind.PLACE)
    edit(actor, berlin, importance=9)
    with transaction.atomic():
        supersede(rome, berlin, at=now())


def test_the_export_is_whole_in_lines(browser: Client, in_acme: Actor) -> None:
    make_everything(in_acme)

    answer = browser.get(f"{MEMORIES}/export", {"said": "true"})
    head, *records = [json.loads(line) for line in body_of(answer).splitlines()]

    assert (head["type"], head["version"]) == ("karen.memories", 1)
    assert ".jsonl" in answer["Content-Disposition"]
    rome, berlin, said = records
    assert (rome["text"], rome["superseded_by"]) == ("I live in Rome", berlin["id"])
    assert rome["valid_to"]
    assert berlin["text"] == "I live in Berlin ünd Köln"
    assert berlin["evidence"][0]["quote"] == "We moved to Berlin last week"
    assert berlin["versions"][0]["before"]["importance"] == 5
    assert berlin["mentions"] == [{"name": "Berlin", "kind": "place"}]
    assert (said["type"], said["text"]) == ("said", "We moved to Berlin last week")


def test_the_export_is_one_json_object_if_wanted(browser: Client, in_acme: Actor) -> None:
    def whole(**asked: str) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(
            body_of(browser.get(f"{MEMORIES}/export", {"format": "json", **asked}))
        )
        return loaded

    assert (whole()["memories"], whole(said="true")["said"]) == ([], [])
    say(in_acme, "only words")
    assert len(whole(said="true")["said"]) == 1
    make_everything(in_acme)
    assert len(whole()["memories"]) == 2
    assert whole()["said"] == []


def test_an_export_longer_than_a_page_misses_and_doubles_nothing(
    browser: Client, in_acme: Actor
) -> None:
    say(in_acme, *(f"line number {number}" for number in range(405)))

    lines = body_of(browser.get(f"{MEMORIES}/export", {"said": "true"})).splitlines()[1:]

    assert len({json.loads(line)["id"] for line in lines}) == len(lines) == 405


# -- nobody else


def test_nothing_of_this_shows_what_is_somebody_elses(
    committed: World, people: People, in_acme: Actor, browser_of: BrowserOf
) -> None:
    memory = told(in_acme, "The heron sleeps")
    name_in(memory, "Heron")
    say(in_acme, "A heron")

    for client in (
        browser_of(people.bea, committed.acme),
        browser_of(people.bea, committed.globex),
        browser_of(people.gus, committed.globex),
    ):
        for path in ("", "/why", "/history"):
            assert client.get(f"{MEMORIES}/{memory.pk}{path}").status_code == 404
        assert texts(client, q="heron", superseded="true") == []
        assert texts(client, as_of="2030-01-01") == []
        found = client.post(
            f"{MEMORIES}/search", {"query": "heron"}, content_type="application/json"
        )
        assert found.json()["results"] == []
        assert client.get(f"{MEMORIES}/entities").json()["results"] == []
        assert client.get(f"{MEMORIES}/graph").json() == {"entities": [], "links": []}
        assert "heron" not in body_of(client.get(f"{MEMORIES}/export", {"said": "true"})).lower()


# -- looking with a reason


@pytest.fixture
def auditing_owners(committed: World) -> Iterator[None]:
    owners = Role.objects.filter(code=OWNER, tenant=None)
    [before] = owners.values_list("permissions", flat=True)
    owners.update(permissions=[*before, MEMORY_AUDIT])
    yield
    owners.update(permissions=before)


def test_no_built_in_role_may_look_at_the_memories_of_others(
    committed: World, people: People, browser: Client
) -> None:
    answer = browser.get(
        f"/api/v1/people/{people.bea}/memories", {"reason": "I am the owner, after all"}
    )

    assert answer.status_code == 403
    assert MEMORY_AUDIT not in {
        code for codes in Role.objects.values_list("permissions", flat=True) for code in codes
    }


@pytest.mark.usefixtures("auditing_owners")
def test_a_look_at_the_memories_of_others_is_written_down_with_its_reason(
    committed: World, people: People, browser: Client, actor_in: ActorIn
) -> None:
    bea = actor_in(people.bea, committed.acme)
    with as_person(bea, committed.acme):
        told(bea, "The heron sleeps")
    address = f"/api/v1/people/{people.bea}/memories"

    for reason in ("", "because", "x" * 501):
        refused = browser.get(address, {"reason": reason})
        assert refused.status_code == 400
        assert "reason" in refused.json()["error"]["details"]["fields"]
    assert not AuditEntry.objects.filter(action="memory.looked_at").exists()

    seen = browser.get(address, {"reason": "Bea asked support to check a wrong memory"})

    assert [row["text"] for row in seen.json()["results"]] == ["The heron sleeps"]
    entry = AuditEntry.objects.get(action="memory.looked_at")
    assert (entry.actor_id, entry.target_id) == (people.ann, str(people.bea))
    assert entry.data == {"reason": "Bea asked support to check a wrong memory"}
    assert "heron" not in str(vars(entry))


@pytest.mark.usefixtures("auditing_owners")
def test_nobody_looks_into_another_workspace(
    committed: World, people: People, browser: Client, actor_in: ActorIn
) -> None:
    bea = actor_in(people.bea, committed.globex)
    with as_person(bea, committed.globex):
        told(bea, "The heron sleeps in globex")

    seen = browser.get(f"/api/v1/people/{people.bea}/memories", {"reason": "Bea asked us to look"})
    assert seen.json()["results"] == []
    stranger = browser.get(
        f"/api/v1/people/{people.gus}/memories", {"reason": "Who is this, please"}
    )
    assert stranger.status_code == 404


def test_the_operators_console_has_no_table_of_texts() -> None:
    shown = {model._meta.label for model in admin.site._registry}

    assert "audit.AuditEntry" in shown
    assert not {label for label in shown if label.startswith("memory.")}
