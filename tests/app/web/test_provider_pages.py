"""The pages on which administrators set up providers, models and the gateway."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from apps.core.scope import TenantRef
from apps.providers.models import Model, Provider, RoutingPolicy
from apps.providers.services import ProviderFields, providers
from tests.app.providers.administration import KEY, URL, on_the_platform
from tests.app.web.test_pages import assert_fits_policy
from tests.fixtures.database import World
from tests.fixtures.people import People

BrowserOf = Callable[[UUID, TenantRef | None], Client]
LIST = "/settings/providers/"
GATEWAY = "/settings/gateway/"
NEW = {"preset": "openai", "label": "Our OpenAI", "slug": "openai", "base_url": URL, "key": KEY}


@pytest.fixture
def ann(committed: World, people: People, browser_of: BrowserOf) -> Client:
    return browser_of(people.ann, committed.acme)


def _set_up(client: Client, **fields: object) -> str:
    answer = client.post(LIST, {**NEW, "models": ["gpt-4o-mini"], **fields})
    assert answer.status_code == 302, answer.content.decode()
    return str(answer.headers["Location"])


def _text(answer: Any) -> str:
    text: str = answer.content.decode()
    return text


def test_a_provider_is_set_up_from_a_preset_and_its_key_is_on_no_page(ann: Client) -> None:
    empty = assert_fits_policy(ann, LIST)
    form = assert_fits_policy(ann, f"{LIST}?preset=openai")
    page = _set_up(ann)
    texts = [assert_fits_policy(ann, page), assert_fits_policy(ann, LIST)]

    assert "No provider is set up yet" in empty
    assert "https://api.openai.com/v1" in form
    assert "Our OpenAI" in texts[1]
    assert all(KEY not in text for text in texts)
    assert f"<code>{KEY[-4:]}</code>" in texts[0]
    assert Provider.objects.get().models.get().name == "gpt-4o-mini"


def test_a_refused_form_comes_back_with_the_reason_and_without_the_key(ann: Client) -> None:
    text = _text(ann.post(LIST, {**NEW, "base_url": "http://10.0.0.1/v1"}))

    assert "must begin with https://" in text
    assert KEY not in text
    assert "Use small letters" in _text(ann.post(LIST, {**NEW, "slug": "A B"}))
    assert Provider.objects.count() == 0


def test_presets_of_private_servers_are_not_offered_to_a_workspace(ann: Client) -> None:
    text = _text(ann.get(f"{LIST}?preset=ollama"))

    assert "Ollama" not in text
    assert "Groq" in text


def test_a_platforms_provider_is_listed_and_has_no_page(ann: Client) -> None:
    with on_the_platform() as operator:
        fields = ProviderFields(slug="house", label="House", base_url="http://10.9.8.7/v1")
        made = providers.create_provider(actor=operator, fields=fields, key=KEY)

    text = _text(ann.get(LIST))

    assert "House" in text
    assert "offered by the platform" in text
    assert "10.9.8.7" not in text
    assert ann.get(f"{LIST}{made.id}/").status_code == 404
    assert ann.post(f"{LIST}{made.id}/delete/").status_code == 404


def test_everything_about_a_provider_can_be_changed_on_its_page(ann: Client) -> None:
    page = _set_up(ann)

    ann.post(f"{page}switch/", {"on": "no"})
    ann.post(f"{page}models/", {"name": "another"})
    wrong = _text(ann.post(f"{page}models/", {"name": "with blank"}))
    first = Model.objects.get(name="gpt-4o-mini")
    second = Model.objects.get(name="another")
    ann.post(f"{page}models/{second.pk}/raise/")
    facts = {"supports_vision": "yes", "supports_tools": "no", "context_tokens": "5000"}
    prices = {"input_price": "1.5", "output_price": "2.5", "is_enabled": "on"}
    ann.post(f"{page}models/{second.pk}/", {**facts, **prices})
    ann.post(f"{page}models/{first.pk}/remove/")
    moved = ann.post(
        page, {"label": "Elsewhere", "base_url": "https://else.example/v1"}, follow=True
    )

    row = Provider.objects.get()
    second.refresh_from_db()
    assert "A name has no blanks." in wrong
    assert (row.is_enabled, row.label, row.sealed_key) == (False, "Elsewhere", None)
    assert "set it anew" in _text(moved)
    assert list(row.models.all()) == [second]
    assert (second.supports_vision, second.supports_tools) == (True, False)
    assert (second.context_tokens, str(second.input_price)) == (5000, "1.500000")
    assert 'value="5000"' in assert_fits_policy(ann, f"{page}models/{second.pk}/")


def test_a_test_from_the_page_says_what_failed(ann: Client) -> None:
    page = _set_up(ann)
    # No service sets up such an address; the connection is refused where it would be made.
    Provider.objects.update(base_url="https://127.0.0.1/v1")

    part = ann.post(f"{page}test/", headers={"HX-Request": "true"})
    whole = ann.post(f"{page}test/")
    found = ann.post(f"{page}discover/", headers={"HX-Request": "true"})

    assert _text(part).lstrip().startswith('<div id="examination"')
    for answer in (part, whole, found, ann.post(f"{page}discover/")):
        assert "may not be contacted" in _text(answer)


def test_the_key_is_replaced_and_forgotten_from_the_page(ann: Client) -> None:
    text = _text(ann.post(LIST, {**NEW, "key": ""}))
    assert "answers nobody without a key" in text
    page = _set_up(ann)
    ann.post(f"{page}key/", {"remove": "yes"})

    assert "answers nobody without one" in _text(ann.get(page))
    text = _text(ann.post(f"{page}key/", {"key": "two words"}))
    assert "cannot be a key" in text
    assert "two words" not in text
    ann.post(f"{page}key/", {"key": KEY})
    assert Provider.objects.get().key_hint == KEY[-4:]
    ann.post(f"{page}key/", {"remove": "yes"})
    assert Provider.objects.get().sealed_key is None


def test_the_gateways_settings_and_rules_are_written_on_its_page(ann: Client) -> None:
    _set_up(ann)
    assert "There are no rules" in assert_fits_policy(ann, GATEWAY)

    wrong = ann.post(GATEWAY, {"cache_ttl_s": "4000"})
    saved = ann.post(
        GATEWAY, {"default_model": "openai/gpt-4o-mini", "cache_ttl_s": "60"}, follow=True
    )
    rule = {"name": "Images", "position": "10", "is_enabled": "on"}
    broken = ann.post(f"{GATEWAY}policies/", {**rule, "routes": "{targets"})
    strange = ann.post(f"{GATEWAY}policies/", {**rule, "routes": '{"targets": [{"weight": -1}]}'})
    parts = {
        "conditions": '{"needs": ["vision"]}',
        "routes": '{"targets": [{"model": "openai/*"}]}',
    }
    ann.post(f"{GATEWAY}policies/", {**rule, **parts})
    policy = RoutingPolicy.objects.get()

    assert "less than or equal to 3600" in _text(wrong)
    assert '<option value="openai/gpt-4o-mini" selected>' in _text(saved)
    assert "look at line 1" in _text(broken)
    assert "targets.0.model: Field required" in _text(strange)
    assert "targets.0.weight" in _text(strange)
    assert "&quot;vision&quot;" in assert_fits_policy(ann, f"{GATEWAY}policies/{policy.pk}/")
    assert "Images" in _text(ann.get(GATEWAY))
    ann.post(f"{GATEWAY}policies/{policy.pk}/delete/")
    assert RoutingPolicy.objects.count() == 0


def test_only_administrators_are_shown_the_way_to_the_settings(
    committed: World, people: People, browser_of: BrowserOf, ann: Client
) -> None:
    assert LIST in _text(ann.get("/chat/"))
    assert LIST not in _text(browser_of(people.bea, committed.acme).get("/chat/"))
    assert browser_of(people.bea, committed.acme).get(LIST).status_code == 403
