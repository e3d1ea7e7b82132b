"""Setting up a provider in a real browser: the form, the test beside the page, the key gone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from apps.providers.models import Provider
from tests.app.providers.administration import KEY
from tests.fixtures.database import World
from tests.fixtures.people import People
from tests.system.browser.conftest import Site

pytestmark = [pytest.mark.browser]


def test_an_administrator_sets_up_and_tries_a_provider_without_leaving_its_page(
    page: Page,
    site: Site,
    sign_in: Callable[[Page, str, str], None],
    people: People,
    committed: World,
) -> None:
    sign_in(page, "acme", "ann@acme.example")
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="Groq").click()
    page.get_by_label("Key").fill(KEY)
    page.get_by_role("button", name="Add Groq").click()
    expect(page.get_by_role("heading", name="Groq", exact=True)).to_be_visible()
    expect(page.get_by_label("New key")).to_have_value("")
    # No service sets up such an address; anything else would need the network.
    Provider.objects.update(base_url="https://127.0.0.1/v1")
    page.evaluate("window.stayed = true")

    page.get_by_role("button", name="Test").click()
    expect(page.locator("#examination")).to_contain_text("may not be contacted")
    page.get_by_role("button", name="Discover models").click()
    expect(page.locator("#discovery")).to_contain_text("may not be contacted")

    assert page.evaluate("window.stayed")
    assert KEY not in page.content()
