"""Usage over REST: totals, calls, files, forecasts; who sees whose."""

import csv
import io
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from channels.testing import HttpCommunicator
from django.db import connection
from django.test import Client

from apps.accounts import selectors as accounts
from apps.core import scope
from apps.core.clock import now
from apps.core.concurrency import platform_db
from apps.core.ids import new_id
from apps.core.scope import TenantRef
from apps.providers import ledger, usage
from apps.providers.contracts import Flow, Origin
from apps.providers.overview import usage_overview
from apps.providers.usage import GroupBy, Window
from tests.app.providers.money import (
    FREE,
    UNPRICED,
    call,
    days_ago,
    make_budget,
    reserve,
    turn_origin,
    write,
)
from tests.fixtures.database import World
from tests.fixtures.live import NewKey
from tests.fixtures.people import People

BrowserOf = Callable[[UUID, TenantRef | None], Client]
USAGE = "/api/v1/usage"


@pytest.fixture
def ann(committed: World, people: People, browser_of: BrowserOf) -> Client:
    """Who manages acme."""
    return browser_of(people.ann, committed.acme)


@pytest.fixture
def bea(committed: World, people: People, browser_of: BrowserOf) -> Client:
    """A member of acme and of globex."""
    return browser_of(people.bea, committed.acme)


def read(client: Client, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.content
    return answer.json()


def post(client: Client, path: str, **body: object) -> Any:
    return client.post(path, json.dumps(body), content_type="application/json")


def by_key(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in rows}


# -- adding up


def test_nothing_used_is_nothing_and_not_an_error(ann: Client) -> None:
    body = read(ann, USAGE)
    assert body["results"] == []
    assert body["total"]["calls"] == 0
    assert Decimal(body["total"]["cost"]) == 0
    assert body["total"]["first_p95_ms"] is None
    assert read(ann, f"{USAGE}/calls") == {"results": [], "next": None}


def test_totals_tell_costs_tokens_failures_the_cache_and_prices_nobody_knows(
    committed: World, ann: Client
) -> None:
    write(
        call(committed.acme, first_ms=100),
        call(committed.acme, first_ms=300, status="closed"),
        call(committed.acme, tariff=UNPRICED, first_ms=500),
        call(committed.acme, is_cached=True, first_ms=1),
        call(committed.acme, status="provider_timeout", usage=None, tariff=None, first_ms=None),
    )
    total = read(ann, USAGE)["total"]
    assert (total["calls"], total["failed_calls"], total["cached_calls"]) == (5, 1, 1)
    assert (total["failed_share"], total["cached_share"]) == (0.2, 0.2)
    assert total["unpriced_calls"] == 1
    assert Decimal(total["cost"]) == Decimal("0.0028")  # two of the five cost something known
    assert (total["prompt_tokens"], total["completion_tokens"]) == (4000, 400)
    assert (total["first_p50_ms"], total["first_p95_ms"]) == (100, 500)


def test_usage_is_added_up_by_day_model_person_flow_and_key(
    committed: World, people: People, new_key: NewKey, ann: Client
) -> None:
    new_key(people.ann, committed.acme)
    with scope.tenant_scope(committed.acme):
        (key_id,) = accounts.list_key_names(committed.acme)
    write(
        call(committed.acme, origin=turn_origin(people.ann)),
        call(committed.acme, origin=turn_origin(people.bea), started_at=days_ago(1)),
        call(committed.acme, model="acme/small", tariff=FREE, flow=Flow.CHAT_TITLE),
        call(committed.acme, origin=Origin(user_id=people.ann, key_id=key_id)),
    )
    first = days_ago(1).date().isoformat()

    def grouped(by: str) -> dict[str, dict[str, Any]]:
        return by_key(read(ann, f"{USAGE}?group_by={by}&from={first}")["results"])

    days = grouped("day")
    assert {key: row["calls"] for key, row in days.items()} == {
        first: 1,
        now().date().isoformat(): 3,
    }
    assert list(days) == sorted(days)
    models = grouped("model")
    assert list(models) == ["acme/large", "acme/small"]  # most expensive first
    assert Decimal(models["acme/small"]["cost"]) == 0
    users = grouped("user")
    assert {row["label"]: row["calls"] for row in users.values()} == {
        "Ann": 2,
        "Bea": 1,
        "Nobody": 1,
    }
    assert users[""]["label"] == "Nobody"
    assert {key: row["calls"] for key, row in grouped("flow").items()} == {
        "chat.answer": 3,
        "chat.title": 1,
    }
    keys = grouped("key")
    assert keys[str(key_id)]["label"].endswith("(Ann)")
    assert keys[""]["calls"] == 3


def test_the_overview_tells_the_same_as_each_sum_by_itself(
    committed: World, people: People, new_key: NewKey
) -> None:
    new_key(people.ann, committed.acme)
    (key_id,) = accounts.list_key_names(committed.acme)
    write(
        call(committed.acme, origin=turn_origin(people.ann), first_ms=100),
        call(committed.acme, origin=turn_origin(people.bea), started_at=days_ago(1)),
        call(committed.acme, model="acme/odd", tariff=UNPRICED, flow=Flow.CHAT_TITLE),
        call(committed.acme, origin=Origin(user_id=people.ann, key_id=key_id), is_cached=True),
        call(committed.acme, status="provider_timeout", usage=None, tariff=None, first_ms=None),
        call(committed.globex, origin=turn_origin(people.bea)),
    )
    for user_id in (None, people.ann, people.gus):
        window = Window(first=days_ago(1).date(), last=now().date(), user_id=user_id)
        with scope.tenant_scope(committed.acme):
            used = usage_overview(window)
            assert used.total == usage.total_usage(window)
            assert used.models == usage.list_usage(window, GroupBy.MODEL)
            assert used.days == usage.list_days_by_model(window)
            for found, by in (
                (used.people, GroupBy.USER),
                (used.flows, GroupBy.FLOW),
                (used.keys, GroupBy.KEY),
            ):
                untimed = [
                    replace(each, first_p50_ms=None, first_p95_ms=None)
                    for each in usage.list_usage(window, by)
                ]
                assert list(found) == untimed


def test_days_are_those_of_utc_and_both_ends_belong_to_the_window(
    committed: World, ann: Client
) -> None:
    write(
        call(committed.acme, started_at=datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)),
        call(committed.acme, started_at=datetime(2026, 2, 1, tzinfo=UTC)),
        call(committed.acme, started_at=datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=UTC)),
        call(committed.acme, started_at=datetime(2026, 3, 1, tzinfo=UTC)),
    )
    body = read(ann, f"{USAGE}?from=2026-02-01&to=2026-02-28")
    assert [row["key"] for row in body["results"]] == ["2026-02-01", "2026-02-28"]
    assert (body["first"], body["last"]) == ("2026-02-01", "2026-02-28")


