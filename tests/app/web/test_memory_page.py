"""The page of memories: seen, explained, corrected and forgotten without a script."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from apps.core.clock import now
from apps.core.ids import new_id
from apps.core.scope import Actor
from apps.memory.contracts import EntityKind
from apps.memory.models import Memory
from tests.app.memory.remembering import (
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
from tests.fixtures.people import BrowserOf, People

PAGE = "/settings/memory/"


def text_of(client: Client, path: str = PAGE, **asked: str) -> str:
    answer = client.get(path, asked)
    assert answer.status_code == 200
    return answer.content.decode()


def by_script(client: Client, path: str, **values: object) -> Any:
    return client.post(path, values, headers={"HX-Request": "true"})


def test_who_is_not_known_yet_is_told_how_to_begin(browser: Client) -> None:
    assert "Karen knows nothing about you yet" in text_of(browser)
    assert "No memory names anybody yet" in text_of(browser, f"{PAGE}names/")


def test_memories_stand_in_a_timeline_pinned_ones_first(browser: Client, in_acme: Actor) -> None:
    learnt_on(told(in_acme, "I sailed to <b>Porto</b>"), "2026-03-14")
    told(in_acme, "My knee hurts")
    told(in_acme, "Call me Annie", pinned=True)

    page = text_of(browser)

    assert page.index("Call me Annie") < page.index("My knee hurts") < page.index("March 2026")
    assert page.count("Call me Annie</p>") == 1
    assert "I sailed to &lt;b&gt;Porto&lt;/b&gt;" in page
    assert "3 memories, 1 pinned" in page
    assert "Memory can be switched off for a conversation" in page


def test_ten_thousand_memories_come_in_pages(browser: Client, in_acme: Actor) -> None:
    assert in_acme.id is not None
    moment = now()
    Memory.objects.bulk_create(  # no service writes that many at once
        Memory(
            subject_id=in_acme.id, text=f"fact {number:05d}", content_hash=str(number),
            created_at=moment - timedelta(minutes=number),
        )
        for number in range(10_000)
    )  # fmt: skip

    first = browser.get(PAGE)
    page = first.content.decode()
    assert "10,000 memories" in page
    assert page.count('class="memory-text"') == 50
    following = page.split('hx-get="', 1)[1].split('"', 1)[0]
    following = page.split(f'href="{PAGE}?after', 1)[1].split('"', 1)[0].replace("&amp;", "&")
    part = browser.get(f"{PAGE}?after{following}", headers={"HX-Request": "true"}).content.decode()
    assert "fact 00050" in part
    assert "fact 00049" not in part
    assert "<html" not in part
    assert browser.get(f"{PAGE}?after=nonsense").status_code == 404


def test_filters_narrow_the_page_down(browser: Client, in_acme: Actor) -> None:
    name_in(told(in_acme, "Ada plays the cello"), "Ada")
    told(in_acme, "My knee hurts")

    assert "My knee hurts" not in text_of(browser, q="cello")
    assert "Nothing fits" in text_of(browser, q="trombone")
    only = text_of(browser, entity="ada")
    assert "Only what names" in only
    assert "My knee hurts" not in only
    assert "Give a day" in text_of(browser, as_of="soon")


def test_what_was_known_then_is_shown_and_cannot_be_changed(
    browser: Client, in_acme: Actor
) -> None:
    dog = told(in_acme, "My dog is Rex")
    learnt_on(dog, "2026-01-10")
    edit(in_acme, dog, text="My dog is Max")
    changed_on(dog, "2026-06-01")

    page = text_of(browser, as_of="2026-03-31")

    assert "My dog is Rex" in page
    assert "My dog is Max" not in page
    assert "believed on 31 March 2026" in page
    assert f"{dog.pk}/mark/" not in page


def test_why_and_what_was_before_are_told(browser: Client, in_acme: Actor) -> None:
    [said] = say(in_acme, "We moved to Berlin")
    rome, berlin = told(in_acme, "I live in Rome"), told(in_acme, "I live in Berlin")
    rest_on(berlin, said)
    edit(in_acme, berlin, importance=9)
    Memory.objects.update(slot="self.home")
    rome.refresh_from_db()
    with transaction.atomic():
        supersede(rome, berlin, at=noon("2026-03-10"))

    page = text_of(browser, f"{PAGE}{berlin.pk}/")

    assert "“We moved to Berlin”" in page
    assert f"/chat/{said.conversation_id}/#m-{said.message_id}" in page
    assert "until March 2026" in page
    assert "I live in Rome" in page
    assert "Importance</dt>" in page
    assert "Now:" in text_of(browser, f"{PAGE}{rome.pk}/")
    assert "until March 2026" in text_of(browser, state="all")
    assert "I live in Rome" not in text_of(browser)


@pytest.mark.usefixtures("in_acme")
def test_a_memory_is_added_corrected_pinned_put_aside_and_forgotten(browser: Client) -> None:
    added = browser.post(
        f"{PAGE}add/", {"text": "I drink tee", "kind": "semantic", "importance": 5}, follow=True
    )
    assert "Karen will remember that." in added.content.decode()
    memory = Memory.objects.get()
    one = f"{PAGE}{memory.pk}/"

    prefix = memory.pk.hex
    browser.post(
        f"{one}change/",
        {f"{prefix}-text": "I drink tea", f"{prefix}-kind": "semantic", f"{prefix}-importance": 7},
    )
    browser.post(f"{one}mark/", {"pinned": "true"})
    memory.refresh_from_db()
    assert (memory.text, memory.importance) == ("I drink tea", 7)
    assert memory.pinned_at is not None

    row = by_script(browser, f"{one}mark/", status="archived").content.decode()
    assert row.lstrip().startswith("<li")
    assert "Use it again" in row
    assert "I drink tea" in text_of(browser, state="archived")
    assert b"Forgotten" in by_script(browser, f"{one}forget/").content
    assert not Memory.objects.exists()


def test_what_is_wrong_is_said_beside_what_was_written(browser: Client, in_acme: Actor) -> None:
    memory = told(in_acme, "I drink tea")
    secret = {"text": "my password is swordfish", "kind": "semantic", "importance": "5"}
    refused = browser.post(f"{PAGE}add/", secret).content.decode()
    assert "secrets are never remembered" in refused
    assert "swordfish" in refused

    prefixed = {f"{memory.pk.hex}-{name}": value for name, value in secret.items()}
    part = by_script(browser, f"{PAGE}{memory.pk}/change/", **prefixed)
    assert "secrets are never remembered" in part.content.decode()
    assert part["HX-Retarget"] == f"#inside-{memory.pk}"
    assert browser.post(f"{PAGE}add/", {"text": ""}).status_code == 200
    assert Memory.objects.get().text == "I drink tea"


def test_a_topic_is_counted_first_and_forgotten_then(browser: Client, in_acme: Actor) -> None:
    told(in_acme, "The heron sleeps")
    say(in_acme, "A heron", "An otter")

    asked = browser.post(f"{PAGE}forget/", {"topic": "heron"}).content.decode()
    assert "is in 1 memory and in the words of 1 message" in asked
    assert Memory.objects.exists()
    done = browser.post(f"{PAGE}forget/", {"topic": "heron", "sure": "yes"}, follow=True)
    assert "Forgotten: 1 memory, and the words of 1 message." in done.content.decode()
    assert not Memory.objects.exists()
    nothing = browser.post(f"{PAGE}forget/", {"topic": "otters"}).content.decode()
    assert "Karen knows nothing about <strong>otters</strong>." not in nothing
    assert "in the words of 1 message." in nothing
    assert "Say what" in browser.post(f"{PAGE}forget/", {"topic": " "}).content.decode()


def test_everything_is_forgotten_only_by_the_typed_words(browser: Client, in_acme: Actor) -> None:
    told(in_acme, "The heron sleeps")

    wrong = browser.post(f"{PAGE}forget-everything/", {"confirm": "yes"}).content.decode()
    assert "nothing was forgotten" in wrong
    assert Memory.objects.exists()
    browser.post(f"{PAGE}forget-everything/", {"confirm": "Forget  Everything"})
    assert not Memory.objects.exists()


def test_names_are_drawn_and_listed(browser: Client, in_acme: Actor) -> None:
    memory = told(in_acme, "Ada lives in Porto")
    name_in(memory, "Ada")
    name_in(memory, "Porto", kind=EntityKind.PLACE)

    page = text_of(browser, f"{PAGE}names/")

    assert page.count("<circle") == 2
    assert page.count('class="map-line') == 1
    assert "The list below says the same." in page
    assert "Place · 1 memory" in page


def test_a_guest_is_turned_away_and_strangers_find_nothing(
    committed: World, people: People, in_acme: Actor, browser_of: BrowserOf
) -> None:
    memory = told(in_acme, "The heron sleeps")

    assert browser_of(people.eve, committed.acme).get(PAGE).status_code == 403
    for client in (
        browser_of(people.bea, committed.acme),
        browser_of(people.gus, committed.globex),
    ):
        assert "heron" not in text_of(client, state="all")
        assert client.get(f"{PAGE}{memory.pk}/").status_code == 404
        for deed in ("change/", "mark/", "forget/"):
            assert client.post(f"{PAGE}{memory.pk}/{deed}").status_code == 404
    assert Memory.objects.filter(pk=memory.pk).exists()


def test_what_does_not_exist_is_not_found(browser: Client) -> None:
    for deed in ("change/", "mark/", "forget/"):
        assert browser.post(f"{PAGE}{new_id()}/{deed}").status_code == 404
    assert browser.get(f"{PAGE}{new_id()}/").status_code == 404


def test_the_page_is_reached_from_the_chat(
    committed: World, people: People, browser: Client, browser_of: BrowserOf
) -> None:
    assert f'href="{PAGE}"' in text_of(browser, "/chat/")
    assert f'href="{PAGE}"' in text_of(browser_of(people.bea, committed.acme), "/chat/")
