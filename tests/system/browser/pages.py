"""The pages as a person uses them. Tests speak of these, not of selectors."""

from playwright.sync_api import Locator, Page, expect

ANSWER_MS = 120_000  # a real model on two busy cores


class SignUpPage:
    """The form that creates a workspace."""

    def __init__(self, page: Page, platform: str) -> None:
        self.page = page
        self.platform = platform

    def open(self) -> None:
        self.page.goto(f"{self.platform}/signup/")

    def fill(self, *, organisation: str, name: str, email: str, password: str) -> None:
        self.page.get_by_label("Organisation").fill(organisation)
        self.page.get_by_label("Your name").fill(name)
        self.page.get_by_label("E-mail").fill(email)
        self.page.get_by_label("Password").fill(password)

    def expect_address(self, slug: str) -> None:
        """Wait until the form proposes this address."""
        expect(self.page.get_by_label("Address")).to_have_value(slug)

    def submit(self) -> "ChatPage":
        self.page.get_by_role("button", name="Create workspace").click()
        return ChatPage(self.page)


class ChatPage:
    """The chat of one workspace."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.box = page.get_by_label("Message to Karen")
        self.questions = page.locator(".message-user")
        self.answers = page.locator(".message-answer")
        self.send_button = page.get_by_role("button", name="Send", exact=True)
        self.stop_button = page.get_by_role("button", name="Stop the answer")
        self.banner = page.locator("#banner")
        self.listed = page.locator("[data-conversation]")
        self.words = self.questions.locator(".bubble")
        self.waiting = page.locator(".queued")

    def expect_open(self) -> None:
        """Wait until the page is usable."""
        expect(self.box).to_be_visible()
        expect(self.page.locator("form[data-ready]")).to_be_attached()  # its script has loaded

    def send(self, text: str) -> None:
        self.box.fill(text)
        self.box.press("Enter")

    def choose_model(self, model: str) -> None:
        self.page.get_by_label("Model", exact=True).select_option(model)

    def compare_with(self, label: str) -> None:
        """Have another model answer beside the chosen one."""
        self.page.get_by_role("button", name="Ask several models").click()
        self.page.get_by_role("menuitemradio", name=label).click()

    def question(self, number: int = 0) -> Locator:
        return self.questions.nth(number)

    def edit(self, text: str, number: int = 0) -> None:
        """Replace a message by another one, on a branch of its own."""
        self.question(number).hover()
        self.question(number).get_by_role("button", name="Edit the message").click()
        self.page.get_by_label("Edit your message").fill(text)
        self.page.get_by_role("button", name="Send", exact=True).first.click()

    def ask_again(self, number: int = 0) -> None:
        """Have the same model answer anew."""
        self.answer(number).get_by_role("button", name="Another answer").click()
        self.page.get_by_role("menuitem", name="Try again").click()

    def expect_version(self, place: Locator, text: str) -> None:
        """Wait until a message says which of its versions it is, such as `2/3`."""
        expect(place.locator("[data-pager-text]")).to_have_text(text)

    def in_another_tab(self) -> "ChatPage":
        """Open the same address in a further tab of the same browser."""
        tab = self.page.context.new_page()
        tab.goto(self.page.url)
        opened = ChatPage(tab)
        opened.expect_open()
        return opened

    def answer(self, number: int = 0) -> Locator:
        return self.answers.nth(number)

    def text_of(self, number: int = 0) -> str:
        return self.answer(number).locator("[data-body]").inner_text()

    def expect_streaming(self, number: int = 0) -> None:
        """Wait until words of an answer are on the page while more are coming."""
        expect(self.answer(number)).to_have_attribute("data-status", "streaming", timeout=ANSWER_MS)
        expect(self.answer(number).locator(".md-block").first).to_be_visible(timeout=ANSWER_MS)

    def expect_status(self, status: str, number: int = 0) -> None:
        """Wait until an answer has come to this state, such as `complete` or `cancelled`."""
        expect(self.answer(number)).to_have_attribute("data-status", status, timeout=ANSWER_MS)

    def stop(self) -> None:
        self.stop_button.click()
