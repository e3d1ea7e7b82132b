"""What Karen or a person changed in memories is seen, explained and taken back through REST."""

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any
from uuid import UUID

import pytest
from django.db import connections, transaction
from django.test import Client

from apps.accounts.permissions import MEMORY_READ
from apps.audit.models import AuditEntry
from apps.core.ids import new_id
from apps.core.scope import Actor
from apps.memory import services
from apps.memory.contracts import ChangesetKind, MemoryStatus, Retirement
from apps.memory.models import Changeset, Memory
from tests.app.memory.life import picture
from tests.app.memory.remembering import (
    counts_of,
    edit,
    name_in,
    noon,
    rest_on,
    say,
    supersede,
    told,
)
from tests.fixtures.database import World
from tests.fixtures.live import NewKey
from tests.fixtures.people import BrowserOf, People

MEMORIES = "/api/v1/memories"
CHANGES = f"{MEMORIES}/changes"


def post(client: Client, path: str, **body: object) -> Any:
    return client.post(f"{MEMORIES}/{path}", body, content_type="application/json")


def merge(client: Client, into: UUID, *sources: UUID) -> Any:
    return post(client, "merge", into=str(into), source_ids=[str(each) for each in sources])


def faded(actor: Actor, *memories: Memory) -> UUID:
    """Archive memories as the sweep does; return the changeset."""
    assert actor.id is not None
    return services.apply_changeset(
        subject_id=actor.id,
        kind=ChangesetKind.LIFE,
        note="decay",
        retirements=[
            Retirement(memory_id=each.pk, status=MemoryStatus.ARCHIVED, reason="decay")
            for each in memories
        ],
    ).id


def texts(client: Client) -> list[str]:
    """Return what is in use."""
    answer = client.get(MEMORIES, {"status": "active"})
    return [row["text"] for row in answer.json()["results"]]


def told_home(actor: Actor, place: str) -> Memory:
    """Tell where somebody lives, as the extraction keeps it: in a slot with one value."""
    memory = told(actor, f"Lives in {place}")
    Memory.objects.filter(pk=memory.pk).update(slot="self.home", value=place.lower())
    memory.refresh_from_db()
    return memory


def at_once(times: int, deed: Any) -> list[Any]:
    """Do something several times at the same moment."""

    def doing() -> Any:
        try:
            return deed()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(times) as pool:
        return [
            each.result() for each in [pool.submit(copy_context().run, doing) for _ in range(times)]
        ]


# -- merging


def test_merging_keeps_the_words_of_one_and_what_both_rest_on(
    browser: Client, in_acme: Actor
) -> None:
    tea, also = told(in_acme, "I drink green tea"), told(in_acme, "Tea, green", importance=9)
    [said] = say(in_acme, "Green tea for me")
    rest_on(also, said)
    name_in(also, "Kyoto")

    answer = merge(browser, tea.pk, also.pk)

    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert (body["memory"]["text"], body["memory"]["importance"]) == ("I drink green tea", 9)
    assert body["memory"]["entities"] == ["Kyoto"]
    assert body["change"]["kind"] == "merge"
    assert texts(browser) == ["I drink green tea"]
    why = browser.get(f"{MEMORIES}/{tea.pk}/why").json()
    assert [each["quote"] for each in why["evidence"]] == ["Green tea for me"]
    assert [each["text"] for each in why["supersedes"]] == ["Tea, green"]


def test_what_a_merge_leaves_is_replaced_like_what_it_took_the_place_of(
    browser: Client, in_acme: Actor
) -> None:
    plain, home = told(in_acme, "Rome is home to me, really"), told_home(in_acme, "Rome")
    assert plain.slot == ""
    merge(browser, plain.pk, home.pk)

    told(in_acme, "I live in Berlin")

    assert texts(browser) == ["I live in Berlin"]


def test_merging_the_same_again_or_at_once_changes_nothing_more(
    browser: Client, in_acme: Actor
) -> None:
    one, other = told(in_acme, "I drink tea"), told(in_acme, "Tea it is")

    answers = at_once(4, lambda: merge(browser, one.pk, other.pk))

    assert sorted(each.status_code for each in answers) == [200, 200, 200, 201]
    assert len({each.json()["change"]["id"] for each in answers}) == 1
    assert Changeset.objects.count() == 1
    assert Memory.objects.get(pk=one.pk).proof_count == 2


