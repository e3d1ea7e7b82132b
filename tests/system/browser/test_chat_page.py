"""The chat page in a real browser, over the scripted model."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, WebSocketRoute, expect

from tests.fixtures.database import World
from tests.fixtures.people import People
from tests.system.browser.conftest import Site
from tests.system.browser.pages import ChatPage

pytestmark = [pytest.mark.browser, pytest.mark.minutes(1)]

SignIn = Callable[[Page, str, str], None]

SLOWLY = "!delay 0.05\n"
NUMBERS = SLOWLY + "!tokens 120"
ALL_NUMBERS = " ".join(f"word{number}" for number in range(1, 121))


@pytest.fixture
def chat(page: Page, committed: World, people: People, sign_in: SignIn) -> ChatPage:
    """Ann's empty chat, asking the scripted model."""
    sign_in(page, "acme", "ann@acme.example")
    opened = ChatPage(page)
    opened.expect_open()
    opened.choose_model("echo/plain")
    return opened


def test_an_answer_streams_and_stays_whole_and_single_over_a_reload(chat: ChatPage) -> None:
    chat.send(NUMBERS)
    chat.expect_streaming()

    chat.page.reload()

    chat.expect_streaming()
    chat.expect_status("complete")
    assert chat.text_of() == ALL_NUMBERS
    expect(chat.answers).to_have_count(1)
    expect(chat.questions).to_have_count(1)


def test_stop_keeps_what_was_written(chat: ChatPage) -> None:
    chat.send(NUMBERS)
    chat.expect_streaming()

    chat.stop()

    chat.expect_status("cancelled")
    assert ALL_NUMBERS.startswith(chat.text_of())
    assert chat.text_of() != ALL_NUMBERS
    expect(chat.answer()).to_contain_text("You stopped this answer.")


def test_escape_stops_too(chat: ChatPage) -> None:
    chat.send(NUMBERS)
    chat.expect_streaming()
    chat.page.keyboard.press("Escape")
    chat.expect_status("cancelled")


def test_a_failed_answer_says_why_and_can_be_asked_again(chat: ChatPage) -> None:
    chat.send("!error rejected")
    chat.expect_status("failed")
    expect(chat.answer().get_by_text("Reference")).to_be_visible()

    chat.answer().get_by_role("button", name="Try again").click()

    chat.expect_version(chat.answer(), "2/2")
    chat.expect_status("failed")
    expect(chat.questions).to_have_count(1)


def test_the_words_of_a_model_are_not_markup(chat: ChatPage) -> None:
    requested: list[str] = []
    chat.page.on("request", lambda request: requested.append(request.url))
    chat.send(
        "<script>document.title='owned'</script>\n\n"
        "<img src=https://evil.example/a.png onerror=\"document.title='owned'\">\n\n"
        "![pixel](https://evil.example/b.png) [bad](javascript:alert(1)) "
        "[data](data:text/html,x) [good](https://example.org/x)\n\n"
        "```html\n<b onclick=x>code</b>\n```"
    )
    chat.expect_status("complete")

    body = chat.answer().locator("[data-body]")

    assert body.locator("script, img, iframe, b[onclick]").count() == 0
    links = body.locator("a").evaluate_all("all => all.map(a => [a.href, a.rel])")
    assert links == [
        ["https://evil.example/b.png", "noopener noreferrer nofollow"],
        ["https://example.org/x", "noopener noreferrer nofollow"],
    ]
    assert chat.page.title() != "owned"
    assert [url for url in requested if "evil.example" in url] == []
    assert "<script>document.title" in chat.text_of()


@pytest.fixture
def wires(page: Page) -> list[WebSocketRoute]:
    """Every socket the page opens, for tests that cut it."""
    opened: list[WebSocketRoute] = []

    def pass_through(route: WebSocketRoute) -> None:
        route.connect_to_server()
        opened.append(route)

    page.route_web_socket("**/ws/chat/", pass_through)
    return opened


def test_a_cut_connection_resumes_where_it_was(wires: list[WebSocketRoute], chat: ChatPage) -> None:
    chat.send(NUMBERS)
    for _cut in range(3):
        chat.expect_streaming()
        cut = len(wires)
        wires[-1].close(code=1012)
        while len(wires) == cut:  # the test's own timeout ends it
            chat.page.wait_for_timeout(50)

    chat.expect_status("complete")

    assert chat.text_of() == ALL_NUMBERS
    expect(chat.answers).to_have_count(1)
    assert len(wires) > 1


def test_a_message_written_offline_is_sent_once_when_the_server_is_back(
    chat: ChatPage, context: BrowserContext
) -> None:
    page = chat.page
    blocked = [True]

    def refuse(route: WebSocketRoute) -> None:
        if blocked[0]:
            route.close(code=1012)
        else:
            route.connect_to_server()

    page.route_web_socket("**/ws/chat/", refuse)
    page.reload()
    chat.send("hello from the tunnel")
    expect(chat.questions).to_contain_text("Will be sent when the connection is back.")
    page.reload()  # not even a reload loses it
    expect(chat.questions).to_contain_text("hello from the tunnel")
    expect(chat.banner).to_be_visible()
    blocked[0] = False
    chat.banner.get_by_role("button", name="Try now").click()

    chat.expect_status("complete")
    expect(chat.questions).to_have_count(1)
    page.reload()
    chat.expect_status("complete")
    expect(chat.questions).to_have_count(1)


