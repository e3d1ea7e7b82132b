"""A real Chromium against a real web process; the worker runs in the test process."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen
from uuid import UUID

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

from apps.core.scope import TenantRef
from tests.fixtures.database import World

BrowserOf = Callable[[UUID, TenantRef | None], Client]

ROOT = Path(__file__).parents[3]
STARTUP_S = 60
PATIENCE_MS = 15_000
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A running web process.

    Attributes:
        port: Where it listens.
        process: The process itself, for tests that stop it.
    """

    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def platform(self) -> str:
        return f"http://localhost:{self.port}"

    def workspace(self, slug: str) -> str:
        return f"http://{slug}.localhost:{self.port}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def site(served: Site, worker_process: None) -> Site:
    """The site with a worker behind it."""
    return served


@pytest.fixture(scope="session")
def served(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Daphne over the database and Redis of this run, with collected static files."""
    port, var = _free_port(), tmp_path_factory.mktemp("var")
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "karen_site.settings.test",
        "KAREN_VAR": str(var),
        "PORT": str(port),
        "PUBLIC_PORT": str(port),
    }
    manage = [sys.executable, str(ROOT / "manage.py")]
    subprocess.run(
        [*manage, "collectstatic", "--noinput", "-v0"], env=environment, cwd=ROOT, check=True
    )
    log = (var / "web.log").open("wb")
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "daphne",
            "-b",
            "127.0.0.1",
            "-p",
            str(port),
            "karen_site.asgi:application",
        ],
        env=environment,
        cwd=ROOT,
        stdout=log,
        stderr=log,
    )
    try:
        _wait_until_live(port, process, var / "web.log")
        yield Site(port=port, process=process)
    finally:
        process.terminate()
        process.wait(timeout=20)
        log.close()


def _wait_until_live(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + STARTUP_S
    while time.monotonic() < deadline:
        try:
            with urlopen(f"http://127.0.0.1:{port}/", timeout=1) as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.2)
            pytest.fail(f"the web process ended: {log.read_text()[-2000:]}")
    pytest.fail(f"the web process did not answer: {log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The system's Chromium, for one module: Playwright's loop must not outlive its tests."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("NOT RUN: the browser tests need Chromium (apt install chromium)")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright keeps an event loop running in this thread; Django would take the fixtures
        # that tidy the database for code inside it.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        expect.set_options(timeout=PATIENCE_MS)
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A person's browser: fresh cookies and storage."""
    fresh = chromium.new_context(viewport={"width": 1280, "height": 800})
    fresh.set_default_timeout(PATIENCE_MS)
    yield fresh
    fresh.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A tab whose scripts must not fail and must not run into the page's policy."""
    tab = context.new_page()
    problems: list[str] = []
    tab.on("pageerror", lambda error: problems.append(str(error)))

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error" and "Content Security Policy" in message.text:
            problems.append(message.text)

    tab.on("console", heard)
    yield tab
    assert problems == []


@pytest.fixture
def sign_in(site: Site, world: World, browser_of: BrowserOf) -> Callable[[Page, str, str], None]:
    """Open the chat of a workspace as one of its people; `test_sign_up.py` has the form."""

    def with_a_session(page: Page, slug: str, email: str) -> None:
        tenant = {each.slug: each for each in (world.acme, world.globex)}[slug]
        user_id = get_user_model().objects.get(email=email).pk
        name, address = settings.SESSION_COOKIE_NAME, site.workspace(slug)
        session = browser_of(user_id, tenant).cookies[name].value
        page.context.add_cookies([{"name": name, "value": session, "url": address}])
        page.goto(f"{address}/chat/")

    return with_a_session
