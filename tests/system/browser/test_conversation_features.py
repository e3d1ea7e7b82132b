"""Branches, queue, several models, several tabs, settings: in a real browser."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, FilePayload, Page, Route, expect

from tests.fixtures.database import World
from tests.fixtures.people import People
from tests.system.browser.pages import ChatPage

pytestmark = [pytest.mark.browser, pytest.mark.minutes(1)]

SignIn = Callable[[Page, str, str], None]

SLOWLY = "!delay 0.05\n"
NUMBERS = SLOWLY + "!tokens 200"


@pytest.fixture
def chat(page: Page, committed: World, people: People, sign_in: SignIn) -> ChatPage:
    """Ann's empty chat, asking the scripted model."""
    sign_in(page, "acme", "ann@acme.example")
    opened = ChatPage(page)
    opened.expect_open()
    opened.choose_model("echo/plain")
    return opened


def test_an_edited_message_makes_a_branch_and_both_can_be_read(chat: ChatPage) -> None:
    chat.send("the first wording")
    chat.expect_status("complete")

    chat.edit("the second wording")

    chat.expect_version(chat.question(), "2/2")
    expect(chat.answer()).to_contain_text("the second wording")
    chat.question().get_by_role("button", name="Previous version").click()
    expect(chat.answer()).to_contain_text("the first wording")
    chat.question().get_by_role("button", name="Next version").press("ArrowRight")
    expect(chat.answer()).to_contain_text("the second wording")
    chat.page.reload()
    expect(chat.answer()).to_contain_text("the second wording")


def test_another_answer_stands_beside_the_first(chat: ChatPage) -> None:
    chat.send("once more")
    chat.expect_status("complete")

    chat.ask_again()

    chat.expect_version(chat.answer(), "2/2")
    chat.expect_status("complete")
    expect(chat.questions).to_have_count(1)
    chat.answer().get_by_role("button", name="Previous version").click()
    chat.expect_version(chat.answer(), "1/2")


def test_a_cut_answer_is_continued(chat: ChatPage) -> None:
    chat.send("!tokens 5\n!cut")
    chat.expect_status("interrupted")

    chat.answer().get_by_role("button", name="Continue").click()

    chat.expect_version(chat.answer(), "2/2")
    expect(chat.answer()).to_contain_text("word5")


def test_messages_written_meanwhile_wait_and_go_in_their_order(chat: ChatPage) -> None:
    chat.send(SLOWLY + "!tokens 60")
    chat.expect_streaming()

    chat.send("second")
    chat.send("third")

    expect(chat.waiting).to_have_count(2)
    expect(chat.questions).to_have_count(1)
    chat.expect_status("complete", 2)
    expect(chat.waiting).to_have_count(0)
    expect(chat.words).to_have_text(["!delay 0.05\n!tokens 60", "second", "third"])


def test_a_waiting_message_can_be_cancelled(chat: ChatPage) -> None:
    chat.send(NUMBERS)
    chat.expect_streaming()
    chat.send("never mind")
    expect(chat.waiting).to_have_count(1)

    chat.waiting.get_by_role("button", name="Do not send").click()

    expect(chat.waiting).to_have_count(0)
    expect(chat.answer(1)).to_contain_text("Stopped before it began.")
    chat.stop()
    chat.expect_status("cancelled")


def test_send_now_stops_the_answer_and_goes_next(chat: ChatPage) -> None:
    chat.send(NUMBERS)
    chat.expect_streaming()

    chat.box.fill("rather this")
    chat.box.press("Control+Enter")

    chat.expect_status("cancelled")
    chat.expect_status("complete", 1)
    expect(chat.answer(1)).to_contain_text("rather this")


def test_two_tabs_show_the_same_while_it_happens(chat: ChatPage) -> None:
    chat.send("hello")
    chat.expect_status("complete")
    other = chat.in_another_tab()
    other.expect_status("complete")

    chat.send(NUMBERS.replace("200", "80"))

    other.expect_streaming(1)
    chat.expect_status("complete", 1)
    other.expect_status("complete", 1)
    assert other.text_of(1) == chat.text_of(1)
    other.edit("changed elsewhere")
    expect(chat.question()).to_contain_text("changed elsewhere")
    other.page.close()


def test_several_models_answer_side_by_side_and_one_is_gone_on_with(chat: ChatPage) -> None:
    chat.compare_with("Echo (slow)")
    chat.send("both of you")
    chat.expect_status("complete", 0)
    chat.expect_status("complete", 1)

    chat.answer(1).get_by_role("button", name="Go on with this").click()

    expect(chat.answer(1)).to_contain_class("is-chosen")
    chat.page.reload()
    expect(chat.answers).to_have_count(2)
    expect(chat.answer(1)).to_contain_class("is-chosen")


