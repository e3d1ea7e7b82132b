"""The page of memories in a browser: light, dark, on a phone; memories used under an answer.

With `MEMORY_PICTURES=<folder>` the pages are kept as pictures: `docs/images/memory.png` and
`docs/images/memories-used.png` are made by

    make test ARGS="tests/system/browser/test_memory_page.py --browser" MEMORY_PICTURES=docs/images
"""

import os
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from django.db import transaction
from playwright.sync_api import Page, expect

from apps.core.scope import Actor, TenantRef
from apps.memory import services
from apps.memory.contracts import (
    ChangesetKind,
    EntityKind,
    MemoryKind,
    MemoryStatus,
    Merge,
    Retirement,
)
from apps.memory.models import Memory
from apps.memory.recall import recall
from tests.app.memory.remembering import (
    as_person,
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
from tests.fixtures.people import People
from tests.system.browser.conftest import Site
from tests.system.browser.faults import faults_of
from tests.system.browser.pages import ChatPage

pytestmark = [pytest.mark.browser, pytest.mark.system]
SignIn = Callable[[Page, str, str], None]
ActorIn = Callable[[UUID, TenantRef], Actor]

_THINGS: tuple[tuple[str, str, MemoryKind, int, tuple[str, ...]], ...] = (
    ("2026-01-12", "Ann works as an architect at Nordlicht Studio", MemoryKind.SEMANTIC, 8,
     ("Nordlicht Studio",)),
    ("2026-01-12", "Her sister Ada studies marine biology in Porto", MemoryKind.SEMANTIC, 7,
     ("Ada", "Porto")),
    ("2026-01-30", "Before a release: run the visual checks, then ask Ravi to look at the plans",
     MemoryKind.PROCEDURAL, 6, ("Ravi", "Nordlicht Studio")),
    ("2026-02-08", "Ravi leads the team at Nordlicht Studio", MemoryKind.SEMANTIC, 5,
     ("Ravi", "Nordlicht Studio")),
    ("2026-02-21", "Visited Ada in Porto for her birthday", MemoryKind.EPISODIC, 6,
     ("Ada", "Porto")),
    ("2026-03-03", "Is learning Portuguese, an hour each Sunday", MemoryKind.SEMANTIC, 4, ()),
    ("2026-03-14", "Moved into a flat in Kreuzberg with Jonas", MemoryKind.EPISODIC, 8,
     ("Jonas", "Kreuzberg", "Berlin")),
    ("2026-03-15", "Jonas is allergic to peanuts", MemoryKind.SEMANTIC, 9, ("Jonas",)),
    ("2026-03-22", "Prefers trains to planes, also for work", MemoryKind.SEMANTIC, 5, ()),
    ("2026-03-29", "The library in Berlin opens to the public in June", MemoryKind.SEMANTIC, 6,
     ("Berlin", "Nordlicht Studio")),
)  # fmt: skip
_TALLEST = 1_700  # pixels
_QUESTION = "What should I cook for Jonas tonight? Are peanuts all right?"
_PLACES = {"Porto", "Kreuzberg", "Berlin", "Rome"}


def a_life(ann: Actor, tenant: TenantRef) -> Memory:
    """Give Ann a dozen memories, and return where she lives now."""
    with as_person(ann, tenant):
        for day, text, kind, importance, names in _THINGS:
            memory = told(ann, text, kind=kind, importance=importance)
            learnt_on(memory, day)
            _names(memory, names)
        learnt_on(told(ann, "Answer in short sentences, without emoji", pinned=True), "2026-01-12")
        [said] = say(ann, "We finally moved: Berlin it is, since the tenth of March")
        rome, berlin = told(ann, "Lives in Rome"), told(ann, "Lives in Berlin", importance=7)
        rest_on(berlin, said)
        edit(ann, berlin, importance=9)
        for memory, day, place in ((rome, "2026-01-12", "Rome"), (berlin, "2026-03-16", "Berlin")):
            learnt_on(memory, day)
            _names(memory, (place,))
        Memory.objects.filter(pk__in=[rome.pk, berlin.pk]).update(slot="self.home")
        with transaction.atomic():
            supersede(rome, berlin, at=noon("2026-03-10"))
        _tidied(ann)
        services.embed_waiting()
    return berlin


def _tidied(ann: Actor) -> None:
    """Have two memories merged, and two put aside, as a consolidation and a sweep do."""
    assert ann.id is not None
    said, again = told(ann, "Takes the train to work"), told(ann, "She commutes by train")
    services.apply_changeset(
        subject_id=ann.id,
        kind=ChangesetKind.CONSOLIDATION,
        merges=[Merge(source_ids=(again.pk,), into=said.pk)],
        note="said the same",
    )
    faded = [told(ann, f"Parked on level {level} today") for level in (2, 4)]
    services.apply_changeset(
        subject_id=ann.id,
        kind=ChangesetKind.LIFE,
        note="short_term",
        retirements=[
            Retirement(memory_id=each.pk, status=MemoryStatus.ARCHIVED, reason="short_term")
            for each in faded
        ],
    )


def _names(memory: Memory, names: tuple[str, ...]) -> None:
    for name in names:
        kind = EntityKind.PLACE if name in _PLACES else EntityKind.PERSON
        name_in(memory, name, kind=EntityKind.ORGANISATION if "Studio" in name else kind)


def keep_picture(page: Page, name: str, *, whole: bool = True) -> None:
    folder, size = os.environ.get("MEMORY_PICTURES"), page.viewport_size
    if not folder or size is None:
        return
    if whole:  # a taller window, not a longer picture: what is fixed stays in its place
        height = min(int(page.evaluate("document.documentElement.scrollHeight")), _TALLEST)
        page.set_viewport_size({"width": size["width"], "height": height})
        page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=str(Path(folder) / f"{name}.png"))


