"""The page of usage in a browser: light, dark, on a phone; budgets added by hand.

With `USAGE_PICTURES=<folder>` the pages are kept as pictures: `docs/images/usage.png` is made by

    make test ARGS="tests/system/browser/test_usage_page.py --browser" USAGE_PICTURES=docs/images
"""

import math
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from apps.accounts import selectors as accounts
from apps.core.clock import now
from apps.core.scope import TenantRef
from apps.providers.configuration import Price
from apps.providers.contracts import Flow, Usage
from apps.providers.models import BudgetUse
from tests.app.providers.money import FREE, PRICED, UNPRICED, call, make_budget, turn_origin, write
from tests.fixtures.database import World
from tests.fixtures.people import People
from tests.system.browser.conftest import Site

pytestmark = [pytest.mark.browser, pytest.mark.system]
SignIn = Callable[[Page, str, str], None]

DAYS = 24
_CHEAP = replace(
    PRICED, own=Price(input=Decimal("0.15"), cached=Decimal("0.08"), output=Decimal("0.6"))
)


def a_month_of_calls(tenant: TenantRef, people: People) -> None:
    """Write what a small team uses in some weeks: workdays more than weekends."""
    records = []
    models = [
        ("openai/gpt-4.1", PRICED, 9), ("local/smollm2-135m-instruct", FREE, 14),
        ("mistral/mistral-small", _CHEAP, 6), ("vllm/in-house-70b", UNPRICED, 2),
    ]  # fmt: skip
    for day in range(DAYS):
        moment = (now() - timedelta(days=day)).replace(hour=9)
        busy = 0.25 if moment.weekday() >= 5 else 1 + 0.4 * math.sin(day)
        for model, tariff, often in models:
            for number in range(max(1, round(often * busy))):
                tokens = 900 + 137 * ((number * 7 + day * 3) % 23)
                failed = (number + day) % 31 == 0
                person = people.ann if (number + day) % 3 else people.bea
                records.append(
                    call(
                        tenant,
                        model=model,
                        provider=model.partition("/")[0],
                        tariff=None if failed else tariff,
                        status="provider_timeout" if failed else "ok",
                        flow=Flow.CHAT_TITLE if number % 6 == 5 else Flow.CHAT_ANSWER,
                        started_at=moment + timedelta(minutes=number * 7),
                        usage=None
                        if failed
                        else Usage(
                            prompt_tokens=tokens * 4,
                            completion_tokens=tokens // 3,
                            estimated=False,
                        ),
                        first_ms=None if failed else 180 + tokens // 6,
                        origin=turn_origin(person),
                    )
                )
    write(*records)


def with_budgets(tenant: TenantRef, people: People) -> None:
    """Make three budgets: one in order, one nearly used up, one passed."""
    whole = make_budget(tenant, amount=5)
    BudgetUse.objects.create(
        budget=whole, subject_id=tenant.id, period_start=now().date().replace(day=1), used=1.734
    )
    each = make_budget(tenant, level="member", unit="tokens", period="day", amount=50_000)
    for person, used in ((people.ann, 43_100), (people.bea, 9_400)):
        BudgetUse.objects.create(
            budget=each, subject_id=person, period_start=now().date(), used=used
        )
    role = next(iter(accounts.list_roles(tenant)))
    group = make_budget(
        tenant, level="group", subject_id=role, period="week", amount=1, is_hard=False
    )
    today = now().date()
    BudgetUse.objects.create(
        budget=group,
        subject_id=role,
        period_start=today - timedelta(days=today.weekday()),
        used=1.21,
    )


def keep_picture(page: Page, name: str) -> None:
    folder = os.environ.get("USAGE_PICTURES")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


@pytest.mark.parametrize("width,scheme", [(1280, "light"), (1280, "dark"), (390, "light")])
def test_the_page_is_whole_in_every_dress(
    worker: World, people: People, site: Site, sign_in: SignIn, page: Page, width: int, scheme: str
) -> None:
    a_month_of_calls(worker.acme, people)
    with_budgets(worker.acme, people)
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    sign_in(page, "acme", "ann@acme.example")
    today = now().date()
    first = today - timedelta(days=DAYS - 1)
    page.goto(f"{site.workspace('acme')}/usage/?from={first}&to={today}")

    expect(page.get_by_role("heading", name="Usage", exact=True)).to_be_visible()
    expect(page.get_by_role("img", name="Cost a day")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_count(4)
    assert page.locator("svg rect").count() > DAYS
    # Nothing reaches over the edge of the window; wide tables scroll by themselves.
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    keep_picture(page, f"usage-{width}-{scheme}" if (width, scheme) != (1280, "light") else "usage")


def test_a_budget_is_added_and_removed_by_hand(
    worker: World, people: People, site: Site, sign_in: SignIn, page: Page
) -> None:
    sign_in(page, "acme", "ann@acme.example")
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="Usage").click()
    page.get_by_label("For", exact=True).select_option("Each member")
    page.get_by_role("spinbutton", name="Limit").fill("12.5")
    page.get_by_role("button", name="Add budget").click()
    expect(page.get_by_role("heading", name="Each member")).to_be_visible()
    expect(page.get_by_text("$12.50 a month")).to_be_visible()
    page.get_by_text("Change", exact=True).click()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("Nothing limits what may be spent here.")).to_be_visible()
