"""From the landing page into a new workspace, in a real browser."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.fixtures.database import World
from tests.system.browser.conftest import Site
from tests.system.browser.pages import ChatPage, SignUpPage

pytestmark = pytest.mark.browser


def test_a_stranger_has_a_workspace_in_one_form(page: Page, site: Site, committed: World) -> None:
    page.goto(f"{site.platform}/")
    page.get_by_role("link", name="Create a workspace").click()
    form = SignUpPage(page, site.platform)
    form.fill(
        organisation="Sea Rescue",
        name="Ada Lovelace",
        email="ada@sea.example",
        password="four unrelated words here",
    )
    form.expect_address("sea-rescue")

    chat = form.submit()

    page.wait_for_url(f"{site.workspace('sea-rescue')}/chat/")
    chat.expect_open()
    expect(page.get_by_text("What are you working on, Ada?")).to_be_visible()


def test_an_address_is_proposed_for_a_name_that_was_typed_before_the_script_came(
    page: Page, site: Site, committed: World
) -> None:
    waiting: list[Route] = []

    def hold_back(route: Route) -> None:
        waiting.append(route)

    page.route("**/htmx*.js", hold_back)
    with page.expect_request("**/htmx*.js"):
        page.goto(f"{site.platform}/signup/", wait_until="commit")
    page.get_by_label("Organisation").fill("Sea Rescue")
    for route in waiting:
        route.continue_()
    SignUpPage(page, site.platform).expect_address("sea-rescue")


def test_an_address_of_ones_own_is_not_overwritten(
    page: Page, site: Site, committed: World
) -> None:
    form = SignUpPage(page, site.platform)
    form.open()
    page.get_by_label("Organisation").press_sequentially("Sea")
    form.expect_address("sea")
    page.get_by_label("Address").fill("acme")
    expect(page.get_by_text("This one cannot be had.")).to_be_visible()
    page.get_by_label("Address").fill("waves")
    expect(page.get_by_text(re.compile(r"waves\.localhost"))).to_be_visible()

    page.get_by_label("Organisation").press_sequentially(" Rescue")
    page.wait_for_load_state("networkidle")

    form.expect_address("waves")


def test_a_person_moves_between_two_workspaces(page: Page, site: Site, committed: World) -> None:
    page.goto(f"{site.platform}/accounts/login/")
    page.get_by_label("E-mail").fill("bea@both.example")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/workspaces/")

    page.get_by_role("button", name="Globex").click()
    page.wait_for_url(f"{site.workspace('globex')}/chat/")
    ChatPage(page).expect_open()

    page.get_by_role("link", name="Globex").click()
    page.get_by_role("button", name="Acme").click()
    page.wait_for_url(f"{site.workspace('acme')}/chat/")

    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{site.workspace('acme')}/chat/")
    expect(page).to_have_url(re.compile("/accounts/login/"))


def test_a_member_logs_in_at_the_address_of_their_workspace(
    page: Page, site: Site, committed: World
) -> None:
    page.goto(f"{site.workspace('acme')}/chat/")
    page.wait_for_url("**/accounts/login/**")
    page.get_by_label("E-mail").fill("ann@acme.example")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Log in").click()

    page.wait_for_url(f"{site.workspace('acme')}/chat/")
    ChatPage(page).expect_open()