@pytest.mark.parametrize(
    "width,scheme", [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]
)
def test_the_page_is_whole_in_every_dress(
    worker: World, people: People, site: Site, sign_in: SignIn, page: Page, width: int,
    scheme: str, actor_in: ActorIn,
) -> None:  # fmt: skip
    berlin = a_life(actor_in(people.ann, worker.acme), worker.acme)
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    sign_in(page, "acme", "ann@acme.example")
    address = f"{site.workspace('acme')}/settings/memory/"
    suffix = "" if (width, scheme) == (1280, "light") else f"-{width}-{scheme}"
    page.goto(f"{address}?state=all")
    expect(page.get_by_text("until March 2026")).to_be_visible()
    page.goto(address)
    expect(page.get_by_role("heading", name="What Karen knows about you")).to_be_visible()

    row = page.locator(f"#m-{berlin.pk}")
    row.get_by_text("Why do you believe this?").click()
    expect(row.get_by_text("“We finally moved")).to_be_visible()
    expect(row.get_by_role("link", name="Open the message")).to_be_visible()
    expect(row.get_by_text("Before, until March 2026")).to_be_visible()

    assert faults_of(page) == []
    # Nothing reaches over the edge of the window.
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    keep_picture(page, f"memory{suffix}")
    for part, heading, name in (
        ("profile/", "About you", "memory-profile"),
        ("names/", "People and places", "memory-names"),
        ("about/?name=Berlin", "Berlin", "memory-about"),
        ("changes/", "What changed", "memory-changes"),
        ("changes/?kind=learnt", "What changed", "memory-learnt"),
        (f"{berlin.pk}/", "A memory", "memory-one"),
        (f"{berlin.pk}/merge/", "Merge two memories", "memory-merge"),
    ):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(f"{address}{part}")
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), part
        assert faults_of(page) == [], part
        keep_picture(page, f"{name}-{width}-{scheme}")
    page.goto(f"{address}names/")
    expect(page.get_by_role("img", name="How names go together")).to_be_visible()
    assert page.locator("svg .map-dot").count() >= 7


def test_what_was_not_meant_is_taken_back(
    worker: World, people: People, site: Site, sign_in: SignIn, page: Page, actor_in: ActorIn
) -> None:
    ann = actor_in(people.ann, worker.acme)
    with as_person(ann, worker.acme):
        tea, also = told(ann, "Drinks green tea", pinned=True), told(ann, "Likes her tea green")
    sign_in(page, "acme", "ann@acme.example")
    address = f"{site.workspace('acme')}/settings/memory/"

    # Forgotten by mistake: the words come back into their place, and the keyboard is there.
    page.goto(address)
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Forget: Drinks green tea").click()
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Unpin: Drinks green tea")).to_be_visible()
    expect(undo).to_have_count(0)

    # Merged by choosing the other one, and undone by an impatient finger.
    row = page.locator(f"#m-{also.pk}")
    row.get_by_text("Why do you believe this?").click()
    row.get_by_role("link", name="Merge with another").click()
    page.get_by_label("Drinks green tea").check()
    page.get_by_label("Those of the one I choose").check()
    page.get_by_role("button", name="Merge", exact=True).click()
    expect(page.get_by_text("Merged into one.")).to_be_visible()
    expect(page.locator(".memory-text").first).to_have_text("Drinks green tea")
    page.get_by_role("button", name="Undo").dblclick()
    expect(page.get_by_text("Undone: the memories are what they were.").first).to_be_visible()
    expect(page.locator(".change .tag").get_by_text("undone")).to_be_visible()
    with as_person(ann, worker.acme):
        assert not Memory.objects.filter(pk=tea.pk).exists()  # its words are a new memory
        live = Memory.objects.filter(status="active").values_list("text", flat=True)
        assert set(live) == {"Drinks green tea", "Likes her tea green"}


