"""Taking back on the page of memories: undo, merge, restore, and what was forgotten by mistake."""

from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from apps.core.ids import new_id
from apps.core.scope import Actor
from apps.memory import services
from apps.memory.contracts import ChangesetKind, MemoryStatus, Merge, Retirement
from apps.memory.models import Changeset, Memory
from tests.app.memory.remembering import edit, noon, supersede, told
from tests.fixtures.database import World
from tests.fixtures.people import BrowserOf, People

PAGE = "/settings/memory/"
CHANGES = f"{PAGE}changes/"


def text_of(answer: Any) -> str:
    assert answer.status_code == 200, answer.status_code
    words: str = answer.content.decode()
    return words


def tidied(actor: Actor, stays: Memory, *sources: Memory) -> Changeset:
    """Have memories consolidated."""
    assert actor.id is not None
    done = services.apply_changeset(
        subject_id=actor.id,
        kind=ChangesetKind.CONSOLIDATION,
        note="said the same",
        merges=[Merge(source_ids=tuple(each.pk for each in sources), into=stays.pk)],
    )
    return Changeset.objects.get(pk=done.id)


def faded(actor: Actor, *memories: Memory) -> Changeset:
    assert actor.id is not None
    done = services.apply_changeset(
        subject_id=actor.id,
        kind=ChangesetKind.LIFE,
        note="decay",
        retirements=[
            Retirement(memory_id=each.pk, status=MemoryStatus.ARCHIVED, reason="decay")
            for each in memories
        ],
    )
    return Changeset.objects.get(pk=done.id)


def live() -> set[str]:
    return set(Memory.objects.filter(status="active").values_list("text", flat=True))


def test_what_karen_tidied_up_is_told_and_undone(browser: Client, in_acme: Actor) -> None:
    tea, also = told(in_acme, "I drink tea"), told(in_acme, "Tea <it> is")
    change = tidied(in_acme, tea, also)

    page = text_of(browser.get(PAGE))
    assert "1 memory was merged or put aside this week" in page
    listed = text_of(browser.get(CHANGES))
    assert "They said the same, so one stands for all of them." in listed
    assert "Tea &lt;it&gt; is" in listed
    assert "by “I drink tea”" in listed

    for _ in range(2):  # an impatient finger
        done = text_of(browser.post(f"{CHANGES}{change.pk}/undo/", follow=True))
        assert "Undone: the memories are what they were." in done
    assert live() == {"I drink tea", "Tea <it> is"}
    after = text_of(browser.get(CHANGES))
    assert "undone " in after
    assert f"{change.pk}/undo/" not in after
    assert "this week" not in text_of(browser.get(PAGE))


def test_what_stands_in_the_way_of_undoing_is_named(browser: Client, in_acme: Actor) -> None:
    tea, also, bike = (told(in_acme, text) for text in ("I drink tea", "Tea it is", "A bike"))
    change = tidied(in_acme, tea, also)
    other = faded(in_acme, bike)
    edit(in_acme, tea, text="I drink coffee")
    services.forget(actor=in_acme, permission="memory.write", memory_id=bike.pk)

    why = text_of(browser.post(f"{CHANGES}{change.pk}/undo/", follow=True))
    assert "This cannot be undone any more. Changed since: “I drink coffee”." in why
    gone = text_of(browser.post(f"{CHANGES}{other.pk}/undo/", follow=True))
    assert "1 memory was forgotten since. Nothing was changed." in gone
    assert live() == {"I drink coffee"}


def test_what_was_learnt_is_undone_in_its_own_list(browser: Client, in_acme: Actor) -> None:
    heron = told(in_acme, "The heron sleeps")
    change = faded(in_acme, heron)
    Changeset.objects.update(kind=ChangesetKind.EXTRACTION, note="1 learnt")

    assert "Learnt from a message" in text_of(browser.get(CHANGES, {"kind": "learnt"}))
    assert "Nothing was tidied up yet" in text_of(browser.get(CHANGES))
    done = browser.post(f"{CHANGES}{change.pk}/undo/", {"kind": "learnt"}, follow=True)
    assert "undone " in text_of(done)
    assert live() == {"The heron sleeps"}


def test_many_changes_come_in_pages_and_large_ones_folded(browser: Client, in_acme: Actor) -> None:
    for number in range(21):
        faded(in_acme, told(in_acme, f"fact {number:02d}"))
    faded(in_acme, *(told(in_acme, f"many {number}") for number in range(7)))

    first = text_of(browser.get(CHANGES))
    assert "2 more" in first
    assert first.count('class="memory change') == 20
    following = first.split('href="?kind=tidied&amp;before=', 1)[1].split('"', 1)[0]
    rest = text_of(browser.get(f"{CHANGES}?before={following}"))
    assert rest.count('class="memory change') == 2
    assert "fact 00" in rest
    assert browser.get(f"{CHANGES}?before={new_id()}").status_code == 404
    assert browser.get(f"{CHANGES}?before=nonsense&kind=magic").status_code == 200


@pytest.mark.usefixtures("in_acme")
def test_who_has_no_changes_is_told_how_they_come_about(browser: Client) -> None:
    assert "Nothing was tidied up yet" in text_of(browser.get(CHANGES))
    assert "Karen has learnt nothing" in text_of(browser.get(CHANGES, {"kind": "learnt"}))


# -- merging


