"""Providers and models as settings, through the API: two workspaces, keys, wrong input, races."""

import threading
from collections.abc import Callable
from uuid import UUID

import pytest
from django.db import connection, connections
from django.test import Client
from pytest_django.fixtures import Settings

from apps.audit.models import AuditEntry
from apps.core import scope
from apps.core.crypto import UnsealError, unseal
from apps.core.errors import Conflict, InvalidInput
from apps.core.ids import new_id
from apps.core.scope import Actor, TenantRef
from apps.providers import configuration, registry, selectors, sources
from apps.providers.models import Model, Provider
from apps.providers.services import ProviderFields, models, providers
from tests.app.providers.administration import KEY, URL, Administrator, on_the_platform
from tests.fixtures.database import World
from tests.fixtures.people import People

BrowserOf = Callable[[UUID, TenantRef | None], Client]
ActorIn = Callable[[UUID, TenantRef], Actor]


@pytest.fixture
def ann(committed: World, people: People, browser_of: BrowserOf) -> Administrator:
    return Administrator(browser_of(people.ann, committed.acme))


@pytest.fixture
def gus(committed: World, people: People, browser_of: BrowserOf) -> Administrator:
    return Administrator(browser_of(people.gus, committed.globex))


def _made(admin: Administrator, **fields: object) -> dict[str, object]:
    body = {"slug": "cloud", "base_url": URL, "key": KEY, "models": ["big", "small"], **fields}
    made: dict[str, object] = admin.done("POST", "providers", body)
    return made


def _ids_in(tenant: TenantRef) -> set[str]:
    configuration.forget()
    with scope.tenant_scope(tenant):
        return {model.id for model in selectors.list_models()}


def test_a_provider_of_a_workspace_is_used_there_at_once_and_nowhere_else(
    ann: Administrator, gus: Administrator, committed: World
) -> None:
    _made(ann)

    assert {"cloud/big", "cloud/small"} <= _ids_in(committed.acme)
    assert not {"cloud/big", "cloud/small"} & _ids_in(committed.globex)
    assert gus.done("GET", "providers")["results"] == []


def test_another_workspace_neither_sees_nor_changes_a_provider(
    ann: Administrator, gus: Administrator
) -> None:
    made = _made(ann)
    one = f"providers/{made['id']}"
    model = f"{one}/models/{made['models'][0]['id']}"  # type: ignore[index]  # JSON

    for method, path, body in [
        ("GET", one, None),
        ("PATCH", one, {"label": "mine now"}),
        ("DELETE", one, None),
        ("PUT", f"{one}/key", {"key": KEY}),
        ("DELETE", f"{one}/key", None),
        ("POST", f"{one}/test", {}),
        ("POST", f"{one}/discover", {}),
        ("POST", f"{one}/models", {"name": "x"}),
        ("PATCH", model, {"label": "x"}),
        ("DELETE", model, None),
    ]:
        assert gus.refused(404, method, path, body)["type"] == "provider_not_found"
    assert ann.done("GET", one)["label"] == made["label"]


def test_a_model_is_reached_through_its_own_provider_only(ann: Administrator) -> None:
    first, second = _made(ann), _made(ann, slug="second")
    model = first["models"][0]["id"]  # type: ignore[index]  # JSON

    error = ann.refused(404, "DELETE", f"providers/{second['id']}/models/{model}")

    assert error["type"] == "provider_model_not_found"


def test_members_who_do_not_administer_may_not_even_look(
    committed: World, people: People, browser_of: BrowserOf
) -> None:
    bea = Administrator(browser_of(people.bea, committed.acme))

    assert bea.refused(403, "GET", "providers")["type"] == "permission_denied"


# -- the platform's