def test_the_reader_who_scrolled_up_is_left_in_peace(chat: ChatPage) -> None:
    scroller = chat.page.locator("#scroller")
    chat.send("!tokens 3000")
    chat.expect_status("complete")
    chat.send(NUMBERS.replace("120", "400").replace("0.05", "0.02"))
    chat.expect_streaming(1)
    chat.page.mouse.move(640, 300)
    chat.page.mouse.wheel(0, -800)
    expect(chat.page.get_by_role("button", name="Jump to the latest message")).to_be_visible()
    before = scroller.evaluate("e => e.scrollTop")
    length = len(chat.text_of(1))

    chat.page.wait_for_function(
        "n => document.querySelectorAll('[data-body]')[1].innerText.length > n + 400", arg=length
    )

    assert scroller.evaluate("e => e.scrollTop") == before
    chat.page.get_by_role("button", name="Jump to the latest message").click()
    assert scroller.evaluate("e => e.scrollHeight - e.scrollTop - e.clientHeight") < 50


def test_conversations_are_renamed_found_and_deleted(chat: ChatPage) -> None:
    for text in ("first of all", "second of all"):
        chat.send(text)
        chat.expect_status("complete")
        chat.page.get_by_role("link", name="New chat").first.click()
        chat.choose_model("echo/plain")
    expect(chat.listed).to_have_count(2)

    row = chat.listed.filter(has_text="first of all")
    row.hover()
    row.get_by_role("button", name="Options for").click()
    chat.page.get_by_role("menuitem", name="Rename").click()
    chat.page.keyboard.type("Renamed")
    chat.page.keyboard.press("Enter")
    chat.page.reload()
    expect(chat.listed.filter(has_text="Renamed")).to_have_count(1)

    chat.page.keyboard.press("Control+k")
    chat.page.keyboard.type("renam")
    expect(chat.listed).to_have_count(1)

    chat.listed.get_by_role("link").click()
    expect(chat.answers).to_have_count(1)
    chat.listed.hover()
    chat.listed.get_by_role("button", name="Options for").click()
    chat.page.get_by_role("menuitem", name="Delete").click()
    chat.page.get_by_role("button", name="Delete", exact=True).click()
    expect(chat.page.get_by_role("heading", name="What are you working on")).to_be_visible()
    chat.page.reload()
    expect(chat.listed).to_have_count(1)


def test_a_draft_belongs_to_its_conversation(chat: ChatPage) -> None:
    chat.send("one")
    chat.expect_status("complete")
    chat.box.fill("half a thought")
    chat.page.keyboard.press("Control+Shift+O")
    expect(chat.box).to_have_value("")
    chat.page.go_back()
    expect(chat.box).to_have_value("half a thought")
    chat.page.reload()
    expect(chat.box).to_have_value("half a thought")


def test_a_message_that_is_too_long_is_not_sent(chat: ChatPage) -> None:
    chat.box.fill("x" * 10_001)
    expect(chat.page.get_by_text("10,001 of 10,000")).to_be_visible()
    chat.box.press("Enter")
    expect(chat.send_button).to_be_disabled()
    expect(chat.questions).to_have_count(0)


def test_the_chosen_theme_stays(chat: ChatPage) -> None:
    root = chat.page.locator("html")
    switch = chat.page.get_by_role("button", name="Theme")
    switch.click()
    switch.click()
    expect(root).to_have_attribute("data-theme", "dark")
    chat.page.reload()
    expect(root).to_have_attribute("data-theme", "dark")


def test_the_list_is_a_drawer_on_a_phone(chat: ChatPage) -> None:
    chat.page.set_viewport_size({"width": 390, "height": 844})
    expect(chat.page.locator("#sidebar")).to_be_hidden()
    chat.page.get_by_role("button", name="Show the list of conversations").click()
    expect(chat.page.locator("#sidebar")).to_be_visible()
    assert chat.page.evaluate("document.documentElement.scrollWidth") == 390


def test_the_keys_of_the_help_exist(chat: ChatPage) -> None:
    chat.page.locator("#title").click()
    chat.page.keyboard.press("?")
    expect(chat.page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    chat.page.keyboard.press("Escape")
    chat.page.keyboard.press("/")
    expect(chat.box).to_be_focused()
    chat.page.keyboard.press("Control+Shift+S")
    expect(chat.page.locator("#sidebar")).to_be_hidden()


def test_another_workspace_sees_nothing(
    chat: ChatPage, site: Site, sign_in: SignIn, context: BrowserContext
) -> None:
    chat.send("a secret of acme")
    chat.expect_status("complete")
    address = chat.page.url
    other = context.new_page()
    sign_in(other, "globex", "gus@globex.example")
    elsewhere = ChatPage(other)
    elsewhere.expect_open()
    expect(elsewhere.listed).to_have_count(0)

    answer = other.goto(address.replace("acme.", "globex."))

    assert answer is not None
    assert answer.status == 404