def test_answers_side_by_side_are_tabs_on_a_phone(chat: ChatPage) -> None:
    chat.page.set_viewport_size({"width": 390, "height": 844})
    chat.compare_with("Echo (slow)")
    chat.send("a " * 60)
    chat.expect_status("complete", 1)

    expect(chat.answer(1)).to_be_hidden()
    chat.page.get_by_role("tab", name="Echo (slow)").click()

    expect(chat.answer(1)).to_be_visible()
    expect(chat.answer(0)).to_be_hidden()
    assert chat.page.evaluate("document.documentElement.scrollWidth") == 390


def test_settings_are_kept_with_the_conversation(chat: ChatPage) -> None:
    chat.send("hello")
    chat.expect_status("complete")
    chat.page.get_by_role("button", name="Settings of this conversation").click()

    chat.page.get_by_label("Mode", exact=True).select_option("code")
    chat.page.get_by_label("Show thoughts").check()

    expect(chat.page.get_by_text("Saved")).to_be_visible()
    chat.page.reload()
    chat.page.get_by_role("button", name="Settings of this conversation").click()
    expect(chat.page.get_by_label("Mode", exact=True)).to_have_value("code")
    expect(chat.page.get_by_label("Show thoughts")).to_be_checked()


def test_a_pinned_conversation_is_listed_first_and_an_archived_one_elsewhere(
    chat: ChatPage,
) -> None:
    for text in ("older", "newer"):
        chat.page.get_by_role("link", name="New chat").first.click()
        chat.choose_model("echo/plain")
        chat.send(text)
        chat.expect_status("complete")
    older = chat.listed.filter(has_text="older")

    older.get_by_role("button", name="Options for").click()
    chat.page.get_by_role("menuitem", name="Pin").click()

    expect(chat.listed.first).to_have_text("older")
    older.get_by_role("button", name="Options for").click()
    chat.page.get_by_role("menuitem", name="Archive").click()
    expect(chat.listed).to_have_text(["newer"])
    chat.page.get_by_role("button", name="Options of the list").click()
    chat.page.get_by_role("menuitem", name="Archived conversations").click()
    expect(chat.listed).to_have_text(["older"])


def test_a_temporary_chat_is_in_no_list(chat: ChatPage) -> None:
    chat.page.get_by_role("button", name="Temporary chat").click()
    expect(chat.page.get_by_text("A temporary chat")).to_be_visible()
    chat.choose_model("echo/plain")
    chat.send("between us")
    chat.expect_status("complete")
    address = chat.page.url

    chat.page.get_by_role("link", name="New chat").first.click()

    expect(chat.listed).to_have_count(0)
    chat.page.goto(address)
    expect(chat.page.get_by_text("between us")).to_have_count(0)


def test_a_long_conversation_opens_at_its_end_and_shows_more_on_the_way_up(
    chat: ChatPage,
) -> None:
    chat.send("number 0")
    chat.expect_status("complete")
    for number in range(1, 20):
        chat.send(f"number {number}")
        chat.expect_status("complete", number)
    chat.page.reload()
    expect(chat.words.last).to_have_text("number 19")
    assert chat.questions.count() < 20

    chat.page.locator("#scroller").hover()
    for _turn in range(20):
        chat.page.mouse.wheel(0, -2000)
        chat.page.wait_for_timeout(50)

    expect(chat.questions).to_have_count(20)
    expect(chat.words.first).to_have_text("number 0")


def test_a_file_that_cannot_be_read_says_why_and_goes_away(chat: ChatPage) -> None:
    page = chat.page
    expect(page.get_by_role("button", name="Attach files")).to_be_visible()
    page.locator("#file-input").set_input_files(
        FilePayload(name="<b>.bin", mimeType="text/plain", buffer=bytes(range(256)) * 8)
    )
    chip = page.locator(".chip")
    expect(chip).to_contain_class("is-refused")
    expect(chip).to_contain_text("<b>.bin")
    expect(chip).to_contain_text("cannot be read")

    page.get_by_role("button", name="Remove <b>.bin").click()

    expect(chip).to_have_count(0)
    expect(chat.box).to_be_focused()


def test_a_tool_call_is_a_card_that_opens(chat: ChatPage) -> None:
    chat.send('!tool calculator {"expression": "17*23"}')
    chat.expect_status("complete")

    card = chat.answer().locator(".call")

    expect(card).to_contain_text("calculator")
    card.locator("summary").click()
    expect(card).to_contain_text("391")
    chat.page.reload()
    expect(chat.answer().locator(".call")).to_contain_text("calculator")