def test_a_platforms_provider_is_everybodys_to_use_and_nobodys_to_change(
    ann: Administrator, gus: Administrator, committed: World
) -> None:
    with on_the_platform() as operator:
        made = providers.create_provider(
            actor=operator,
            fields=ProviderFields(preset="vllm", base_url="http://10.1.2.3:8000/v1"),
            key=KEY,
            models=("big",),
        )

    for admin, tenant in ((ann, committed.acme), (gus, committed.globex)):
        (seen,) = admin.done("GET", "providers")["results"]
        assert (seen["slug"], seen["origin"], seen["is_editable"]) == ("vllm", "platform", False)
        assert (seen["base_url"], seen["has_key"], seen["key_hint"]) == ("", False, "")
        assert "vllm/big" in _ids_in(tenant)
        for method, path, body in [
            ("PATCH", "", {"label": "mine"}),
            ("DELETE", "", None),
            ("PUT", "/key", {"key": KEY}),
            ("POST", "/test", {}),
            ("POST", "/models", {"name": "x"}),
        ]:
            error = admin.refused(403, method, f"providers/{made.id}{path}", body)
            assert error["type"] == "offered_by_platform"


def test_a_workspaces_own_provider_comes_before_the_platforms_of_the_same_name(
    ann: Administrator, committed: World
) -> None:
    with on_the_platform() as operator:
        fields = ProviderFields(slug="cloud", base_url=URL)
        providers.create_provider(actor=operator, fields=fields, models=("theirs",))
    _made(ann)

    own, hidden = ann.done("GET", "providers")["results"]

    assert (own["origin"], own["is_hidden"]) == ("workspace", False)
    assert (hidden["origin"], hidden["is_hidden"]) == ("platform", True)
    assert "cloud/theirs" not in _ids_in(committed.acme)
    assert "cloud/theirs" in _ids_in(committed.globex)


# -- keys


def test_a_key_is_sealed_and_stands_in_no_answer_and_no_record(
    ann: Administrator, committed: World
) -> None:
    made = _made(ann)
    one = f"providers/{made['id']}"
    answers = [
        ann.ask("GET", "providers"),
        ann.ask("GET", one),
        ann.ask("PUT", f"{one}/key", {"key": KEY}),
        ann.ask("PATCH", one, {"label": "x"}),
    ]

    assert made["key_hint"] == KEY[-4:]
    assert all(KEY not in answer.content.decode() for answer in answers)
    assert all(KEY[:-4] not in str(entry.__dict__) for entry in AuditEntry.objects.all())
    with connection.cursor() as cursor:
        cursor.execute("SELECT sealed_key, p::text FROM public.providers_provider p")
        ((sealed, row),) = cursor.fetchall()
    assert KEY.encode() not in bytes(sealed)
    assert KEY not in row
    assert _opened(UUID(str(made["id"])), committed.acme.id) == KEY


def _opened(provider_id: UUID, tenant_id: UUID) -> str:
    row = Provider.objects.get(pk=provider_id)
    place = sources.place_of_key(row.id)
    sealing = sources.sealing_key(tenant_id)
    return unseal(bytes(row.sealed_key or b""), key=sealing, place=place).decode()


def test_the_key_of_one_workspace_does_not_open_under_another_nor_in_another_row(
    ann: Administrator, gus: Administrator, committed: World
) -> None:
    mine, theirs = UUID(str(_made(ann)["id"])), UUID(str(_made(gus)["id"]))

    with pytest.raises(UnsealError):
        _opened(mine, committed.globex.id)

    stolen = Provider.objects.get(pk=mine).sealed_key
    Provider.objects.filter(pk=theirs).update(sealed_key=stolen)
    with pytest.raises(UnsealError):
        _opened(theirs, committed.globex.id)
    found = gus.done("POST", f"providers/{theirs}/test", {})
    assert (found["ok"], found["ending"]) == (False, "key_unreadable")


@pytest.mark.parametrize(
    "change", [{"base_url": "https://elsewhere.example/v1"}, {"base_url": f"{URL[:-3]}:8443/v1"}]
)
def test_another_address_forgets_the_key_because_it_would_be_sent_there(
    ann: Administrator, change: dict[str, object]
) -> None:
    one = f"providers/{_made(ann)['id']}"

    assert ann.done("PATCH", one, {"base_url": f"{URL}/beta"})["has_key"]
    assert not ann.done("PATCH", one, change)["has_key"]


