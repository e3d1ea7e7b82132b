"""The gateway in the operators' console: every row, through the services, never a key."""

from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from apps.audit.models import AuditEntry
from apps.core import scope
from apps.core.scope import TenantRef
from apps.providers.models import GatewaySettings, Model, Provider, RoutingPolicy
from apps.providers.services import ProviderFields, providers
from tests.app.providers.administration import KEY, URL
from tests.fixtures.database import World
from tests.fixtures.people import PASSWORD, People

BrowserOf = Callable[[UUID, TenantRef | None], Client]
PROVIDERS = "/admin/providers/provider/"
NEW = {"slug": "house", "label": "House", "adapter": "openai_compatible", "is_enabled": "on"}
NO_MODELS = {"models-TOTAL_FORMS": "0", "models-INITIAL_FORMS": "0"}


@pytest.fixture
def operator(committed: World, people: People, browser_of: BrowserOf) -> Iterator[Client]:
    user = get_user_model().objects.create_superuser("op@karen.example", PASSWORD)
    yield browser_of(UUID(str(user.pk)), None)
    user.delete()


def _own_of(tenant: TenantRef) -> UUID:
    with scope.tenant_scope(tenant), scope.actor_scope(scope.SYSTEM), scope.correlation_scope():
        fields = ProviderFields(slug="cloud", base_url=URL)
        return providers.create_provider(
            actor=scope.SYSTEM, fields=fields, key=KEY, models=("big",)
        ).id


def test_lists_and_forms_answer(operator: Client, committed: World) -> None:
    made = _own_of(committed.acme)

    for path in ("provider", "routingpolicy", "gatewaysettings"):
        assert operator.get(f"/admin/providers/{path}/").status_code == 200
        assert operator.get(f"/admin/providers/{path}/add/").status_code == 200
    text = operator.get(f"{PROVIDERS}{made}/change/").content.decode()
    assert KEY not in text
    assert f"…{KEY[-4:]}" in text


def test_an_operator_sets_up_a_platforms_provider_at_a_private_address(operator: Client) -> None:
    models = {
        "models-TOTAL_FORMS": "1",
        "models-INITIAL_FORMS": "0",
        "models-0-name": "qwen",
        "models-0-position": "1",
        "models-0-is_enabled": "on",
        "models-0-context_tokens": "4096",
    }
    form = {**NEW, "base_url": "http://10.0.0.5:8000/v1", "key": KEY, **models}

    answer = operator.post(f"{PROVIDERS}add/", form)

    assert answer.status_code == 302, answer.content.decode()
    row = Provider.objects.get()
    assert (row.tenant_id, row.base_url, row.key_hint) == (None, form["base_url"], KEY[-4:])
    assert KEY.encode() not in bytes(row.sealed_key or b"")
    model = row.models.get()
    assert (model.name, model.context_tokens, model.position) == ("qwen", 4096, 1)
    entry = AuditEntry.objects.get(action="provider.created")
    assert (entry.actor_kind, entry.tenant_id) == ("operator", None)


@pytest.mark.parametrize(
    "change, said",
    [
        ({"base_url": "http://169.254.169.254/"}, "may not be contacted"),
        ({"base_url": "nonsense"}, "no address of an API"),
        ({"slug": "local"}, "taken by Karen"),
        ({"slug": "A-B"}, "should match pattern"),
        ({"adapter": "no-such"}, "No adapter of this name"),
        ({"key": "two words"}, "cannot be a key"),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_kept(
    operator: Client, change: dict[str, str], said: str
) -> None:
    form = {**NEW, **NO_MODELS, "base_url": URL, **change}

    text = operator.post(f"{PROVIDERS}add/", form, follow=True).content.decode()

    assert said in text
    assert Provider.objects.count() == 0


def test_a_workspaces_provider_is_changed_in_its_name_and_under_its_rules(
    operator: Client, committed: World
) -> None:
    made = _own_of(committed.acme)
    row = Model.objects.get()
    models = {
        "models-TOTAL_FORMS": "1",
        "models-INITIAL_FORMS": "1",
        "models-0-id": str(row.pk),
        "models-0-provider": str(made),
        "models-0-name": "bigger",
        "models-0-position": "0",
        "models-0-is_enabled": "on",
    }
    form = {**NEW, **models, "label": "Renamed", "base_url": URL}
    path = f"{PROVIDERS}{made}/change/"

    private = operator.post(path, {**form, "base_url": "https://10.0.0.1/v1"})
    answer = operator.post(path, form)

    provider = Provider.objects.get()
    assert "may not be contacted" in private.content.decode()
    assert answer.status_code == 302, answer.content.decode()
    assert (provider.label, provider.slug, provider.key_hint) == ("Renamed", "cloud", KEY[-4:])
    assert Model.objects.get().name == "bigger"
    entry = AuditEntry.objects.get(action="provider.changed")
    assert entry.tenant_id == committed.acme.id
    assert entry.actor_label == "op@karen.example"


def test_actions_switch_and_test_the_chosen_ones(operator: Client, committed: World) -> None:
    made = _own_of(committed.acme)
    Provider.objects.update(base_url="https://127.0.0.1/v1")

    def act(action: str) -> str:
        form = {"action": action, "_selected_action": [str(made)]}
        return operator.post(PROVIDERS, form, follow=True).content.decode()

    act("disable")
    assert not Provider.objects.get().is_enabled
    act("enable")
    act("simulate")
    assert Provider.objects.get().simulate_failure
    act("end_simulation")
    assert not Provider.objects.get().simulate_failure
    assert "may not be contacted" in act("examine")


def test_deleting_goes_through_the_service(operator: Client, committed: World) -> None:
    made = _own_of(committed.acme)
    form = {"action": "delete_selected", "_selected_action": [str(made)], "post": "yes"}

    operator.post(PROVIDERS, form)

    assert Provider.objects.count() == Model.objects.count() == 0
    assert AuditEntry.objects.get(action="provider.deleted").tenant_id == committed.acme.id


def test_rules_and_settings_are_checked_before_they_count(
    operator: Client, committed: World
) -> None:
    rule = {"name": "House", "position": "5", "is_enabled": "on", "conditions": "{}"}
    add = "/admin/providers/routingpolicy/add/"

    wrong = operator.post(add, {**rule, "routes": '{"target": []}', "fallbacks": "{}"})
    right = operator.post(add, {**rule, "routes": '{"local_only": true}', "fallbacks": "{}"})
    settings = {"tenant": str(committed.acme.id), "cache_ttl_s": "30", "default_model": ""}
    kept = operator.post("/admin/providers/gatewaysettings/add/", settings)

    assert "Extra inputs are not permitted" in wrong.content.decode()
    assert right.status_code == 302, right.content.decode()
    assert RoutingPolicy.objects.get().tenant_id is None
    assert kept.status_code == 302, kept.content.decode()
    assert GatewaySettings.objects.get().tenant_id == committed.acme.id
    assert AuditEntry.objects.get(action="gateway.settings_changed").tenant_id == committed.acme.id
