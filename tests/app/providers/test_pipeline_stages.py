"""The stages of the gateway: budgets that hold, answers that are kept, limits, and their trace."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction

from apps.core import scope
from apps.core.concurrency import platform_db, tenant_db
from apps.core.errors import KarenError, RateLimited
from apps.core.ids import new_id
from apps.core.scope import Actor
from apps.providers import breaker, cache, configuration, gateway, health, selectors
from apps.providers.contracts import (
    ChatMessage,
    Flow,
    ModelRequest,
    Origin,
    Role,
    TextDelta,
)
from apps.providers.errors import BudgetExceeded, PriceUnknown, ProviderUnavailable
from apps.providers.models import Budget, BudgetUse, Call, GatewaySettings, Provider, Reservation
from apps.providers.testing import forget_gateway, write_ledger
from tests.app.providers.conftest import set_up
from tests.fixtures.database import World
from tests.stubs.upstream import Upstream

MAX_TOKENS = 50
TEXT = "What is the answer?"


def question(model: str, *, text: str = TEXT, temperature: float = 0.0) -> ModelRequest:
    return ModelRequest(
        model=model,
        messages=(ChatMessage(role=Role.USER, text=text),),
        max_tokens=MAX_TOKENS,
        temperature=temperature,
        partition="p",
    )


async def said(request: ModelRequest, **more: Any) -> str:
    async with aclosing(gateway.stream(flow=Flow.API_ANSWER, request=request, **more)) as events:
        return "".join([each.text async for each in events if isinstance(each, TextDelta)])


async def reached(upstream: Upstream) -> None:
    async with asyncio.timeout(10):
        while not upstream.calls:  # noqa: ASYNC110  # the server has no event for it
            await asyncio.sleep(0)


async def closed_again(place: tuple[str, str]) -> None:
    while breaker.open_for_s(place) > 0:  # noqa: ASYNC110  # it opens by the clock
        await asyncio.sleep(0)


def change(model: type[Any], **values: Any) -> Any:
    row = model.objects.create(**values)
    configuration.forget()
    return row


@pytest.fixture
async def acme(committed: World) -> AsyncIterator[World]:
    with scope.tenant_scope(committed.acme), scope.correlation_scope():
        yield committed


ESTIMATE = MAX_TOKENS + 5  # the question has 19 bytes


@pytest.mark.parametrize("level", ["tenant", "member", "key"])
async def test_of_a_hundred_calls_at_once_exactly_ten_pass_a_budget_for_ten(
    acme: World, ann: Actor, level: str
) -> None:
    origin = Origin(user_id=ann.id, key_id=new_id())
    subject = {"tenant": None, "member": ann.id, "key": origin.key_id}[level]
    await tenant_db(
        change, Budget, tenant_id=acme.acme.id, level=level, subject_id=subject, unit="tokens",
        period="day", amount=10 * ESTIMATE,
    )  # fmt: skip
    asked = question("stub/ttft=1500,itl=0,len=50")
    outcomes = await asyncio.gather(
        *(said(asked, origin=origin) for _ in range(100)), return_exceptions=True
    )
    refused = [each for each in outcomes if isinstance(each, BudgetExceeded)]
    assert (len(refused), sum(isinstance(each, str) for each in outcomes)) == (90, 10)
    assert refused[0].level == level
    use = await tenant_db(BudgetUse.objects.get)
    assert use.reserved == 0
    assert use.used == 10 * (50 + 4)  # 50 words and a question of four, as the stub counts
    assert await tenant_db(Reservation.objects.count) == 0


async def test_whoever_leaves_while_room_is_made_leaves_nothing_set_aside(
    acme: World, ann: Actor
) -> None:
    budget = await tenant_db(
        change, Budget, tenant_id=acme.acme.id, level="tenant", unit="tokens", period="day",
        amount=1_000,
    )  # fmt: skip
    asked = question("stub/len=3")
    await said(asked)  # its row of uses is there
    locked, free = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            list(BudgetUse.objects.select_for_update().filter(budget=budget))
            locked.set()
            free.wait(20)

    holding = asyncio.create_task(tenant_db(hold))
    await platform_db(locked.wait, 20)
    call = asyncio.create_task(said(asked))
    while not await tenant_db(_waits_for_a_lock):
        pass
    call.cancel()
    free.set()
    await holding
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await tenant_db(Reservation.objects.count) == 0
    assert (await tenant_db(BudgetUse.objects.get)).reserved == 0


def _waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND datname = current_database()"
        )
        (count,) = cursor.fetchone() or (0,)
    return bool(count)


async def test_a_budget_of_another_workspace_is_no_concern(acme: World, ann: Actor) -> None:
    await tenant_db(
        change, Budget, tenant_id=acme.globex.id, level="tenant", unit="tokens", period="day",
        amount=0,
    )  # fmt: skip
    assert await said(question("stub/len=3"), origin=Origin(user_id=ann.id))


async def test_money_is_counted_by_the_price_of_the_model(
    acme: World, ann: Actor, upstream: Upstream
) -> None:
    provider = await tenant_db(set_up, "up", upstream.base_url, "plain")
    await tenant_db(
        change, Budget, tenant_id=acme.acme.id, level="tenant", unit="money", period="month",
        amount=1,
    )  # fmt: skip
    with pytest.raises(PriceUnknown):
        await said(question("up/plain"))

    def price() -> None:
        provider.models.update(input_price=2, output_price=10)
        configuration.forget()

    await tenant_db(price)
    await said(question("up/plain"))
    await platform_db(write_ledger)
    calls = await tenant_db(lambda: list(Call.objects.order_by("started_at")))
    assert [(c.status, c.cost) for c in calls] == [
        ("price_unknown", None),
        ("ok", Decimal("0.0000880000")),  # 4 read, 8 written
    ]
    use = await tenant_db(BudgetUse.objects.get)
    assert use.used == Decimal("0.000088")


def keeping(world: World) -> None:
    change(GatewaySettings, tenant_id=world.acme.id, cache_ttl_s=600)


async def test_an_equal_question_of_the_same_person_gets_the_kept_answer(
    acme: World, ann: Actor, upstream: Upstream
) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "plain")
    await tenant_db(keeping, acme)
    mine = Origin(user_id=ann.id)
    records: list[Any] = []
    first = await said(question("up/plain"), origin=mine, record=records.append)
    second = await said(question("up/plain"), origin=mine, record=records.append)
    cache.forget()  # another process
    third = await said(question("up/plain"), origin=mine, record=records.append)
    assert first == second == third
    assert upstream.calls["plain"] == 1
    assert [record.is_cached for record in records] == [False, True, True]
    assert records[1].cost.amount == 0
    assert dict(records[0].steps) == {
        "guard": "passed",
        "cache": "miss",
        "join": "first",
        "limits": "none",
        "budget": "none",
        "breaker": "closed",
        "call": "ok",
        "keep": "kept",
    }
    assert [stage for stage, _ in records[0].steps] == list(dict(records[0].steps))


@pytest.mark.parametrize(
    "differs", ["person", "workspace", "text", "name", "temperature", "forgotten", "cache off"]
)
async def test_nobody_gets_an_answer_to_another_question(
    acme: World, ann: Actor, bea: Actor, upstream: Upstream, differs: str
) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "plain")
    await tenant_db(keeping, acme)
    await said(question("up/plain"), origin=Origin(user_id=ann.id))
    other, asked = Origin(user_id=ann.id), question("up/plain")
    tenant = acme.acme
    match differs:
        case "person":
            other = Origin(user_id=bea.id)
        case "workspace":
            tenant = acme.globex
            await platform_db(change, GatewaySettings, tenant_id=tenant.id, cache_ttl_s=600)
        case "text":
            asked = question("up/plain", text="What else?")
        case "name":
            messages = tuple(replace(each, name="bea") for each in asked.messages)
            asked = replace(asked, messages=messages)
        case "temperature":
            asked = question("up/plain", temperature=0.5)
        case "forgotten":
            await tenant_db(lambda: GatewaySettings.objects.update(updated_at="2030-01-01T00:00Z"))
            configuration.forget()
        case _:
            await tenant_db(lambda: GatewaySettings.objects.update(cache_ttl_s=0))
            configuration.forget()
    with scope.tenant_scope(tenant):
        await said(asked, origin=other)
    assert upstream.calls["plain"] == 2


async def test_equal_questions_at_once_are_asked_once(
    acme: World, ann: Actor, upstream: Upstream
) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "slow-8")
    await tenant_db(keeping, acme)
    records: list[Any] = []
    answers = await asyncio.gather(
        *(
            said(question("up/slow-8"), origin=Origin(user_id=ann.id), record=records.append)
            for _ in range(20)
        )
    )
    assert set(answers) == {"".join(f"word{n} " for n in range(1, 9))}
    assert upstream.calls["slow-8"] == 1
    assert sorted(record.is_cached for record in records) == [False] + [True] * 19


async def test_whoever_joined_reads_on_when_the_first_one_leaves(
    acme: World, ann: Actor, upstream: Upstream
) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "slow-8")
    await tenant_db(keeping, acme)
    origin = Origin(user_id=ann.id)
    first = asyncio.create_task(said(question("up/slow-8"), origin=origin))
    await reached(upstream)
    second = asyncio.create_task(said(question("up/slow-8"), origin=origin))
    (flight,) = cache._flights.values()
    async with asyncio.timeout(10):
        while flight.readers < 2:  # noqa: ASYNC110  # it has no event for it
            await asyncio.sleep(0)
    first.cancel()
    assert (await second).count("word") == 8
    assert upstream.calls["slow-8"] == 1
    await platform_db(write_ledger)
    calls = await tenant_db(lambda: list(Call.objects.order_by("is_cached")))
    # The model was asked once and wrote all of it, whoever heard it.
    assert [(c.is_cached, c.status, c.completion_tokens, c.tries) for c in calls] == [
        (False, "closed", 8, 1),
        (True, "ok", 8, 0),
    ]


async def test_a_model_stops_when_the_last_reader_leaves(
    acme: World, ann: Actor, upstream: Upstream
) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "slow-200")
    await tenant_db(keeping, acme)
    asked = asyncio.create_task(said(question("up/slow-200"), origin=Origin(user_id=ann.id)))
    await reached(upstream)
    asked.cancel()
    async with asyncio.timeout(5):
        await upstream.next_drop.wait()
    assert upstream.calls["slow-200"] == 1


@pytest.mark.parametrize("whose", ["workspace", "member"])
async def test_beyond_its_requests_a_minute_a_party_is_told_to_wait(
    acme: World, ann: Actor, bea: Actor, whose: str
) -> None:
    name = "requests_per_minute" if whose == "workspace" else "user_requests_per_minute"
    await tenant_db(change, GatewaySettings, tenant_id=acme.acme.id, **{name: 2})
    for _ in range(2):
        await said(question("stub/len=1"), origin=Origin(user_id=ann.id))
    with pytest.raises(RateLimited) as caught:
        await said(question("stub/len=1"), origin=Origin(user_id=ann.id))
    assert 20 < (caught.value.retry_after_s or 0) <= 31
    with scope.tenant_scope(acme.globex):
        await said(question("stub/len=1"), origin=Origin(user_id=ann.id))
    if whose == "member":
        await said(question("stub/len=1"), origin=Origin(user_id=bea.id))


async def test_tokens_a_minute_count_what_was_read_and_written(acme: World, ann: Actor) -> None:
    await tenant_db(change, GatewaySettings, tenant_id=acme.acme.id, tokens_per_minute=55)
    await said(question("stub/len=50"))
    with pytest.raises(RateLimited):
        await said(question("stub/len=50"))


async def test_no_more_calls_at_once_than_allowed_and_a_seat_is_free_again(acme: World) -> None:
    await tenant_db(change, GatewaySettings, tenant_id=acme.acme.id, concurrent_calls=3)
    outcomes = await asyncio.gather(
        *(said(question("stub/ttft=800,len=2")) for _ in range(8)), return_exceptions=True
    )
    assert sum(isinstance(each, str) for each in outcomes) == 3
    assert sum(isinstance(each, RateLimited) for each in outcomes) == 5
    assert await said(question("stub/len=2"))


async def test_a_provider_beyond_its_limit_is_unavailable_so_that_another_is_asked(
    acme: World, upstream: Upstream
) -> None:
    provider = await tenant_db(set_up, "up", upstream.base_url, "plain")

    def limit() -> None:
        Provider.objects.filter(pk=provider.pk).update(requests_per_minute=1)
        configuration.forget()

    await tenant_db(limit)
    await said(question("up/plain"))
    with pytest.raises(ProviderUnavailable) as caught:
        await said(question("up/plain"))
    assert caught.value.rate_limited


async def test_a_simulated_failure_fails_without_asking(acme: World, upstream: Upstream) -> None:
    provider = await tenant_db(set_up, "up", upstream.base_url, "plain")

    def simulate() -> None:
        Provider.objects.filter(pk=provider.pk).update(simulate_failure=True)
        configuration.forget()

    await tenant_db(simulate)
    with pytest.raises(ProviderUnavailable):
        await said(question("up/plain"))
    assert not upstream.calls
    assert health.health_of(selectors.get_model("up/plain"))[0] == "down"


async def test_a_breaker_opens_lets_one_call_through_and_closes_by_itself(
    acme: World, upstream: Upstream
) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "plain")
    await configuration.loaded()
    address = upstream.base_url
    await upstream.stop()
    place = health.place_of(selectors.get_model("up/plain"))
    for _ in range(3):
        with pytest.raises(KarenError):
            await said(question("up/plain"))
    assert 0 < breaker.open_for_s(place) <= 8
    records: list[Any] = []
    with pytest.raises(ProviderUnavailable) as caught:
        await said(question("up/plain"), record=records.append)
    assert 0 < (caught.value.retry_after_s or 0) <= 8
    # At once: nothing was tried, and nobody waited for the breaker.
    assert (records[0].tries, dict(records[0].steps)["breaker"]) == (0, "open")

    again = Upstream()
    await again.start(port=int(address.rsplit(":", 1)[1].split("/")[0]))
    try:
        async with asyncio.timeout(30):
            await closed_again(place)
            assert (await said(question("up/plain"))).count("word") == 8
        assert breaker.open_for_s(place) == 0
        breaker._owners.add(place[0])
        await platform_db(breaker.read)
        assert breaker.open_for_s(place) == 0
    finally:
        await again.stop()


async def test_an_open_breaker_is_seen_by_other_processes_and_not_by_own_keys_of_others(
    acme: World, upstream: Upstream
) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "plain")
    await configuration.loaded()
    place = health.place_of(selectors.get_model("up/plain"))
    await breaker.note_failure(place, open_s=30)
    forget_gateway()  # as another process begins
    await configuration.loaded()
    breaker._owners.add(place[0])
    await platform_db(breaker.read)
    assert breaker.open_for_s(place) > 0
    own = (acme.acme.id.hex, "up/plain")
    assert breaker.open_for_s(own) == 0


async def test_measured_figures_of_all_processes_come_back(acme: World, upstream: Upstream) -> None:
    await tenant_db(set_up, "up", upstream.base_url, "plain", "broken")
    for _ in range(6):
        await said(question("up/plain"))
    with pytest.raises(ProviderUnavailable):
        await said(question("up/broken"))
    plain, broken = selectors.get_model("up/plain"), selectors.get_model("up/broken")
    for each in (plain, broken):
        health.measured(each)
    await platform_db(health.flush)
    await platform_db(health.read)
    assert health.measured(plain).calls == 6
    assert (health.measured(plain).first_p95_ms or 0) > 0
    assert (health.measured(plain).tokens_per_s or 0) >= 0
    assert health.measured(broken).error_rate == 1.0
    with scope.tenant_scope(acme.globex):
        await configuration.loaded()
        assert health.measured(selectors.get_model("up/plain")).calls == 6  # the platform's


async def test_models_that_run_here_are_measured_as_well(acme: World) -> None:
    for _ in range(3):
        await said(question("stub/ttft=40,itl=5,len=9"))
    model = selectors.get_model("stub/ttft=40,itl=5,len=9")
    health.measured(model)
    await platform_db(health.flush)
    await platform_db(health.read)
    seen = health.measured(model)
    assert seen.calls == 3
    assert (seen.first_p50_ms or 0) >= 40  # it cannot be earlier, whatever the machine does
    assert (seen.tokens_per_s or 0) > 0


async def test_a_workspaces_provider_is_unknown_to_others(acme: World, upstream: Upstream) -> None:
    await tenant_db(set_up, "mine", upstream.base_url, "plain", tenant=acme.acme)
    await configuration.loaded()
    assert selectors.find_model("mine/plain")
    with scope.tenant_scope(acme.globex):
        await configuration.loaded()
        assert selectors.find_model("mine/plain") is None