def test_a_new_key_takes_back_that_the_old_one_was_refused(ann: Administrator) -> None:
    made = _made(ann)
    Provider.objects.update(key_refused_at="2026-01-01T00:00:00Z")
    one = f"providers/{made['id']}"

    assert ann.done("GET", one)["key_refused_at"]
    assert ann.done("PUT", f"{one}/key", {"key": f"  {KEY}2\n"})["key_refused_at"] is None
    assert ann.done("DELETE", f"{one}/key")["has_key"] is False
    assert ann.done("DELETE", f"{one}/key")["has_key"] is False  # twice is once


@pytest.mark.parametrize("key", ["", "  ", "two words", "a\nb", "schlüssel", "x" * 4001, "a\x00b"])
def test_what_cannot_be_a_key_is_refused(ann: Administrator, key: str) -> None:
    one = f"providers/{_made(ann)['id']}"

    error = ann.refused(400, "PUT", f"{one}/key", {"key": key})

    assert "key" in error["details"]["fields"]
    assert key.strip() == "" or key not in str(error)


def test_of_a_short_key_nothing_is_hinted(ann: Administrator) -> None:
    assert _made(ann, key="12345678901")["key_hint"] == ""


# -- wrong input


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://api.example.com",
        "api.example.com/v1",
        "http://api.example.com/v1",
        "https://127.0.0.1/v1",
        "https://127.1/v1",
        "https://2130706433/v1",
        "https://0x7f000001/v1",
        "https://0177.0.0.1/v1",
        "https://[::1]/v1",
        "https://[::ffff:10.0.0.1]/v1",
        "https://[64:ff9b::a00:1]/v1",
        "https://169.254.169.254/latest",
        "https://10.0.0.8/v1",
        "https://192.168.1.1/v1",
        "https://0.0.0.0/v1",
        "https://localhost/v1",
        "https://api.localhost/v1",
        "https://metadata.google.internal/v1",
        "https://db/v1",
        "https://user:secret@api.example.com/v1",
        "https://api.example.com\\@10.0.0.1/v1",
        "https://api.example.com/v1?key=x",
        "https://api.example.com/v1#x",
        "https://api.example.com:0/v1",
        "https://api.example.com:99999/v1",
        "https://exämple.com/v1",
        "https://api.example.com/\x00",
        "https://api.example.com/" + "x" * 400,
    ],
)
def test_a_workspace_may_set_up_public_https_addresses_only(ann: Administrator, url: str) -> None:
    made = _made(ann)
    error = ann.refused(400, "POST", "providers", {"slug": "bad", "base_url": url})
    assert "base_url" in error["details"]["fields"]

    error = ann.refused(400, "PATCH", f"providers/{made['id']}", {"base_url": url})
    assert "base_url" in error["details"]["fields"]
    assert ann.done("GET", f"providers/{made['id']}")["base_url"] == URL


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/v1", "http://0.0.0.0:80/v1", "http://224.0.0.1/v1"]
)
def test_operators_may_use_private_addresses_but_never_the_metadata_address(
    committed: World, url: str
) -> None:
    with on_the_platform() as operator:
        private = ("http://127.0.0.1:8000/v1", "http://10.0.0.1/v1", "http://gpu-box:8000/v1")
        for number, good in enumerate(private):
            fields = ProviderFields(slug=f"own-{number}", base_url=good)
            assert providers.create_provider(actor=operator, fields=fields).base_url == good
        with pytest.raises(InvalidInput):
            providers.create_provider(
                actor=operator, fields=ProviderFields(slug="bad", base_url=url)
            )