@pytest.mark.parametrize(
    "query",
    [
        "from=2026-02-02&to=2026-02-01",
        "from=2020-01-01&to=2026-01-01",
        "from=yesterday",
        "to=9999-12-31",
        "from=0001-01-01&to=0001-01-02",
        "group_by=colour",
        "user=me",
    ],
)
def test_a_window_that_is_none_is_refused_with_the_reason(ann: Client, query: str) -> None:
    answer = ann.get(f"{USAGE}?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["details"]["fields"]


# -- who sees what


def test_a_member_sees_only_what_he_used_himself(
    committed: World, people: People, ann: Client, bea: Client
) -> None:
    write(
        call(committed.acme, origin=turn_origin(people.ann)),
        call(committed.acme, origin=turn_origin(people.bea)),
        call(committed.acme),
    )
    assert read(ann, USAGE)["total"]["calls"] == 3
    assert read(bea, USAGE)["total"]["calls"] == 1
    assert read(ann, f"{USAGE}?user={people.bea}")["total"]["calls"] == 1
    assert read(bea, f"{USAGE}?user={people.bea}")["total"]["calls"] == 1
    for path in (USAGE, f"{USAGE}/calls", f"{USAGE}.csv"):
        assert bea.get(f"{path}?user={people.ann}").status_code == 403
    (mine,) = read(bea, f"{USAGE}/calls")["results"]
    assert mine["user_id"] == str(people.bea)


def test_a_key_that_may_only_chat_shows_its_owners_usage_and_no_more(
    committed: World, people: People, new_key: NewKey
) -> None:
    write(call(committed.acme, origin=turn_origin(people.ann)), call(committed.acme))
    client = Client(
        HTTP_HOST="acme.localhost",
        HTTP_AUTHORIZATION=f"Bearer {new_key(people.ann, committed.acme)}",
    )
    assert read(client, USAGE)["total"]["calls"] == 1
    assert client.get(f"{USAGE}?user={people.bea}").status_code == 403


def test_a_workspace_sees_nothing_of_another_even_for_the_same_person(
    committed: World, people: People, ann: Client, browser_of: BrowserOf
) -> None:
    write(
        call(committed.acme, origin=turn_origin(people.bea), model="acme/large"),
        call(committed.globex, origin=turn_origin(people.bea), model="globex/secret"),
        call(None, model="platform/probe", flow=Flow.HEALTH_PROBE),
    )
    for client in (ann, browser_of(people.bea, committed.acme)):
        assert [row["model"] for row in read(client, f"{USAGE}/calls")["results"]] == ["acme/large"]
        assert list(by_key(read(client, f"{USAGE}?group_by=model")["results"])) == ["acme/large"]
    gus = browser_of(people.gus, committed.globex)
    assert list(by_key(read(gus, f"{USAGE}?group_by=model")["results"])) == ["globex/secret"]


# -- calls and files


def test_calls_come_in_pages_that_neither_repeat_nor_hide_any(
    committed: World, ann: Client
) -> None:
    moment = now()
    records = [  # several at the same moment
        call(committed.acme, started_at=moment - timedelta(microseconds=n // 3)) for n in range(25)
    ]
    write(*records)
    seen: list[str] = []
    cursor = ""
    while True:
        page = read(ann, f"{USAGE}/calls?page_size=10{cursor}")
        seen += [row["id"] for row in page["results"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert len(seen) == 25
    assert set(seen) == {str(record.id) for record in records}


async def fetched(path: str, client: Client) -> tuple[int, dict[str, str], str]:
    """Download through the whole ASGI application; the body comes in pieces."""
    from karen_site.asgi import application  # sets the web role; only where it is needed

    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    headers = [(b"host", b"acme.localhost"), (b"cookie", cookie.encode())]
    asked = HttpCommunicator(application, "GET", path, headers=headers)
    await asked.send_input({"type": "http.request", "body": b""})
    start = await asked.receive_output(timeout=20)
    body, more = b"", True
    while more:
        chunk = await asked.receive_output(timeout=20)
        body += chunk.get("body", b"")
        more = chunk.get("more_body", False)
    await asked.wait()
    told = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    return start["status"], told, body.decode()


async def test_the_file_has_every_call_once_and_no_formula(
    committed: World, people: People, ann: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "_PAGE", 7)

    def prepare() -> None:
        moment = now()
        write(
            *[
                call(committed.acme, started_at=moment - timedelta(microseconds=n // 4))
                for n in range(20)
            ],
            call(committed.acme, model="=cmd()", origin=turn_origin(people.ann), tariff=UNPRICED),
            call(committed.globex, model="globex/secret"),
        )

    await platform_db(prepare)
    status, headers, text = await fetched(f"{USAGE}.csv", ann)
    assert status == 200
    assert headers["content-type"] == "text/csv; charset=utf-8"
    assert headers["content-disposition"].startswith('attachment; filename="usage-')
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 21
    odd = next(row for row in rows if row["model"] == "'=cmd()")
    assert (odd["cost_usd"], odd["price_source"], odd["user"]) == ("", "unknown", "Ann")
    assert "globex" not in text
    assert "0.0014" in text


# -- what will this cost?


def test_a_forecast_counts_tokens_and_says_what_each_model_would_cost(ann: Client) -> None:
    body = post(ann, f"{USAGE}/estimate", text="How are you?", max_tokens=50).json()
    found = {each["model"]: each for each in body["models"]}
    echo = found["echo/plain"]
    assert echo["prompt_tokens"] > 0
    assert echo["max_tokens"] == 50
    assert Decimal(echo["cost_low"]) == Decimal(echo["cost_high"]) == 0
    assert echo["price_source"] == "runs here"
    assert echo["fits"]
    assert body["room"] == []
    longer = post(
        ann,
        f"{USAGE}/estimate",
        model="echo/plain",
        messages=[{"role": "system", "text": "Be kind."}, {"text": "How are you?"}],
    ).json()
    assert [each["model"] for each in longer["models"]] == ["echo/plain"]
    assert longer["models"][0]["prompt_tokens"] > echo["prompt_tokens"]


def test_a_forecast_says_what_budgets_leave_and_whether_they_would_refuse(
    committed: World, people: People, ann: Client, browser_of: BrowserOf
) -> None:
    make_budget(committed.acme, level="member", unit="tokens", period="day", amount=1000)
    reserve(committed.acme, tokens=400, origin=Origin(user_id=people.ann))
    small = post(ann, f"{USAGE}/estimate", model="echo/plain", text="hi", max_tokens=100).json()
    assert [(each["level"], int(Decimal(each["left"]))) for each in small["room"]] == [
        ("member", 600)
    ]
    assert not small["models"][0]["is_refused"]
    large = post(ann, f"{USAGE}/estimate", model="echo/plain", text="hi", max_tokens=600).json()
    assert large["models"][0]["is_refused"]
    gus = browser_of(people.gus, committed.globex)
    elsewhere = post(gus, f"{USAGE}/estimate", model="echo/plain", text="hi", max_tokens=600).json()
    assert elsewhere["room"] == []
    assert not elsewhere["models"][0]["is_refused"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": "a", "messages": [{"text": "b"}]},
        {"text": "a", "max_tokens": 0},
        {"text": 7 * [1]},
        {"messages": [{"role": "user"}]},
    ],
)
def test_a_forecast_of_nothing_is_refused(ann: Client, body: dict[str, object]) -> None:
    assert post(ann, f"{USAGE}/estimate", **body).status_code == 400


def test_a_forecast_of_an_empty_text_costs_next_to_nothing(ann: Client) -> None:
    answer = post(ann, f"{USAGE}/estimate", model="echo/plain", text="", max_tokens=1)
    assert answer.status_code == 200
    assert post(ann, f"{USAGE}/estimate", model="no/such", text="").status_code == 404


# -- fast enough


def test_a_month_of_a_hundred_thousand_calls_is_added_up_quickly(committed: World) -> None:
    ledger.ensure_partitions(today=now().date())
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO public.providers_call (id, started_at, tenant_id, flow, model, provider,"
            " attempt, step, user_id, status, is_cached, tries, prompt_tokens, completion_tokens,"
            " cached_tokens, reasoning_tokens, is_estimated, cost, price_source, first_ms,"
            " total_ms, correlation_id) SELECT gen_random_uuid(),"
            " now() - n * interval '25 seconds',"
            " CASE WHEN n %% 2 = 0 THEN %s ELSE %s END::uuid, 'chat.answer', 'acme/' || n %% 7,"
            " 'acme', NULL, 0, %s::uuid, 'ok', false, 1, 1000, 100, 0, 0, false, 0.0014, 'own',"
            " n %% 997, 900, '' FROM generate_series(1, 200000) n",
            [committed.acme.id, committed.globex.id, new_id()],
        )
        cursor.execute("ANALYZE public.providers_call")
    window = Window(first=days_ago(60).date(), last=now().date())
    with scope.tenant_scope(committed.acme):
        started = time.perf_counter()
        used = usage_overview(window)
        seconds = time.perf_counter() - started
        total = usage.total_usage(window)
        models = usage.list_usage(window, GroupBy.MODEL)
        page = list(usage.list_calls(window).order_by("-started_at", "-id")[:50])
    print(f"everything on the page from 100,000 calls: {seconds:.2f} s")  # noqa: T201  # shown with -s
    assert total.calls == 100_000
    assert sum(each.calls for each in models) == 100_000
    assert used.total == total
    assert used.models == models
    assert len({each.day for each in used.days}) > 55
    assert len(page) == 50
    assert seconds < 5  # measured: 0.7 s on two busy cores