def test_a_merge_that_makes_no_sense_is_refused(browser: Client, in_acme: Actor) -> None:
    one, other, gone = (told(in_acme, text) for text in ("one", "other", "gone"))
    edit(in_acme, gone, status=MemoryStatus.ARCHIVED)
    before = picture()

    for sources in ((), (one.pk,), (other.pk, other.pk), tuple(new_id() for _ in range(21))):
        refused = merge(browser, one.pk, *sources)
        assert refused.status_code == 400, sources
        assert "source_ids" in refused.json()["error"]["details"]["fields"]
    assert merge(browser, one.pk, new_id()).status_code == 404
    assert post(browser, "merge", into="one", source_ids="two").status_code == 400
    outdated = merge(browser, one.pk, gone.pk)
    assert (outdated.status_code, outdated.json()["error"]["type"]) == (409, "changeset_outdated")
    assert outdated.json()["error"]["details"]["memory_ids"] == [str(gone.pk)]
    assert picture() == before


# -- restoring


def test_what_faded_is_used_again(browser: Client, in_acme: Actor) -> None:
    tea = told(in_acme, "I drink tea")
    faded(in_acme, tea)
    assert texts(browser) == []

    for _ in range(2):
        answer = post(browser, f"{tea.pk}/restore")
        assert (answer.status_code, answer.json()["status"]) == (200, "active")

    assert texts(browser) == ["I drink tea"]
    assert counts_of(tea.subject_id)[2] == 1
    assert AuditEntry.objects.filter(action="memory.restored").count() == 1
    history = browser.get(f"{MEMORIES}/{tea.pk}/history").json()
    assert [each["reason"] for each in history["versions"]] == ["restored", "decay"]


def test_an_older_value_that_comes_back_takes_the_place_of_the_newer(
    browser: Client, in_acme: Actor
) -> None:
    rome, berlin = told_home(in_acme, "Rome"), told_home(in_acme, "Berlin")
    with transaction.atomic():
        supersede(rome, berlin, at=noon("2026-03-10"))

    post(browser, f"{rome.pk}/restore")

    assert texts(browser) == ["Lives in Rome"]
    berlin.refresh_from_db()
    assert (berlin.status, berlin.superseded_by_id) == ("archived", rome.pk)
    assert berlin.valid_to is not None
    assert counts_of(rome.subject_id)[2] == 1
    post(browser, f"{berlin.pk}/restore")  # and back again
    assert texts(browser) == ["Lives in Berlin"]


def test_what_is_made_active_by_a_change_is_restored_as_well(
    browser: Client, in_acme: Actor
) -> None:
    rome, berlin = told(in_acme, "I live in Rome"), told(in_acme, "I live in Berlin")
    with transaction.atomic():
        supersede(rome, berlin, at=noon("2026-03-10"))

    change = {"status": "active"}
    browser.patch(f"{MEMORIES}/{rome.pk}", change, content_type="application/json")

    row = browser.get(f"{MEMORIES}/{rome.pk}").json()
    assert (row["status"], row["superseded_by"], row["valid_to"]) == ("active", None, None)
    assert texts(browser) == ["I live in Rome"]  # one home at a time


def test_nothing_comes_back_beside_a_memory_that_says_the_same(
    browser: Client, in_acme: Actor
) -> None:
    old = told(in_acme, "I drink tea")
    faded(in_acme, old)
    told(in_acme, "I drink tea")

    refused = post(browser, f"{old.pk}/restore")

    assert (refused.status_code, refused.json()["error"]["type"]) == (409, "memory_exists")


# -- changes