def test_two_are_merged_by_choosing_and_it_can_be_undone(browser: Client, in_acme: Actor) -> None:
    tea, also = told(in_acme, "I drink green tea"), told(in_acme, "Green tea is what I drink")
    address = f"{PAGE}{tea.pk}/merge/"

    asked = text_of(browser.get(address))
    assert "Most alike" in asked
    assert f'value="{also.pk}"' in asked
    assert f'value="{tea.pk}"' not in asked
    done = browser.post(address, {"other": str(also.pk), "keep": "other"}, follow=True)

    assert live() == {"Green tea is what I drink"}
    page = text_of(done)
    assert "Merged into one." in page
    assert "In other words" in page
    [change] = Changeset.objects.all()
    assert f'action="{CHANGES}{change.pk}/undo/"' in page
    browser.post(f"{CHANGES}{change.pk}/undo/")
    assert live() == {"I drink green tea", "Green tea is what I drink"}


def test_the_other_one_is_searched_for(browser: Client, in_acme: Actor) -> None:
    tea = told(in_acme, "I drink tea")
    told(in_acme, "The heron sleeps")
    address = f"{PAGE}{tea.pk}/merge/"

    assert "The heron sleeps" in text_of(browser.get(address, {"q": "heron"}))
    assert "No memory in use has these words" in text_of(browser.get(address, {"q": "otter"}))


def test_a_merge_without_a_choice_or_with_what_is_gone_is_said_so(
    browser: Client, in_acme: Actor
) -> None:
    tea, also = told(in_acme, "I drink tea"), told(in_acme, "Tea it is")
    address = f"{PAGE}{tea.pk}/merge/"

    assert "Choose the memory" in text_of(browser.post(address, {"keep": "this"}))
    assert browser.post(address, {"other": str(new_id()), "keep": "this"}).status_code == 404
    faded(in_acme, also)
    late = text_of(browser.post(address, {"other": str(also.pk), "keep": "this"}))
    assert "changed, archived or forgotten since" in late
    assert live() == {"I drink tea"}


# -- restoring, and what was forgotten by mistake


def test_what_was_replaced_is_restored_from_its_history(browser: Client, in_acme: Actor) -> None:
    rome, berlin = told(in_acme, "I live in Rome"), told(in_acme, "I live in Berlin")
    Memory.objects.update(slot="self.home")
    rome.refresh_from_db()
    with transaction.atomic():
        supersede(rome, berlin, at=noon("2026-03-10"))

    assert "“I live in Berlin” gives way to it." in text_of(browser.get(f"{PAGE}{rome.pk}/"))
    done = text_of(browser.post(f"{PAGE}{rome.pk}/restore/", follow=True))

    assert "Karen uses it again." in done
    assert live() == {"I live in Rome"}
    assert "Now:" in text_of(browser.get(f"{PAGE}{berlin.pk}/"))


def test_what_is_said_already_does_not_come_back(browser: Client, in_acme: Actor) -> None:
    old = told(in_acme, "I drink tea")
    faded(in_acme, old)
    told(in_acme, "I drink tea")

    refused = text_of(browser.post(f"{PAGE}{old.pk}/restore/", follow=True))

    assert "Another memory says exactly this already." in refused


def test_what_was_forgotten_by_mistake_is_kept_anew(browser: Client, in_acme: Actor) -> None:
    memory = told(in_acme, 'I drink "tea" & <milk>', importance=8, pinned=True)

    gone = browser.post(f"{PAGE}{memory.pk}/forget/")
    page = text_of(gone)
    assert not Memory.objects.exists()
    assert "I drink &quot;tea&quot; &amp; &lt;milk&gt;" in page
    assert browser.post(f"{PAGE}{memory.pk}/forget/").status_code == 404  # sent once more
    assert "&lt;milk&gt;" not in text_of(browser.get(PAGE))  # the answer alone held it

    words = {"text": memory.text, "kind": "semantic", "importance": "8", "pinned": "on"}
    for _ in range(2):
        again = browser.post(f"{PAGE}again/", words, headers={"HX-Request": "true"})
        assert text_of(again).lstrip().startswith("<li")
    [kept] = Memory.objects.all()
    assert (kept.text, kept.importance) == (memory.text, 8)
    assert kept.pinned_at is not None
    assert kept.pk != memory.pk
    assert browser.post(f"{PAGE}again/", {"text": ""}).status_code == 404


def test_others_undo_merge_and_restore_nothing(
    committed: World, people: People, in_acme: Actor, browser_of: BrowserOf
) -> None:
    tea, also = told(in_acme, "I drink tea"), told(in_acme, "Tea it is")
    change = faded(in_acme, told(in_acme, "The heron sleeps"))

    for client in (
        browser_of(people.bea, committed.acme),
        browser_of(people.gus, committed.globex),
    ):
        assert "heron" not in text_of(client.get(CHANGES))
        merge = {"other": str(also.pk), "keep": "this"}
        assert client.get(f"{PAGE}{tea.pk}/merge/").status_code == 404
        assert client.post(f"{PAGE}{tea.pk}/merge/", merge).status_code == 404
        assert client.post(f"{PAGE}{tea.pk}/restore/").status_code == 404
        assert client.post(f"{CHANGES}{change.pk}/undo/").status_code == 404
        assert f"{CHANGES}{change.pk}" not in text_of(client.get(f"{CHANGES}?before={new_id()}x"))
    guest = browser_of(people.eve, committed.acme)
    assert guest.get(CHANGES).status_code == 403
    assert live() == {"I drink tea", "Tea it is"}
