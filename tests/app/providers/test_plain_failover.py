"""Plain calls of `/v1` that go on to another model before the first word, over real HTTP."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from apps.core import scope
from apps.core.concurrency import platform_db, tenant_db
from apps.core.scope import TenantRef
from apps.providers import configuration, registry
from apps.providers.contracts import ModelInfo
from apps.providers.models import Call, Model, Provider, RoutingPolicy
from apps.providers.testing import write_ledger
from tests.app.providers.conftest import set_up
from tests.fixtures.database import World
from tests.fixtures.live import NewKey
from tests.fixtures.people import People
from tests.fixtures.v1 import AskV1, V1Answer
from tests.stubs.upstream import SECRET, Upstream

WORDS = "word1 word2 word3 word4 word5 word6 word7 word8 "
HELLO = [{"role": "user", "content": "hello"}]
PNG = "data:image/png;base64,iVBORw0KGgo="
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


@dataclass
class Door:
    """A person's key of one workspace."""

    ask_v1: AskV1
    tenant: TenantRef
    key: str

    async def ask(self, model: str, path: str = "chat/completions", **fields: Any) -> V1Answer:
        said = {"input": "hello"} if path == "responses" else {"messages": HELLO}
        body = {"model": model, **said, **fields}
        return await self.ask_v1(path, tenant=self.tenant, key=self.key, body=body)

    async def answered_by(self, model: str, **fields: Any) -> str:
        answer = await self.ask(model, **fields)
        assert answer.status == 200, answer.body
        assert answer.document["choices"][0]["message"]["content"] == WORDS
        return str(answer.document["model"])

    async def refused(self, model: str, **fields: Any) -> tuple[int, str]:
        answer = await self.ask(model, **fields)
        assert SECRET not in answer.body.decode()
        return answer.status, answer.error["code"]


@pytest.fixture
async def acme(ask_v1: AskV1, committed: World, people: People, new_key: NewKey) -> Door:
    return Door(ask_v1, committed.acme, await platform_db(new_key, people.bea, committed.acme))


@pytest.fixture
async def globex(ask_v1: AskV1, committed: World, people: People, new_key: NewKey) -> Door:
    return Door(ask_v1, committed.globex, await platform_db(new_key, people.bea, committed.globex))


def _policy(tenant: TenantRef | None, **values: Any) -> None:
    fields = {"name": "rule", "conditions": {}, "routes": {}, "fallbacks": {}, **values}
    RoutingPolicy.objects.create(tenant_id=tenant.id if tenant else None, **fields)
    configuration.forget()


async def _fallbacks(tenant: TenantRef, cause: str, *models: str) -> None:
    await tenant_db(_policy, tenant, fallbacks={cause: models})


async def _order(*models: str, tenant: TenantRef) -> None:
    await tenant_db(_policy, tenant, routes={"targets": [{"model": each} for each in models]})


def _ledger() -> list[tuple[str, str]]:
    write_ledger()
    return list(Call.objects.order_by("started_at").values_list("model", "status"))


def _change(name: str, **values: Any) -> None:
    assert Model.objects.filter(name=name).update(**values)
    configuration.forget()


async def test_a_model_that_was_named_is_never_replaced_without_a_policy(
    acme: Door, upstream: Upstream
) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "broken", "plain")
    assert await acme.refused("up/broken") == (503, "provider_unavailable")
    assert await platform_db(_ledger) == [("up/broken", "provider_unavailable")]
    assert upstream.calls["plain"] == 0


CAUSES = {
    "broken": ("failure", "provider_unavailable"),
    "rate-limited-long": ("failure", "provider_unavailable"),
    "hang": ("failure", "provider_timeout"),
    "cut-early": ("failure", "provider_interrupted"),
    "unauthorized": ("failure", "provider_misconfigured"),
    "unknown-model": ("failure", "provider_misconfigured"),
    "too-long": ("context", "context_too_long"),
    "refused": ("refusal", "provider_rejected"),
}


@pytest.mark.parametrize("path", ["chat/completions", "responses"])
@pytest.mark.parametrize("name", sorted(CAUSES))
async def test_a_policys_fallback_for_the_cause_answers_and_is_named(
    acme: Door, committed: World, upstream: Upstream, name: str, path: str
) -> None:
    cause, status = CAUSES[name]
    await tenant_db(set_up, "up", upstream.base_url, name)
    await tenant_db(set_up, "other", upstream.base_url, "plain")
    await _fallbacks(committed.acme, cause, "other/*")

    answer = await acme.ask(f"up/{name}", path)

    assert answer.status == 200, answer.body
    assert answer.document["model"] == "other/plain"
    assert WORDS in answer.body.decode()
    assert await platform_db(_ledger) == [(f"up/{name}", status), ("other/plain", "ok")]