@pytest.mark.parametrize(
    "fields",
    [
        {"slug": "local"},
        {"slug": "echo"},
        {"slug": "stub"},
        {"slug": "karen"},
        {"slug": "Big"},
        {"slug": "a/b"},
        {"slug": "-x"},
        {"slug": "x" * 41},
        {"slug": 7.5},
        {"label": "x" * 81},
        {"label": "a\x00b"},
        {"preset": "no-such"},
        {"preset": "ollama"},
        {"adapter": "no_such"},
        {"requests_per_minute": 0},
        {"requests_per_minute": "many"},
        {"concurrent_calls": 10**12},
        {"models": ["with blank"]},
        {"models": ["x" * 151]},
        {"models": "plain"},
        {"models": [""]},
    ],
)
def test_wrong_fields_are_refused_and_nothing_is_kept(
    ann: Administrator, fields: dict[str, object]
) -> None:
    ann.refused(400, "POST", "providers", {"slug": "good", "base_url": URL, **fields})

    assert Provider.objects.count() == 0
    assert Model.objects.count() == 0


def test_a_name_stays_because_ids_go_by_it(ann: Administrator, committed: World) -> None:
    made = _made(ann)
    with scope.tenant_scope(committed.acme), scope.actor_scope(scope.SYSTEM):
        with pytest.raises(InvalidInput):
            providers.change_provider(
                actor=scope.SYSTEM,
                provider_id=UUID(str(made["id"])),
                fields=ProviderFields(slug="other"),
            )


def test_an_installed_adapter_is_for_workspaces_only_where_operators_allow_it(
    ann: Administrator, settings: Settings
) -> None:
    build = registry.wire("openai_compatible")
    assert build is not None
    registry.register_wire("special", build)
    fields = {"slug": "special", "adapter": "special"}
    try:
        error = ann.refused(400, "POST", "providers", fields)
        assert "adapter" in error["details"]["fields"]
        settings.WORKSPACE_ADAPTERS = "other, special"
        assert ann.done("POST", "providers", fields)["adapter"] == "special"
        with on_the_platform() as operator:
            assert "special" in providers.list_adapters(actor=operator)
    finally:
        registry._wires.pop("special")


# -- presets and models


def test_a_preset_fills_in_what_was_left_out(ann: Administrator) -> None:
    made = ann.done("POST", "providers", {"preset": "groq", "key": KEY})

    assert made["slug"] == "groq"
    assert made["base_url"] == "https://api.groq.com/openai/v1"
    assert made["label"] == "Groq"


def test_a_model_is_described_by_what_was_written_then_by_what_is_known(
    ann: Administrator, committed: World
) -> None:
    made = ann.done("POST", "providers", {"preset": "openai", "models": ["gpt-4o-mini"]})
    (model,) = made["models"]
    path = f"providers/{made['id']}/models/{model['id']}"

    assert (model["context_tokens"], model["supports_vision"]) == (128_000, True)
    assert model["price_source"] == "genai-prices"
    assert float(model["input_price"]) > 0

    changed = ann.done(
        "PATCH",
        path,
        {"context_tokens": 9000, "supports_vision": False, "input_price": "2", "output_price": "4"},
    )

    assert (changed["context_tokens"], changed["supports_vision"]) == (9000, False)
    assert changed["price_source"] == "own price"
    assert set(changed["stated"]) == {"context_tokens", "supports_vision"}
    configuration.forget()
    with scope.tenant_scope(committed.acme):
        known = selectors.get_model("openai/gpt-4o-mini")
        assert (known.context_tokens, known.supports_vision) == (9000, False)
    assert ann.done("PATCH", path, {"context_tokens": None})["context_tokens"] == 128_000


@pytest.mark.parametrize(
    "fields",
    [
        {"input_price": "1"},
        {"output_price": "1"},
        {"cached_price": "1"},
        {"input_price": "1", "output_price": "1", "cached_price": "2"},
        {"input_price": "-1", "output_price": "1"},
        {"input_price": "NaN", "output_price": "1"},
        {"context_tokens": 0},
        {"name": ""},
        {"name": "a b"},
        {"is_enabled": None},
    ],
)
def test_models_that_make_no_sense_are_refused(
    ann: Administrator, fields: dict[str, object]
) -> None:
    made = _made(ann)
    model = made["models"][0]["id"]  # type: ignore[index]  # JSON

    ann.refused(400, "PATCH", f"providers/{made['id']}/models/{model}", fields)


