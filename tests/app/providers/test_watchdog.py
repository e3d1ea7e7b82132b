"""Recovery without a restart: providers that failed are asked for free whether they are back."""

import asyncio
from contextlib import aclosing
from datetime import timedelta

import pytest
from pytest_django.fixtures import Settings

from apps.audit.models import AuditEntry
from apps.core import scope
from apps.core.clock import now
from apps.core.concurrency import platform_db, tenant_db
from apps.core.redis import RedisRole, redis_client
from apps.core.scope import SYSTEM, TenantRef
from apps.providers import breaker, configuration, gateway, health, selectors, watching
from apps.providers.adapters.openai_compatible import OpenAICompatibleAdapter
from apps.providers.contracts import ChatMessage, Flow, ModelRequest, Role, TextDelta
from apps.providers.domain.examination import Ending
from apps.providers.errors import ConfigurationError, ProviderUnavailable
from apps.providers.models import Provider
from apps.providers.registry import Endpoint
from apps.providers.services import providers
from apps.providers.services.refused_keys import note_key_refused
from apps.providers.tasks import watch
from tests.app.providers.conftest import set_up
from tests.fixtures.database import World
from tests.stubs.upstream import Upstream

KEY = "sk-test-0123456789abcdef"
OTHER_KEY = "sk-test-fedcba9876543210"


async def said(model: str) -> str:
    request = ModelRequest(
        model=model,
        messages=(ChatMessage(role=Role.USER, text="hi"),),
        max_tokens=20,
        temperature=1.0,
        partition="p",
    )
    async with aclosing(gateway.stream(flow=Flow.API_ANSWER, request=request)) as events:
        return "".join([each.text async for each in events if isinstance(each, TextDelta)])


async def _fail_often(model_id: str, *, times: int = breaker.FAILURES_TO_OPEN) -> breaker.Place:
    """Have a model fail as calls count it."""
    model = selectors.get_model(model_id)
    for _ in range(times):
        health.note_failure(model, ProviderUnavailable())
        await breaker.note_failure(health.place_of(model))
    await platform_db(health.flush)
    return health.place_of(model)


async def _watch() -> None:
    await platform_db(watch)


def _set_key(provider: Provider, key: str, tenant: TenantRef | None) -> None:
    with scope.tenant_scope(tenant), scope.actor_scope(SYSTEM):
        providers.set_provider_key(actor=SYSTEM, provider_id=provider.pk, key=key)


async def test_a_provider_that_was_down_and_is_up_again_is_asked_with_the_next_call(
    committed: World, upstream: Upstream
) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "plain")
    port = int(upstream.base_url.rpartition(":")[2].partition("/")[0])
    await upstream.stop()
    outcomes = await asyncio.gather(*(said("up/plain") for _ in range(5)), return_exceptions=True)
    assert all(isinstance(each, ProviderUnavailable) for each in outcomes)
    place = health.place_of(selectors.get_model("up/plain"))
    await platform_db(health.flush)
    assert breaker.open_for_s(place) > 0
    with pytest.raises(ProviderUnavailable):
        await said("up/plain")

    await _watch()
    assert place in await platform_db(breaker.states_of, [place[0]])  # it is still down

    again = Upstream()
    await again.start(port=port)
    try:
        await _watch()
        assert (again.calls, len(again.lists)) == ({}, 1)  # nothing but the list was asked for
        assert await said("up/plain")
        with scope.tenant_scope(committed.globex):
            await selectors.prepared()
            assert await said("up/plain")
    finally:
        await again.stop()


async def test_the_installations_own_endpoint_is_watched_as_well(
    upstream: Upstream, settings: Settings
) -> None:
    settings.OPENAI_BASE_URL, settings.OPENAI_MODELS = upstream.base_url, "plain"
    settings.OPENAI_API_KEY = KEY
    await selectors.prepared()
    place = await _fail_often("openai/plain")
    assert breaker.open_for_s(place) > 0

    await _watch()

    assert breaker.open_for_s(place) == 0
    assert upstream.lists == [f"Bearer {KEY}"]


async def test_who_had_no_failures_is_left_alone(upstream: Upstream) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "plain")
    assert await said("up/plain")
    await platform_db(health.flush)
    await _watch()
    assert upstream.lists == []