def test_a_search_stands_in_the_address_and_the_way_back_leads_to_it(
    worker: World, people: People, site: Site, sign_in: SignIn, page: Page, actor_in: ActorIn
) -> None:
    a_life(actor_in(people.ann, worker.acme), worker.acme)
    sign_in(page, "acme", "ann@acme.example")
    page.goto(f"{site.workspace('acme')}/settings/memory/")

    page.get_by_label("Search").fill("Porto")
    page.get_by_label("Kind", exact=True).locator("visible=true").select_option("episodic")
    page.get_by_label("Search").press("Enter")
    expect(page.get_by_text("Visited Ada in Porto")).to_be_visible()
    expect(page.locator(".memory")).to_have_count(1)
    page.locator(".memory").get_by_role("link", name="Ada").click()
    expect(page.get_by_role("heading", name="Ada", exact=True)).to_be_visible()
    page.go_back()
    expect(page.get_by_label("Search")).to_have_value("Porto")
    expect(page.locator(".memory")).to_have_count(1)
    page.get_by_role("link", name="Show all").first.click()
    expect(page.locator(".memory").nth(5)).to_be_visible()


def test_a_memory_is_corrected_pinned_and_forgotten_without_leaving_the_page(
    worker: World, people: People, site: Site, sign_in: SignIn, page: Page, actor_in: ActorIn
) -> None:
    ann = actor_in(people.ann, worker.acme)
    with as_person(ann, worker.acme):
        memory = told(ann, "Lives in Room")
    sign_in(page, "acme", "ann@acme.example")
    page.get_by_role("link", name="What Karen knows about you").click()
    page.evaluate("window.stayed = true")
    row = page.locator(f"#m-{memory.pk}")

    row.get_by_text("Why do you believe this?").click()
    row.get_by_text("Correct it").click()
    row.get_by_label("What Karen should know").fill("my password is swordfish")
    row.get_by_role("button", name="Save").click()
    expect(row.get_by_text("secrets are never remembered")).to_be_visible()
    row.get_by_label("What Karen should know").fill("Lives in Rome")
    row.get_by_role("button", name="Save").click()
    expect(row.locator(".memory-text")).to_have_text("Lives in Rome")
    row.get_by_role("button", name="Pin: Lives in Rome").click()
    expect(row.get_by_text("pinned", exact=True)).to_be_visible()
    row.get_by_role("button", name="Archive").click()
    expect(row.get_by_text("archived", exact=True)).to_be_visible()
    page.once("dialog", lambda dialog: dialog.accept())
    row.get_by_role("button", name="Forget: Lives in Rome").click()
    expect(row.get_by_text("Forgotten", exact=True)).to_be_visible()

    assert page.evaluate("window.stayed")
    with as_person(ann, worker.acme):
        assert not Memory.objects.exists()


@pytest.mark.parametrize("width,scheme", [(1280, "light"), (390, "dark")])
def test_an_answer_shows_what_was_remembered_for_it_and_why(
    worker: World, people: People, site: Site, sign_in: SignIn, page: Page, width: int,
    scheme: str, actor_in: ActorIn,
) -> None:  # fmt: skip
    ann = actor_in(people.ann, worker.acme)
    a_life(ann, worker.acme)
    with as_person(ann, worker.acme) as subject_id:
        recall(query=_QUESTION, subject_id=subject_id, k=1, within_s=30)  # the model is loaded
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    sign_in(page, "acme", "ann@acme.example")
    chat = ChatPage(page)
    chat.expect_open()
    chat.choose_model("echo/plain")
    chat.send(_QUESTION)
    chat.expect_status("complete")

    hint = chat.answer().locator("[data-memories]")
    expect(hint).to_contain_text("memor")
    keep_picture(page, f"memories-hint-{width}-{scheme}", whole=False)
    hint.click()
    used = page.get_by_role("dialog").locator(".memories")
    expect(used.get_by_text("Jonas is allergic to peanuts")).to_be_visible()
    expect(used.get_by_text("You pinned it")).to_be_visible()
    suffix = "" if (width, scheme) == (1280, "light") else f"-{width}-{scheme}"
    keep_picture(page, f"memories-used{suffix}", whole=False)
    link = used.get_by_role("link", name="Why Karen believes this").first
    link.click()
    expect(page.get_by_role("heading", name="Why do you believe this?")).to_be_visible()
