"""What Karen would say about somebody now, and the page of a person, place or topic."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.core.clock import now
from apps.core.scope import Actor
from apps.memory.contracts import EntityKind, MemoryKind
from apps.memory.models import Memory
from tests.app.memory.remembering import (
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
PROFILE, ABOUT = f"{PAGE}profile/", f"{PAGE}about/"


def text_of(client: Client, path: str, **asked: str) -> str:
    answer = client.get(path, asked)
    assert answer.status_code == 200
    return answer.content.decode()


def section(page: str, key: str) -> str:
    """Return one group of the portrait."""
    return page.split(f'id="portrait-{key}"', 1)[1].split("</section>", 1)[0]


def slotted(memory: Memory, slot: str, **values: object) -> Memory:
    """Give a memory what the extraction gives it."""
    Memory.objects.filter(pk=memory.pk).update(slot=slot, **{"valid_from": None, **values})
    memory.refresh_from_db()
    return memory


def test_a_portrait_tells_by_groups_with_sources_and_what_was_before(
    browser: Client, in_acme: Actor
) -> None:
    rome = slotted(told(in_acme, "Lives in Rome"), "self.home")
    berlin = slotted(told(in_acme, "Lives in Berlin"), "self.home")
    [said] = say(in_acme, "We moved to Berlin <yes>")
    rest_on(berlin, said)
    with transaction.atomic():
        supersede(rome, berlin, at=noon("2026-03-10"))
    name_in(told(in_acme, "Ada studies biology"), "Ada")
    slotted(told(in_acme, "Likes tea"), "self.preference:tea")
    learnt_on(told(in_acme, "Answer in short sentences", pinned=True), "2026-01-12")
    trip = told(in_acme, "Sails to Porto", kind=MemoryKind.EPISODIC)
    slotted(trip, "", valid_from=now() + timedelta(days=30))
    told(in_acme, "Had soup", kind=MemoryKind.EPISODIC)

    page = text_of(browser, PROFILE)

    who = section(page, "about")
    assert "Home</dt>" in who
    assert "“We moved to Berlin &lt;yes&gt;”" in who
    assert f"/chat/{said.conversation_id}/#m-{said.message_id}" in who
    assert "Before, until March 2026" in who
    assert f"{ABOUT}?name=Ada" in section(page, "people")
    assert "Likes tea" in section(page, "preferences")
    assert "You told Karen, 12 January 2026 · pinned" in section(page, "instructions")
    assert "Sails to Porto" in section(page, "plans")
    assert "Had soup" not in page


def test_a_line_stands_with_the_name_that_it_names_first(browser: Client, in_acme: Actor) -> None:
    memory = told(in_acme, "Zoe plays chess with Abe in Oslo")
    name_in(memory, "Oslo", "Abe", "Zoe")

    people = section(text_of(browser, PROFILE), "people")

    assert ">Zoe</a></dt>" in people
    assert ">Abe</a></dt>" not in people


def test_what_is_over_is_not_said(browser: Client, in_acme: Actor) -> None:
    job = slotted(told(in_acme, "Works at Alpha"), "self.employer")
    slotted(job, "self.employer", valid_to=now() - timedelta(days=1))

    page = text_of(browser, PROFILE)

    assert "Works at Alpha" not in page
    assert "Karen could not say anything about you yet" in page


def test_a_portrait_of_many_says_how_many_more_and_asks_no_more_questions(
    browser: Client, in_acme: Actor
) -> None:
    def questions() -> int:
        with CaptureQueriesContext(connection) as asked:
            text_of(browser, PROFILE)
        return len(asked)

    first = told(in_acme, "fact")
    rest_on(first, say(in_acme, "It is a fact")[0])
    name_in(first, "Ada")
    questions()  # who is signed in, is asked for the first time
    before = questions()
    for number in range(45):
        name_in(told(in_acme, f"fact {number}"), f"Name {number}")

    assert questions() <= before
    assert "And 6 more" in section(text_of(browser, PROFILE), "people")


def test_a_name_has_a_page_with_what_holds_and_all_there_was(
    browser: Client, in_acme: Actor
) -> None:
    old = slotted(told(in_acme, "Ada lives in Porto"), "sister:ada.home")
    newer = slotted(told(in_acme, "Ada lives in Lisbon"), "sister:ada.home")
    event = told(in_acme, "Visited Ada in Porto", kind=MemoryKind.EPISODIC)
    learnt_on(event, "2026-02-21")
    for memory, names in ((old, ("Porto",)), (newer, ("Lisbon",)), (event, ("Porto",))):
        name_in(memory, "Ada")
        name_in(memory, *names, kind=EntityKind.PLACE)
    with transaction.atomic():
        supersede(old, newer, at=noon("2026-03-10"))

    page = text_of(browser, ABOUT, name=" aDa ")

    assert "<h1>Ada</h1>" in page
    assert "Person · in 2 memories" in page
    holds, _, was = page.partition("All there was")
    assert "Ada lives in Lisbon" in holds
    assert "Before, until March 2026" in holds
    assert "until March 2026" in was
    assert was.index("Ada lives in Lisbon") < was.index("February 2026")
    assert "Visited Ada" not in holds
    assert "Goes together with" in page


def test_a_topic_that_is_no_name_is_looked_for_by_its_words(
    browser: Client, in_acme: Actor
) -> None:
    told(in_acme, "I drink green tea")

    page = text_of(browser, ABOUT, name="tea")
    assert "Memories with these words" in page
    assert "I drink green tea" in page
    unknown = text_of(browser, ABOUT, name="<b>otter</b>")
    assert "Karen knows nothing about this." in unknown
    assert "<b>otter" not in unknown
    assert browser.get(ABOUT).status_code == 302
    assert browser.get(ABOUT, {"name": "tea", "after": "x"}).status_code == 404
    assert browser.get(ABOUT, {"name": "x" * 5_000}).status_code == 200


def test_a_long_past_comes_in_pages(browser: Client, in_acme: Actor) -> None:
    for number in range(52):
        name_in(told(in_acme, f"Ada did {number:02d}", kind=MemoryKind.EPISODIC), "Ada")

    page = text_of(browser, ABOUT, name="Ada")
    following = page.split(f'hx-get="{ABOUT}?', 1)[1].split('"', 1)[0].replace("&amp;", "&")
    part = browser.get(f"{ABOUT}?{following}", headers={"HX-Request": "true"}).content.decode()

    assert page.count('class="memory-text"') == 50
    assert "Ada did 01" in part
    assert "<html" not in part


@pytest.mark.usefixtures("in_acme")
def test_others_have_a_portrait_of_their_own(
    committed: World, people: People, in_acme: Actor, browser_of: BrowserOf
) -> None:
    name_in(told(in_acme, "Ada plays the cello"), "Ada")

    for client in (
        browser_of(people.bea, committed.acme),
        browser_of(people.gus, committed.globex),
    ):
        assert "cello" not in text_of(client, PROFILE)
        assert "cello" not in text_of(client, ABOUT, name="Ada")
    guest = browser_of(people.eve, committed.acme)
    assert guest.get(PROFILE).status_code == guest.get(ABOUT, {"name": "Ada"}).status_code == 403