@pytest.mark.parametrize("name", sorted(CAUSES))
async def test_a_fallback_for_another_cause_is_not_asked(
    acme: Door, committed: World, upstream: Upstream, name: str
) -> None:
    cause, status = CAUSES[name]
    others = {"failure", "context", "refusal"} - {cause}
    await tenant_db(set_up, "up", upstream.base_url, name, "plain")
    await tenant_db(_policy, committed.acme, fallbacks={each: ["up/plain"] for each in others})
    answer = await acme.ask(f"up/{name}")
    assert answer.status >= 400
    assert await platform_db(_ledger) == [(f"up/{name}", status)]


@pytest.mark.parametrize("path", ["chat/completions", "responses"])
async def test_a_streamed_answer_says_from_its_first_event_on_who_gives_it(
    acme: Door, committed: World, upstream: Upstream, path: str
) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "broken", "plain")
    await _fallbacks(committed.acme, "failure", "up/plain")
    answer = await acme.ask("up/broken", path, stream=True)
    lines = [line[6:] for line in answer.body.decode().splitlines() if line.startswith("data: {")]
    told = [json.loads(line) for line in lines]
    models = {each.get("response", each).get("model") for each in told} - {None}
    assert models == {"up/plain"}
    assert "word8" in answer.body.decode()


@pytest.mark.parametrize("stream", [False, True])
async def test_nobody_is_asked_after_the_first_word(
    acme: Door, committed: World, upstream: Upstream, stream: bool
) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "cut", "plain")
    await _fallbacks(committed.acme, "failure", "up/plain")
    answer = await acme.ask("up/cut", stream=stream)
    assert b"provider_interrupted" in answer.body
    assert (b"word2" in answer.body) is stream
    assert upstream.calls["plain"] == 0


async def test_a_policy_of_one_workspace_replaces_nothing_in_another(
    acme: Door, globex: Door, committed: World, upstream: Upstream
) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "refused", "plain")
    await _fallbacks(committed.acme, "refusal", "up/plain")
    assert await acme.answered_by("up/refused") == "up/plain"
    assert await globex.refused("up/refused") == (400, "provider_rejected")


async def test_a_simulated_failure_shows_that_the_fallback_works(
    acme: Door, committed: World, upstream: Upstream
) -> None:
    row = await tenant_db(set_up, "up", upstream.base_url, "plain")
    await tenant_db(set_up, "other", upstream.base_url, "plain")
    await _fallbacks(committed.acme, "failure", "other/plain")
    assert await acme.answered_by("up/plain") == "up/plain"

    def simulate() -> None:
        Provider.objects.filter(pk=row.pk).update(simulate_failure=True)
        configuration.forget()

    await platform_db(simulate)
    assert await acme.answered_by("up/plain") == "other/plain"


async def test_at_most_four_models_are_asked_and_the_first_ones_error_is_told(
    acme: Door, committed: World, upstream: Upstream
) -> None:
    names = ("too-long", *(f"broken-{number}" for number in range(1, 6)), "plain")
    await tenant_db(set_up, "up", upstream.base_url, *names)
    fallbacks = {"context": ["up/broken-*"], "failure": ["up/broken-*"]}
    await tenant_db(_policy, committed.acme, fallbacks=fallbacks)
    assert await acme.refused("up/too-long") == (400, "context_length_exceeded")
    assert len(await platform_db(_ledger)) == 4


CANNOT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "tools": ({"supports_tools": False}, {"tools": [TOOL]}),
    "formats": ({"supports_formats": False}, {"response_format": {"type": "json_object"}}),
    "images": (
        {"supports_vision": False},
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG}}]}
            ]
        },
    ),
}


@pytest.mark.parametrize("name", sorted(CANNOT))
async def test_what_a_fallback_cannot_honour_excludes_it(
    acme: Door, committed: World, upstream: Upstream, name: str
) -> None:
    unable, asked = CANNOT[name]
    await tenant_db(set_up, "up", upstream.base_url, "broken", "plain", "plain-8")
    for each in ("broken", "plain-8"):
        await tenant_db(_change, each, **dict.fromkeys(unable, True))
    await tenant_db(_change, "plain", **unable)
    await _fallbacks(committed.acme, "failure", "up/plain", "up/plain-8")
    assert await acme.answered_by("up/broken", **asked) == "up/plain-8"
    assert await acme.answered_by("auto", **asked) == "up/plain-8"


async def test_a_parameter_that_a_fallback_is_not_told_excludes_it(
    acme: Door, committed: World, upstream: Upstream
) -> None:
    # Models that reason take no temperature; their names say so.
    await tenant_db(set_up, "up", upstream.base_url, "broken", "o3-mini", "plain")
    await _fallbacks(committed.acme, "failure", "up/o3-mini", "up/plain")
    assert await acme.answered_by("up/broken", temperature=0.2) == "up/plain"
    assert upstream.calls["o3-mini"] == 0


async def test_policies_bind_the_model_that_was_named(
    acme: Door, globex: Door, committed: World, upstream: Upstream
) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "plain")
    await tenant_db(_policy, committed.acme, routes={"local_only": True})
    assert await acme.refused("up/plain") == (422, "route_refused")
    assert await acme.refused("auto") == (422, "route_refused")
    assert upstream.calls == {}
    assert await globex.answered_by("up/plain") == "up/plain"