def test_models_are_put_in_order_only_as_a_whole(ann: Administrator, committed: World) -> None:
    made = _made(ann)
    path = f"providers/{made['id']}/models"
    first, second = (model["id"] for model in made["models"])  # type: ignore[attr-defined]  # JSON

    ordered = ann.done("PUT", path, {"models": [second, first]})["results"]
    for wrong in ([], [first], [first, first], [first, second, str(new_id())]):
        ann.refused(400, "PUT", path, {"models": wrong})

    assert [model["name"] for model in ordered] == ["small", "big"]
    configuration.forget()
    with scope.tenant_scope(committed.acme):
        ids = [model.id for model in selectors.list_models()]
    assert ids[:2] == ["cloud/small", "cloud/big"]


def test_a_model_of_the_same_name_is_there_once(ann: Administrator) -> None:
    path = f"providers/{_made(ann)['id']}/models"

    assert ann.refused(409, "POST", path, {"name": "big"})["type"] == "conflict"


def test_what_is_deleted_or_off_is_not_offered_any_more(
    ann: Administrator, committed: World
) -> None:
    made = _made(ann)
    one = f"providers/{made['id']}"

    ann.done("PATCH", f"{one}/models/{made['models'][0]['id']}", {"is_enabled": False})  # type: ignore[index]  # JSON
    assert {"cloud/big", "cloud/small"} & _ids_in(committed.acme) == {"cloud/small"}
    ann.done("PATCH", one, {"is_enabled": False})
    assert not {"cloud/big", "cloud/small"} & _ids_in(committed.acme)
    ann.done("DELETE", one)
    ann.refused(404, "DELETE", one)
    assert Model.objects.count() == 0


def test_every_change_is_recorded_with_who_did_it(ann: Administrator, people: People) -> None:
    made = _made(ann)
    one = f"providers/{made['id']}"
    ann.done("PATCH", one, {"label": "Another", "simulate_failure": True})
    ann.done("PATCH", one, {"label": "Another"})  # changes nothing
    ann.done("PUT", f"{one}/key", {"key": KEY})
    ann.done("DELETE", f"{one}/key")
    ann.done("DELETE", one)

    entries = AuditEntry.objects.filter(action__startswith="provider.").order_by("id")

    assert [entry.action for entry in entries] == [
        "provider.created",
        "provider.model_added",
        "provider.model_added",
        "provider.changed",
        "provider.key_set",
        "provider.key_removed",
        "provider.deleted",
    ]
    assert {entry.actor_id for entry in entries} == {people.ann}
    assert entries[3].new == {"label": "Another", "simulate_failure": True}


# -- at once


def test_of_two_providers_of_one_name_made_at_once_one_is_made(
    committed: World, people: People, actor_in: ActorIn
) -> None:
    ann = actor_in(people.ann, committed.acme)
    together, outcomes = threading.Barrier(2), []

    def make() -> None:
        with scope.tenant_scope(committed.acme), scope.actor_scope(ann), scope.correlation_scope():
            together.wait(timeout=10)
            try:
                providers.create_provider(
                    actor=ann, fields=ProviderFields(slug="cloud", base_url=URL), models=("m",)
                )
                outcomes.append("made")
            except Conflict:
                outcomes.append("refused")
        connections.close_all()

    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert sorted(outcomes) == ["made", "refused"]
    assert Provider.objects.count() == Model.objects.count() == 1


def test_there_is_an_end_to_how_many_there_may_be(
    ann: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "PROVIDERS_MAX", 1)
    monkeypatch.setattr(models, "MODELS_MAX", 2)
    path = f"providers/{_made(ann)['id']}/models"

    assert ann.refused(409, "POST", path, {"name": "third"})["type"] == "conflict"
    body = {"slug": "second", "base_url": URL}
    assert ann.refused(409, "POST", "providers", body)["type"] == "conflict"