async def test_a_simulated_failure_is_not_looked_into(upstream: Upstream) -> None:
    row = await tenant_db(set_up, "up", upstream.base_url, "plain")
    await selectors.prepared()
    await _fail_often("up/plain")
    await platform_db(lambda: Provider.objects.filter(pk=row.pk).update(simulate_failure=True))
    await _watch()
    assert upstream.lists == []


@pytest.mark.parametrize("status", [403, 404, 429, 500])
async def test_a_breaker_stays_open_while_the_list_is_not_answered(
    upstream: Upstream, status: int
) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "plain")
    await selectors.prepared()
    place = await _fail_often("up/plain")
    upstream.list_status = status

    await _watch()

    assert breaker.open_for_s(place) > 0
    assert await platform_db(lambda: Provider.objects.get().key_refused_at) is None


async def test_a_pause_that_the_provider_asked_for_is_kept(upstream: Upstream) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "rate-limited-long")
    await selectors.prepared()
    with pytest.raises(ProviderUnavailable):
        await said("up/rate-limited-long")
    place = health.place_of(selectors.get_model("up/rate-limited-long"))
    await platform_db(health.flush)
    open_s = breaker.open_for_s(place)

    await _watch()

    assert breaker.open_for_s(place) > open_s - 5 > 0
    assert upstream.lists == []


async def test_a_breaker_that_opens_again_at_once_is_left_to_its_own_probes(
    upstream: Upstream,
) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "plain")
    await selectors.prepared()
    place = await _fail_often("up/plain")
    await _watch()
    assert breaker.open_for_s(place) == 0
    await _fail_often("up/plain")
    await _watch()
    assert breaker.open_for_s(place) > 0


# -- keys


async def _refused(upstream: Upstream, key: str = KEY) -> Provider:
    """Have a provider of the platform refuse its key in a call of acme's."""
    row = await tenant_db(set_up, "up", upstream.base_url, "unauthorized", "plain")
    await platform_db(_set_key, row, key, None)
    await selectors.prepared()
    with pytest.raises(ConfigurationError):
        await said("up/unauthorized")
    return row


async def test_a_refused_key_is_written_down_once_and_nothing_is_asked_with_it(
    committed: World, upstream: Upstream
) -> None:
    await _refused(upstream)

    row = await platform_db(Provider.objects.get)
    assert row.key_refused_at is not None
    for tenant in (committed.acme, committed.globex):
        with scope.tenant_scope(tenant):
            await selectors.prepared()
            outcomes = await asyncio.gather(
                *(said("up/plain") for _ in range(3)), return_exceptions=True
            )
            assert all(isinstance(each, ConfigurationError) for each in outcomes)
    assert upstream.calls == {"unauthorized": 1}

    entries = AuditEntry.objects.filter(action="provider.key_refused")
    assert [e.tenant_id for e in await platform_db(lambda: list(entries))] == [None]


async def test_of_many_refusals_at_once_one_is_written_down(upstream: Upstream) -> None:
    row = await tenant_db(set_up, "up", upstream.base_url, "unauthorized")
    await platform_db(_set_key, row, KEY, None)
    await selectors.prepared()
    outcomes = await asyncio.gather(
        *(said("up/unauthorized") for _ in range(10)), return_exceptions=True
    )
    assert all(isinstance(each, ConfigurationError) for each in outcomes)
    entries = AuditEntry.objects.filter(action="provider.key_refused")
    assert await platform_db(entries.count) == 1


async def test_a_new_key_is_asked_with_at_once(upstream: Upstream) -> None:
    row = await _refused(upstream)
    await platform_db(_set_key, row, OTHER_KEY, None)
    await selectors.prepared()
    assert await said("up/plain")
    assert upstream.headers[-1]["authorization"] == f"Bearer {OTHER_KEY}"


async def test_a_late_refusal_of_the_former_key_is_no_fault_of_the_new_one(
    upstream: Upstream,
) -> None:
    row = await tenant_db(set_up, "up", upstream.base_url, "plain")
    await platform_db(_set_key, row, KEY, None)
    former = configuration.source_of_row(await platform_db(Provider.objects.get))
    await platform_db(_set_key, row, OTHER_KEY, None)
    assert await platform_db(note_key_refused, former) is False
    assert await platform_db(lambda: Provider.objects.get().key_refused_at) is None