# -- auto


async def test_auto_is_answered_by_whom_policies_choose_and_says_who_it_was(
    acme: Door, globex: Door, committed: World, upstream: Upstream
) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "plain", "slow")
    await _order("up/slow", tenant=committed.acme)
    assert await acme.answered_by("auto") == "up/slow"
    assert await globex.answered_by("auto") == "up/plain"


async def test_auto_goes_on_to_whoever_is_able_when_a_model_fails(
    acme: Door, committed: World, upstream: Upstream
) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "unauthorized", "broken")
    await tenant_db(set_up, "other", upstream.base_url, "plain")
    await _order("up/unauthorized", "up/broken", tenant=committed.acme)
    assert await acme.answered_by("auto") == "other/plain"
    # The second model has the same key.
    assert await platform_db(_ledger) == [
        ("up/unauthorized", "provider_misconfigured"),
        ("other/plain", "ok"),
    ]


async def test_auto_goes_on_to_a_larger_context_and_not_past_a_refusal(
    acme: Door, committed: World, upstream: Upstream
) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "too-long", "slow", "plain", "refused")
    for name, size in (("too-long", 9_000), ("slow", 8_000), ("plain", 10_000)):
        await tenant_db(_change, name, context_tokens=size)
    await _order("up/too-long", "up/slow", tenant=committed.acme)
    assert await acme.answered_by("auto") == "up/plain"

    await platform_db(RoutingPolicy.objects.all().delete)
    await _order("up/refused", tenant=committed.acme)
    assert await acme.refused("auto") == (400, "provider_rejected")


async def test_auto_is_listed_where_there_is_a_choice(
    acme: Door, upstream: Upstream, settings: Settings
) -> None:
    settings.PROVIDERS_ECHO = False
    await tenant_db(set_up, "up", upstream.base_url, "plain")

    async def ids() -> set[str]:
        answer = await acme.ask_v1("models", tenant=acme.tenant, key=acme.key)
        return {each["id"] for each in answer.document["data"]}

    assert "auto" not in await ids()
    await tenant_db(set_up, "other", upstream.base_url, "plain")
    assert "auto" in await ids()
    found = await acme.ask_v1("models/auto", tenant=acme.tenant, key=acme.key)
    assert (found.status, found.document["owned_by"]) == (200, "karen")


async def test_auto_without_any_model_says_what_would_help(acme: Door, settings: Settings) -> None:
    settings.LOCAL_MODEL, settings.PROVIDERS_ECHO = False, False
    assert await acme.refused("auto") == (503, "no_model_available")


async def test_auto_refuses_what_no_model_may_be_asked(acme: Door, upstream: Upstream) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "plain")
    assert (await acme.refused("auto", messages=[]))[0] == 400
    assert (await acme.refused("auto", temperature=9))[0] == 400
    assert upstream.calls == {}


async def test_many_at_once_each_find_their_way(
    acme: Door, committed: World, upstream: Upstream
) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "unauthorized", "plain")
    await tenant_db(set_up, "other", upstream.base_url, "plain")
    await _fallbacks(committed.acme, "failure", "other/plain")
    answers = await asyncio.gather(*(acme.answered_by("up/unauthorized") for _ in range(20)))
    assert set(answers) == {"other/plain"}


async def test_what_is_above_the_ceiling_of_a_policy_is_no_fallback(
    acme: Door, committed: World, upstream: Upstream
) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "refused", "plain", "slow")
    for name, price in (("refused", 1), ("plain", 900), ("slow", 1)):
        await tenant_db(_change, name, input_price=Decimal(price), output_price=Decimal(price))
    await tenant_db(
        _policy,
        committed.acme,
        routes={"max_cost": "0.001"},
        fallbacks={"refusal": ["up/plain", "up/slow"]},
    )
    assert await acme.answered_by("up/refused", max_tokens=100) == "up/slow"
    with scope.tenant_scope(committed.acme):
        assert upstream.calls["plain"] == 0


async def test_a_model_of_the_worker_answers_in_anothers_place(
    acme: Door, worker: World, upstream: Upstream, echo_in_the_worker: None
) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "refused")
    await _fallbacks(worker.acme, "refusal", "echo/plain")
    answer = await acme.ask("up/refused")
    assert answer.document["model"] == "echo/plain"
    assert answer.document["choices"][0]["message"]["content"] == "hello"


@pytest.fixture
def echo_in_the_worker() -> Iterator[None]:
    """The echo as a model that is only asked through the worker, and meant seriously."""
    echo = next(each for each in registry.providers() if each.kind == "echo")

    def models() -> tuple[ModelInfo, ...]:
        return tuple(replace(each, in_process=True, scripted=False) for each in echo.models())

    registry.register(replace(echo, models=models))
    yield
    registry.register(echo)
