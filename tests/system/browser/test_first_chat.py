"""The promise of the first page, without a double anywhere: `make run`, Chromium, SmolLM2.

One stack serves the module; the tests stand in the order of a person's first visit but need none.
"""

import json
import os
import re
import signal
import time
from collections.abc import Iterator

import psutil
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.system.browser.conftest import _free_port
from tests.system.browser.pages import ChatPage, SignUpPage
from tests.system.browser.stack import RunningStack, running_stack

pytestmark = [
    pytest.mark.system,
    pytest.mark.browser,
    pytest.mark.local_model,
    pytest.mark.minutes(3),
]

LONG_QUESTION = "Write a long and detailed story about a lighthouse keeper and a storm."
RECOVERY_S = 30.0  # starting takes 4 s of a processor that other tests use as well


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """Everything that `make run` starts, in an empty folder; Ctrl-C leaves nothing behind."""
    with running_stack(tmp_path_factory.mktemp("stack"), _free_port()) as running:
        yield running
        pids = running.pids()
        assert len(pids) >= 10

    assert [pid for pid in pids if psutil.pid_exists(pid)] == []


def sign_up(page: Page, stack: RunningStack, organisation: str) -> ChatPage:
    form = SignUpPage(page, stack.platform)
    form.open()
    slug = re.sub(r"[^a-z0-9]+", "-", organisation.lower())
    form.fill(
        organisation=organisation,
        name="Ann",
        email=f"ann@{slug}.example",
        password="correct horse battery",
    )
    form.expect_address(slug)
    chat = form.submit()
    chat.expect_open()
    assert page.url.startswith(f"http://{slug}.localhost:{stack.port}/chat/")
    return chat


def ask(page: Page, path: str) -> tuple[int, str]:
    """Ask the API as the page's own scripts do; Playwright's client cannot resolve the host."""
    answer = page.evaluate(
        "async path => { const r = await fetch(path); return [r.status, await r.text()] }", path
    )
    return int(answer[0]), str(answer[1])


def test_an_organisation_signs_up_and_chats_with_a_real_model(
    stack: RunningStack, page: Page
) -> None:
    chat = sign_up(page, stack, "Lighthouse Ltd")

    chat.send(LONG_QUESTION)
    chat.expect_streaming()
    before = chat.text_of()
    page.reload()
    chat.expect_status("complete")

    expect(chat.questions).to_have_count(1)
    expect(chat.answers).to_have_count(1)
    whole = chat.text_of()
    assert whole.startswith(before[:40])
    page.reload()
    chat.expect_status("complete")
    assert chat.text_of() == whole


def test_stop_keeps_what_was_written(stack: RunningStack, page: Page) -> None:
    chat = sign_up(page, stack, "Stoppers")

    chat.send(LONG_QUESTION)
    chat.expect_streaming()
    chat.stop()
    chat.expect_status("cancelled")

    kept = chat.text_of()
    assert kept
    page.reload()
    chat.expect_status("cancelled")
    assert chat.text_of() == kept
    chat.send("Say hello.")
    chat.expect_status("complete", number=1)


def test_another_organisation_sees_nothing_of_it(
    stack: RunningStack, page: Page, context: BrowserContext
) -> None:
    mine = sign_up(page, stack, "First Org")
    mine.send("Say hello.")
    mine.expect_status("complete")
    conversation = page.url.rstrip("/").rpartition("/")[2]

    theirs = sign_up(context.new_page(), stack, "Second Org")

    expect(theirs.listed).to_have_count(0)
    status, body = ask(theirs.page, f"/api/v1/conversations/{conversation}")
    assert status == 404
    assert "hello" not in body.lower()
    assert json.loads(ask(theirs.page, "/api/v1/conversations")[1])["results"] == []


def test_a_killed_worker_costs_seconds_and_no_answer(stack: RunningStack, page: Page) -> None:
    chat = sign_up(page, stack, "Survivors")
    chat.send(LONG_QUESTION)
    chat.expect_streaming()
    conversation = page.url.rstrip("/").rpartition("/")[2]
    listed = json.loads(ask(page, f"/api/v1/conversations/{conversation}")[1])
    turn = f"/api/v1/turns/{listed['active_turn_id']}"

    os.kill(stack.inference_worker(), signal.SIGKILL)
    killed = time.monotonic()
    while json.loads(ask(page, turn)[1])["attempt"] < 2:
        assert time.monotonic() - killed < RECOVERY_S
        page.wait_for_timeout(200)
    recovered_s = time.monotonic() - killed
    chat.expect_status("complete")

    view = json.loads(ask(page, turn)[1])
    assert (view["state"], view["attempt"]) == ("completed", 2)
    expect(chat.questions).to_have_count(1)
    expect(chat.answers).to_have_count(1)
    shown = chat.text_of()
    page.reload()
    chat.expect_status("complete")
    assert chat.text_of() == shown
    print(f"recovered after {recovered_s:.1f} s")  # noqa: T201  # shown with -rP