async def test_the_watchdog_finds_a_key_accepted_that_the_list_demands(upstream: Upstream) -> None:
    await _refused(upstream)
    upstream.list_key = OTHER_KEY
    await _watch()
    assert await platform_db(lambda: Provider.objects.get().key_refused_at) is not None

    upstream.list_key = KEY
    await platform_db(watch)
    assert len(upstream.lists) == 1, "a refused key is tried rarely"
    await platform_db(lambda: redis_client(RedisRole.CACHE).flushdb())
    await _watch()

    assert upstream.lists[1:] == [f"Bearer {KEY}", ""]
    assert await platform_db(lambda: Provider.objects.get().key_refused_at) is None
    await selectors.prepared()
    assert await said("up/plain")


async def test_a_list_for_everybody_says_nothing_about_the_key(upstream: Upstream) -> None:
    await _refused(upstream)
    await _watch()
    assert len(upstream.lists) == 2
    assert await platform_db(lambda: Provider.objects.get().key_refused_at) is not None


async def test_a_key_that_is_refused_for_long_is_not_tried_any_more(upstream: Upstream) -> None:
    await _refused(upstream)
    old = now() - watching.KEY_FOR - timedelta(minutes=1)

    def age() -> None:
        Provider.objects.update(key_refused_at=old)
        redis_client(RedisRole.CACHE).flushdb()

    await platform_db(age)
    await _watch()
    assert upstream.lists == []


async def test_the_watchdog_writes_down_a_key_that_the_list_refuses(upstream: Upstream) -> None:
    row = await tenant_db(set_up, "up", upstream.base_url, "plain")
    await platform_db(_set_key, row, KEY, None)
    await selectors.prepared()
    await _fail_often("up/plain", times=1)
    upstream.list_key = OTHER_KEY
    await _watch()
    assert await platform_db(lambda: Provider.objects.get().key_refused_at) is not None


# -- two workspaces


@pytest.fixture
async def own_ones(
    committed: World, quick_adapters: list[OpenAICompatibleAdapter]
) -> dict[str, breaker.Place]:
    """Both workspaces' own provider of one name, each failed, each with its key."""
    places = {}
    for tenant, key in ((committed.acme, KEY), (committed.globex, OTHER_KEY)):
        with scope.tenant_scope(tenant), scope.correlation_scope():
            row = await tenant_db(
                set_up, "up", f"https://{tenant.slug}.example/v1", "plain", tenant=tenant
            )
            await platform_db(_set_key, row, key, tenant)
            await selectors.prepared()
            places[tenant.slug] = await _fail_often("up/plain")
    return places


async def test_each_workspace_is_asked_about_in_its_scope_and_with_its_own_key(
    committed: World, own_ones: dict[str, breaker.Place]
) -> None:
    asked: list[tuple[str, str, str, bool]] = []

    async def ask(endpoint: Endpoint) -> Ending:
        tenant = scope.require().slug
        asked.append((tenant, endpoint.base_url, endpoint.api_key, endpoint.allow_private))
        return Ending.OK if tenant == "acme" else Ending.NO_CONNECTION

    with scope.correlation_scope():
        await platform_db(lambda: watching.watch_providers(ask=ask))

    assert sorted(asked) == [
        ("acme", "https://acme.example/v1", KEY, False),
        ("globex", "https://globex.example/v1", OTHER_KEY, False),
    ]
    assert breaker.open_for_s(own_ones["acme"]) == 0
    assert breaker.open_for_s(own_ones["globex"]) > 0


async def test_one_that_hangs_or_breaks_keeps_nobody_else_waiting(
    committed: World, own_ones: dict[str, breaker.Place]
) -> None:

    async def ask(endpoint: Endpoint) -> Ending:
        if scope.require().slug == "globex":
            await asyncio.Event().wait()
        return Ending.OK

    with scope.correlation_scope():
        await platform_db(lambda: watching.watch_providers(ask=ask, total_s=0.3))
    assert breaker.open_for_s(own_ones["acme"]) == 0


async def test_a_change_is_not_read_on_the_event_loop_in_the_middle_of_a_call(
    upstream: Upstream,
) -> None:
    row = await tenant_db(set_up, "up", upstream.base_url, "plain")
    await selectors.prepared()
    before = configuration.current()
    await platform_db(_set_key, row, KEY, None)
    assert configuration.current() is before  # reading tables here would raise
    await selectors.prepared()
    assert configuration.current().sources[row.pk].sealed_key is not None