def test_changes_are_listed_and_say_what_became_of_each_memory(
    browser: Client, in_acme: Actor
) -> None:
    tea, also, bike = (told(in_acme, text) for text in ("I drink tea", "Tea it is", "A bike"))
    merge(browser, tea.pk, also.pk)
    faded(in_acme, bike)

    rows = browser.get(CHANGES).json()["results"]

    assert [(row["kind"], row["state"], row["note"]) for row in rows] == [
        ("life", "applied", "decay"),
        ("merge", "applied", "by hand"),
    ]
    assert {each["text"]: each["became"] for each in rows[1]["entries"]} == {
        "I drink tea": "changed",
        "Tea it is": "replaced",
    }
    assert [row["kind"] for row in browser.get(CHANGES, {"kind": "merge"}).json()["results"]] == [
        "merge"
    ]
    assert browser.get(CHANGES, {"kind": "magic"}).status_code == 400
    page = browser.get(CHANGES, {"page_size": 1}).json()
    rest = browser.get(CHANGES, {"page_size": 1, "cursor": page["next"]}).json()
    assert [*page["results"], *rest["results"]] == rows
    one = browser.get(f"{CHANGES}/{rows[0]['id']}").json()
    assert one == rows[0]
    [entry] = one["entries"]
    assert (entry["before"]["status"], entry["after"]["status"]) == ("active", "archived")
    assert "_" not in entry["after"]


def test_a_change_does_not_keep_the_text_of_what_was_forgotten(
    browser: Client, in_acme: Actor
) -> None:
    secret = told(in_acme, "The heron sleeps")
    change = faded(in_acme, secret)
    browser.delete(f"{MEMORIES}/{secret.pk}")

    shown = browser.get(f"{CHANGES}/{change}")

    assert shown.json()["entries"][0]["text"] is None
    assert "heron" not in shown.content.decode()


def test_undoing_brings_back_what_was_and_twice_is_once(browser: Client, in_acme: Actor) -> None:
    tea, also = told(in_acme, "I drink tea"), told(in_acme, "Tea it is")
    before = picture()
    change = merge(browser, tea.pk, also.pk).json()["change"]["id"]

    answers = at_once(3, lambda: post(browser, f"changes/{change}/undo"))

    assert [(each.status_code, each.json()["state"]) for each in answers] == [(200, "undone")] * 3
    assert picture() == before
    assert AuditEntry.objects.filter(action="memory.changeset_undone").count() == 1
    assert browser.get(f"{CHANGES}/{change}").json()["undone_at"] is not None
    # Merged once more, it is another change.
    assert merge(browser, tea.pk, also.pk).json()["change"]["id"] != change


def test_what_was_changed_since_is_named_and_nothing_is_undone(
    browser: Client, in_acme: Actor
) -> None:
    tea, also = told(in_acme, "I drink tea"), told(in_acme, "Tea it is")
    change = merge(browser, tea.pk, also.pk).json()["change"]["id"]
    edit(in_acme, tea, text="I drink coffee")
    before = picture()

    refused = post(browser, f"changes/{change}/undo")

    error = refused.json()["error"]
    assert (refused.status_code, error["type"]) == (409, "changeset_outdated")
    assert error["details"]["memory_ids"] == [str(tea.pk)]
    assert "changed, archived or forgotten since" in error["message"]
    assert picture() == before


def test_others_find_neither_memories_nor_changes_and_readers_change_nothing(
    committed: World,
    people: People,
    in_acme: Actor,
    browser: Client,
    browser_of: BrowserOf,
    new_key: NewKey,
) -> None:
    tea, also = told(in_acme, "I drink tea"), told(in_acme, "Tea it is")
    change = faded(in_acme, told(in_acme, "A bike"))
    before = picture()

    for client in (
        browser_of(people.bea, committed.acme),
        browser_of(people.gus, committed.globex),
    ):
        assert client.get(CHANGES).json()["results"] == []
        assert client.get(f"{CHANGES}/{change}").status_code == 404
        assert post(client, f"changes/{change}/undo").status_code == 404
        assert post(client, f"{tea.pk}/restore").status_code == 404
        assert merge(client, tea.pk, also.pk).status_code == 404
    reader = Client(
        HTTP_HOST="acme.localhost",
        HTTP_AUTHORIZATION=f"Bearer {new_key(people.ann, committed.acme, scopes=(MEMORY_READ,))}",
    )
    assert len(reader.get(CHANGES).json()["results"]) == 1
    for path in (f"changes/{change}/undo", f"{tea.pk}/restore", "merge"):
        assert post(reader, path).status_code == 403
    assert picture() == before


@pytest.mark.usefixtures("in_acme")
def test_what_does_not_exist_is_not_found(browser: Client) -> None:
    assert browser.get(f"{CHANGES}/{new_id()}").status_code == 404
    for path in (f"changes/{new_id()}/undo", f"{new_id()}/restore"):
        assert post(browser, path).status_code == 404
