"""The look for faults finds them, and only them."""

import pytest
from playwright.sync_api import Page

from tests.system.browser.faults import faults_of

pytestmark = [pytest.mark.browser, pytest.mark.system]


@pytest.mark.parametrize(
    "body, fault",
    [
        ('<p id="a">x</p><p id="a">y</p>', "two elements are called #a"),
        ("<input name='q'>", "nothing names <input"),
        ("<select><option>words of its own</option></select>", "nothing names <select"),
        ("<button><svg></svg></button>", "nothing names <button"),
        ("<p style='color: #999'>pale</p>", "contrast 2.85: pale"),
        ("<div style='background: black'><p style='color: #555'>dark</p></div>", "contrast"),
    ],
)
def test_a_fault_is_found(page: Page, body: str, fault: str) -> None:
    page.set_content(f"<!doctype html><body>{body}")

    found = faults_of(page)

    assert len(found) == 1
    assert found[0].startswith(fault)


def test_what_is_well_is_none(page: Page) -> None:
    page.set_content(
        "<!doctype html><body><label>Search <input name='q'></label><a href='/'>Home</a>"
        "<button aria-label='Close'><svg></svg></button>"
        "<p style='color: #595959'>readable</p><p hidden style='color: #eee'>unseen</p>"
    )

    assert faults_of(page) == []