def test_a_search_leads_to_the_message(chat: ChatPage) -> None:
    chat.send("the heron stands in the reeds")
    chat.expect_status("complete")
    chat.page.get_by_role("link", name="New chat").first.click()

    chat.page.keyboard.press("Control+k")
    chat.page.keyboard.type("heron")
    hit = chat.page.locator("#results a[href*='#m-']").first  # its title is found as well
    expect(hit.locator("mark")).to_have_text("heron", timeout=30_000)
    hit.click()

    expect(chat.page.locator(".is-found")).to_contain_text("heron")


def test_a_conversation_moves_into_a_folder_and_several_are_archived_at_once(
    chat: ChatPage,
) -> None:
    page = chat.page
    chat.send("to be sorted")
    chat.expect_status("complete")
    page.get_by_role("button", name="Options of the list").click()
    page.get_by_role("menuitem", name="New folder").click()
    page.get_by_label("Name", exact=True).fill("Harbour")
    page.get_by_role("button", name="Create").click()
    folder = page.locator("details.folder")
    expect(folder).to_contain_text("Harbour")

    chat.listed.get_by_role("button", name="Options for").click()
    page.get_by_role("menuitem", name="Move to folder").click()
    page.get_by_role("menuitemradio", name="Harbour").click()

    expect(folder.locator("[data-conversation]")).to_have_count(1)
    page.get_by_role("button", name="Options of the list").click()
    page.get_by_role("menuitem", name="Select several").click()
    page.get_by_role("checkbox", name="Select to be sorted").check()
    page.get_by_role("button", name="Archive", exact=True).click()
    expect(chat.listed).to_have_count(0)


def test_thumbs_and_pins_stay(chat: ChatPage) -> None:
    chat.send("rate me")
    chat.expect_status("complete")

    chat.answer().get_by_role("button", name="Good answer").click()
    chat.answer().get_by_role("button", name="More for this answer").click()
    chat.page.get_by_role("menuitem", name="Pin to the context").click()
    expect(chat.answer().locator(".pinned")).to_be_visible()
    chat.page.reload()

    like = chat.answer().get_by_role("button", name="Good answer")
    expect(like).to_have_attribute("aria-pressed", "true")
    expect(chat.answer().locator(".pinned")).to_be_visible()


def test_a_command_is_completed_and_answered(chat: ChatPage) -> None:
    chat.box.press_sequentially("/he")
    expect(chat.page.get_by_role("option", name="/help")).to_be_visible()

    chat.box.press("Tab")
    expect(chat.box).to_have_value("/help ")
    chat.box.press("Enter")

    chat.expect_status("complete")
    expect(chat.answer()).to_contain_text("/model")


def test_a_command_typed_before_the_commands_came_is_completed(chat: ChatPage) -> None:
    waiting: list[Route] = []

    def hold_back(route: Route) -> None:
        waiting.append(route)

    chat.page.route("**/api/v1/commands", hold_back)
    with chat.page.expect_request("**/api/v1/commands"):
        chat.page.reload()
    chat.expect_open()
    chat.box.press_sequentially("/he")
    for route in waiting:
        route.continue_()

    expect(chat.page.get_by_role("option", name="/help")).to_be_visible()


def test_people_in_one_conversation_see_each_other(
    chat: ChatPage, chromium: Browser, sign_in: SignIn
) -> None:
    chat.send("shall we?")
    chat.expect_status("complete")
    chat.page.get_by_role("button", name="Share").click()
    chat.page.get_by_label("Whom to add").select_option(label="Bea")
    chat.page.get_by_role("button", name="Add", exact=True).click()
    expect(chat.page.get_by_text("takes part")).to_be_visible()
    chat.page.keyboard.press("Escape")
    elsewhere = chromium.new_context()
    page = elsewhere.new_page()
    sign_in(page, "acme", "bea@both.example")
    page.goto(chat.page.url)
    bea = ChatPage(page)
    bea.expect_open()
    expect(chat.page.get_by_text("Also here: Bea")).to_be_attached()

    bea.box.press_sequentially("yes, let us")

    expect(chat.page.get_by_text("Bea is writing")).to_be_visible()
    bea.box.press("Enter")
    expect(chat.words).to_have_text(["shall we?", "yes, let us"])
    expect(chat.question(1).locator(".author")).to_have_text("Bea")
    elsewhere.close()
