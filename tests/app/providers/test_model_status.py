"""How models do, as members, administrators and operators see it; two workspaces."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from pytest_django.fixtures import Settings

from apps.core import scope
from apps.core.concurrency import run_async
from apps.core.errors import NotAuthenticated, PermissionDenied
from apps.core.scope import Actor, TenantRef
from apps.providers import breaker, health, selectors
from apps.providers.errors import ConfigurationError, ProviderUnavailable
from apps.providers.models import Provider
from apps.providers.services import model_status
from apps.providers.testing import forget_gateway
from tests.app.providers.administration import URL
from tests.app.providers.conftest import set_up
from tests.app.web.test_pages import assert_fits_policy
from tests.fixtures.database import World
from tests.fixtures.people import PASSWORD, People

BrowserOf = Callable[[UUID, TenantRef | None], Client]
PAGE = "/settings/providers/status/"


@pytest.fixture
def models(committed: World) -> World:
    """One provider of the platform and one of acme's own."""
    set_up("shared", URL, "one")
    set_up("mine", URL, "two", tenant=committed.acme)
    return committed


def _status(browser: Client) -> dict[str, dict[str, Any]]:
    answer = browser.get("/api/v1/providers/status")
    assert answer.status_code == 200, answer.content
    return {each["model"]: each for each in answer.json()["results"]}


def _calls(tenant: TenantRef, model_id: str, *, ok: int = 0, failed: int = 0) -> None:
    """Have calls be counted as another process counts them."""
    with scope.tenant_scope(tenant):
        model = selectors.get_model(model_id)
        for _ in range(ok):
            health.note_success(model, first_ms=300, tokens=100, writing_ms=2_000)
        for _ in range(failed):
            health.note_failure(model, ProviderUnavailable(rate_limited=True))
            run_async(breaker.note_failure(health.place_of(model)))
        health.flush()
    forget_gateway()


def test_a_member_sees_which_models_are_up_and_no_figures(
    models: World, people: People, browser_of: BrowserOf
) -> None:
    _calls(models.acme, "mine/two", failed=5)
    found = _status(browser_of(people.bea, models.acme))

    assert found["shared/one"]["state"] == "up"
    assert (found["mine/two"]["state"], found["mine/two"]["origin"]) == ("down", "workspace")
    assert "failed too often" in found["mine/two"]["why"]
    assert all(each["figures"] is None for each in found.values())
    assert {each["origin"] for name, each in found.items() if name != "mine/two"} == {"platform"}


def test_an_administrator_sees_figures_and_of_the_platforms_models_no_counts(
    models: World, people: People, browser_of: BrowserOf
) -> None:
    _calls(models.acme, "mine/two", ok=6, failed=4)
    _calls(models.globex, "shared/one", ok=6)
    found = _status(browser_of(people.ann, models.acme))

    own = found["mine/two"]["figures"]
    assert (own["calls"], own["rate_limited"], own["error_share"]) == (10, 4, 0.4)
    assert own["tokens_per_s"] == 50
    assert 200 < own["first_p50_ms"] < 500
    assert found["mine/two"]["state"] == "degraded"
    shared = found["shared/one"]["figures"]
    assert (shared["calls"], shared["rate_limited"], shared["error_share"]) == (None, None, 0.0)
    assert shared["first_p95_ms"] is not None


def test_another_workspace_sees_neither_the_model_nor_its_trouble(
    models: World, people: People, browser_of: BrowserOf
) -> None:
    set_up("mine", URL, "two", tenant=models.globex)
    _calls(models.acme, "mine/two", failed=5)
    assert _status(browser_of(people.gus, models.globex))["mine/two"]["state"] == "up"
    assert _status(browser_of(people.ann, models.acme))["mine/two"]["state"] == "down"


def test_models_without_calls_and_of_this_machine_have_a_status_as_well(
    models: World, people: People, browser_of: BrowserOf, settings: Settings
) -> None:
    settings.OPENAI_BASE_URL, settings.OPENAI_MODELS = URL, "env"
    found = _status(browser_of(people.ann, models.acme))
    assert {"openai/env", "echo/plain", "shared/one", "mine/two"} <= set(found)
    nothing = found["openai/env"]["figures"]
    assert (nothing["error_share"], nothing["first_p50_ms"], nothing["open_for_s"]) == (
        None,
        None,
        0.0,
    )


@pytest.mark.parametrize(
    "field, words",
    [("key_refused_at", "refuses its key"), ("simulate_failure", "simulated")],
)
def test_why_a_provider_is_down_is_said(
    models: World, people: People, browser_of: BrowserOf, field: str, words: str
) -> None:
    value = True if field == "simulate_failure" else "2026-01-01T00:00:00Z"
    Provider.objects.filter(slug="mine").update(**{field: value})
    forget_gateway()
    found = _status(browser_of(people.bea, models.acme))["mine/two"]
    assert found["state"] == "down"
    assert words in found["why"]


def test_a_key_that_was_refused_lately_degrades(
    models: World, people: People, browser_of: BrowserOf
) -> None:
    with scope.tenant_scope(models.acme):
        refusal = ConfigurationError("", key_refused=True)
        health.note_failure(selectors.get_model("mine/two"), refusal)
    found = _status(browser_of(people.bea, models.acme))["mine/two"]
    assert (found["state"], found["why"]) == ("degraded", "its key was refused lately")


def test_nobody_and_members_who_may_not_chat_are_refused(models: World) -> None:
    with scope.tenant_scope(models.acme):
        with pytest.raises(NotAuthenticated):
            model_status.list_model_status(actor=scope.ANONYMOUS)
        with pytest.raises(PermissionDenied):
            model_status.list_model_status(actor=Actor(id=UUID(int=1), label="x"))


def test_the_page_shows_what_needs_attention_and_renews_itself(
    models: World, people: People, browser_of: BrowserOf
) -> None:
    ann = browser_of(people.ann, models.acme)
    assert "All models are up." in assert_fits_policy(ann, PAGE)
    _calls(models.acme, "mine/two", ok=1, failed=5)
    text = assert_fits_policy(ann, PAGE)
    assert "failed too often" in text
    assert "83 %" in text
    part = ann.get(PAGE, headers={"HX-Request": "true"}).content.decode()
    assert part.startswith('<div id="status"')
    assert browser_of(people.bea, models.acme).get(PAGE).status_code == 403


@pytest.fixture
def operator(models: World, browser_of: BrowserOf) -> Iterator[Client]:
    user = get_user_model().objects.create_superuser("op@karen.example", PASSWORD)
    yield browser_of(UUID(str(user.pk)), None)
    user.delete()


def test_operators_see_the_platforms_models_with_counts_and_how_many_keys_are_refused(
    models: World, operator: Client
) -> None:
    _calls(models.acme, "shared/one", ok=7)
    Provider.objects.filter(slug="mine").update(key_refused_at="2026-01-01T00:00:00Z")
    text = operator.get("/admin/").content.decode()
    assert "shared/one" in text
    assert "mine/two" not in text
    assert "<td>7</td>" in text
    assert "<strong>1</strong> Providers that refuse their key" in text
    listed = operator.get("/admin/providers/provider/?key_refused_at__isempty=0").content.decode()
    assert "mine" in listed
