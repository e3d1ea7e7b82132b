"""Who gets into `/v1/…`, and what is said to everybody else."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from channels.testing import HttpCommunicator
from django.conf import settings
from django.test import Client
from hypothesis import HealthCheck, given, settings as hypothesis_settings, strategies as st
from pytest_django.fixtures import Settings

from apps.accounts import services as accounts
from apps.accounts.models.api_keys import ApiKey
from apps.api import exchange
from apps.api.openai import chat, door
from apps.core import scope
from apps.core.concurrency import platform_db
from apps.core.scope import TenantRef
from apps.tenants import services as tenants
from apps.tenants.models import Plan, Tenant
from apps.tenants.selectors import forget_limits
from tests.fixtures.database import World
from tests.fixtures.live import NewKey
from tests.fixtures.people import People
from tests.fixtures.v1 import AskV1

BrowserOf = Callable[[UUID, TenantRef | None], Client]

CHAT = "chat/completions"
HELLO: dict[str, Any] = {
    "model": "echo/plain",
    "messages": [{"role": "user", "content": "hello"}],
}


@pytest.fixture
async def key(committed: World, people: People, new_key: NewKey) -> str:
    return await platform_db(new_key, people.ann, committed.acme)


async def test_a_key_opens_its_own_workspace(ask_v1: AskV1, committed: World, key: str) -> None:
    answer = await ask_v1(CHAT, tenant=committed.acme, key=key, body=HELLO)
    assert answer.status == 200
    assert answer.document["choices"][0]["message"]["content"] == "hello"
    assert answer.headers["x-correlation-id"] == answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


async def test_a_callers_correlation_id_comes_back(
    ask_v1: AskV1, committed: World, key: str
) -> None:
    sent = [(b"x-correlation-id", b"my-request-1")]
    answer = await ask_v1("models", tenant=committed.acme, key=key, headers=sent)
    assert answer.headers["x-correlation-id"] == "my-request-1"


@pytest.mark.parametrize(
    "shown",
    [None, "", "sk-something", "karen_short_x", f"karen_{'a' * 12}_{'b' * 43}", "karen_" * 2000],
)
async def test_whoever_has_no_valid_key_is_refused(
    ask_v1: AskV1, committed: World, shown: str | None
) -> None:
    answer = await ask_v1(CHAT, tenant=committed.acme, key=shown, body=HELLO)
    assert answer.status == 401
    assert answer.error["code"] == "invalid_api_key"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["x-correlation-id"]


async def test_one_wrong_letter_in_the_secret_is_a_wrong_key(
    ask_v1: AskV1, committed: World, key: str
) -> None:
    wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
    assert (await ask_v1("models", tenant=committed.acme, key=wrong)).status == 401


async def test_a_key_of_another_workspace_is_no_key_here(
    ask_v1: AskV1, committed: World, people: People, new_key: NewKey
) -> None:
    key = await platform_db(new_key, people.bea, committed.globex)  # a member of both
    assert (await ask_v1("models", tenant=committed.globex, key=key)).status == 200
    assert (await ask_v1("models", tenant=committed.acme, key=key)).status == 401


async def test_a_session_is_no_key(
    ask_v1: AskV1, committed: World, people: People, browser_of: BrowserOf
) -> None:
    browser = await platform_db(browser_of, people.ann, committed.acme)
    name = settings.SESSION_COOKIE_NAME
    cookie = [(b"cookie", f"{name}={browser.cookies[name].value}".encode())]
    answer = await ask_v1("models", tenant=committed.acme, headers=cookie)
    assert answer.status == 401


@pytest.mark.parametrize("host", ["localhost", "nobody.localhost", ""])
async def test_models_are_asked_in_a_workspace(
    ask_v1: AskV1, committed: World, key: str, host: str
) -> None:
    answer = await ask_v1("models", tenant=host, key=key)
    assert (answer.status, answer.error["code"]) == (404, "tenant_not_found")


async def test_a_revoked_key_is_refused_with_the_next_request(
    ask_v1: AskV1, committed: World, people: People, key: str
) -> None:
    def revoke() -> None:
        actor = accounts.actor_of_credential(key, committed.acme)
        assert actor is not None
        with scope.tenant_scope(committed.acme), scope.actor_scope(actor):
            accounts.revoke_api_key(actor=actor, key_id=ApiKey.objects.get().pk)

    assert (await ask_v1("models", tenant=committed.acme, key=key)).status == 200
    await platform_db(revoke)
    assert (await ask_v1("models", tenant=committed.acme, key=key)).status == 401


async def test_a_suspended_workspace_refuses_its_keys(
    ask_v1: AskV1, committed: World, key: str
) -> None:
    def suspend() -> None:
        with scope.correlation_scope(), scope.actor_scope(scope.SYSTEM):
            tenants.suspend_tenant(tenant_id=committed.acme.id)

    await platform_db(suspend)
    answer = await ask_v1("models", tenant=committed.acme, key=key)
    assert (answer.status, answer.error["code"]) == (403, "tenant_suspended")


async def test_plain_http_is_refused_where_https_is_demanded(
    ask_v1: AskV1, committed: World, key: str, settings: Settings
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert (await ask_v1("models", tenant=committed.acme, key=key)).status == 403
    behind = [(b"x-forwarded-proto", b"https")]
    assert (await ask_v1("models", tenant=committed.acme, key=key, headers=behind)).status == 200


@pytest.mark.parametrize(
    "method,path,status",
    [
        ("GET", CHAT, 405),
        ("DELETE", "models", 405),
        ("OPTIONS", CHAT, 405),
        ("POST", "no/such/thing", 404),
        ("GET", "models/no/such/model", 404),
        ("GET", "", 404),
    ],
)
async def test_wrong_addresses_and_methods_are_said_so(
    ask_v1: AskV1, committed: World, key: str, method: str, path: str, status: int
) -> None:
    answer = await ask_v1(path, tenant=committed.acme, key=key, method=method)
    assert answer.status == status
    assert answer.error["type"] == "invalid_request_error"


@pytest.fixture
def two_requests(settings: Settings) -> None:
    settings.API_REQUESTS_PER_MINUTE = 2


@pytest.fixture
def put_acme_on_a_plan(committed: World) -> Iterator[Callable[..., None]]:
    def put(**limits: int) -> None:
        plan = Plan.objects.create(name="api", limits=limits)
        Tenant.objects.filter(pk=committed.acme.id).update(plan=plan)
        forget_limits()

    yield put
    Tenant.objects.filter(pk=committed.acme.id).update(plan=None)
    Plan.objects.filter(name="api").delete()
    forget_limits()


async def test_too_many_requests_are_told_when_to_come_back(
    ask_v1: AskV1, committed: World, key: str, two_requests: None
) -> None:
    answers = [await ask_v1("models", tenant=committed.acme, key=key) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[-1].error["code"] == "rate_limit_exceeded"
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 30


async def test_a_plan_says_how_many_requests_its_workspace_may_send(
    ask_v1: AskV1, committed: World, key: str, put_acme_on_a_plan: Callable[..., None]
) -> None:
    await platform_db(put_acme_on_a_plan, api_requests_per_minute=1)
    answers = [await ask_v1("models", tenant=committed.acme, key=key) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 429]


async def test_a_second_key_of_the_same_person_has_no_limit_of_its_own(
    ask_v1: AskV1,
    committed: World,
    people: People,
    key: str,
    new_key: NewKey,
    two_requests: None,
) -> None:
    second = await platform_db(new_key, people.ann, committed.acme)
    for shown in (key, second):
        await ask_v1("models", tenant=committed.acme, key=shown)
    assert (await ask_v1("models", tenant=committed.acme, key=second)).status == 429


async def test_a_huge_body_is_refused_by_its_announcement(
    committed: World, key: str, settings: Settings
) -> None:
    from karen_site.asgi import application

    settings.API_BODY_MAX_BYTES = 1000
    for announced, sent in ((b"1001", b""), (b"10", b"x" * 1001)):
        headers = [
            (b"host", b"acme.localhost"),
            (b"authorization", f"Bearer {key}".encode()),
            (b"content-length", announced),
        ]
        talk = HttpCommunicator(application, "POST", f"/v1/{CHAT}", body=sent, headers=headers)
        answer = await talk.get_response(timeout=5)
        await talk.wait()
        assert answer["status"] == 413
        assert json.loads(answer["body"])["error"]["code"] == "payload_too_large"


def _chat(**fields: object) -> dict[str, object]:
    return {**HELLO, **fields}


_TOOL = {"type": "function", "function": {"name": "add"}}
INVALID, UNSUPPORTED = "parameter_invalid", "parameter_unsupported"
NO_REQUESTS = [b"", b"{", b"[" * 100_000, b"\xff\xfe", b"[]", {"messages": []}]


def _picture(url: str) -> dict[str, object]:
    return {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}


MISFITS: list[tuple[str, dict[str, object]]] = [
    ("messages", {"messages": []}),
    ("messages", {"messages": "hello"}),
    ("messages[0].role", {"messages": [{"role": "king", "content": "x"}]}),
    ("messages[0].content", {"messages": [{"role": "user"}]}),
    ("messages[0].tool_call_id", {"messages": [{"role": "tool", "content": "x"}]}),
    ("messages[0].content[0].image_url", {"messages": [_picture("data:text/html;base64,AA==")]}),
    ("messages[0].content[0].image_url", {"messages": [_picture("data:image/png;base64,A")]}),
    ("model", {"model": 7}),
    ("temperature", {"temperature": 3}),
    ("temperature", {"temperature": "hot"}),
    ("top_p", {"top_p": -1}),
    ("max_tokens", {"max_tokens": 0}),
    ("max_completion_tokens", {"max_completion_tokens": -5}),
    ("stop", {"stop": ["a"] * 5}),
    ("stop", {"stop": ""}),
    ("stream_options", {"stream_options": {"include_usage": True}}),
    ("tools[0].name", {"tools": [{"type": "function", "function": {"name": "a b"}}]}),
    ("tools", {"tools": [_TOOL] * 129}),
    ("tool_choice", {"tool_choice": "required"}),
    ("tool_choice", {"tools": [_TOOL], "tool_choice": "sometimes"}),
    ("tool_choice", {"tools": [_TOOL], "tool_choice": {"function": {"name": "no"}}}),
    ("response_format.type", {"response_format": {"type": "xml"}}),
]
UNOFFERED: list[tuple[str, dict[str, object]]] = [
    ("n", {"n": 2}),
    ("logprobs", {"logprobs": True}),
    ("logit_bias", {"logit_bias": {"1": 2}}),
    ("tools[0].type", {"tools": [{"type": "web_search"}]}),
    ("response_format", {"response_format": {"type": "json_object"}}),
    (
        "messages[0].content[0].type",
        {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
    ),
    ("messages[0].content[0].image_url", {"messages": [_picture("https://example.org/a.png")]}),
]


@pytest.mark.parametrize(
    "body,param,code",
    [
        *[(body, "", INVALID) for body in NO_REQUESTS],
        *[(_chat(**fields), param, INVALID) for param, fields in MISFITS],
        *[(_chat(**fields), param, UNSUPPORTED) for param, fields in UNOFFERED],
        (_chat(model="no/such"), "model", "model_not_found"),
    ],
    ids=str,
)
async def test_a_body_that_does_not_fit_is_told_where(
    ask_v1: AskV1, committed: World, key: str, body: object, param: str, code: str
) -> None:
    answer = await ask_v1(CHAT, tenant=committed.acme, key=key, body=body, method="POST")
    assert (answer.status, answer.error["code"]) == (
        404 if code == "model_not_found" else 400,
        code,
    )
    assert answer.error["param"] == (param or None)
    assert answer.error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "body,param",
    [
        ({"model": "echo/plain"}, None),
        ({"model": "echo/plain", "input": []}, "input"),
        (
            {"model": "echo/plain", "input": "x", "previous_response_id": "r"},
            "previous_response_id",
        ),
        ({"model": "echo/plain", "input": "x", "background": True}, "background"),
        ({"model": "echo/plain", "input": [{"type": "image_generation_call"}]}, "input[0].type"),
        ({"model": "echo/plain", "input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"model": "echo/plain", "input": "x", "tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"model": "echo/plain", "input": "x", "max_output_tokens": 0}, "max_output_tokens"),
    ],
    ids=str,
)
async def test_a_request_for_a_response_that_does_not_fit_is_told_where(
    ask_v1: AskV1, committed: World, key: str, body: object, param: str | None
) -> None:
    answer = await ask_v1("responses", tenant=committed.acme, key=key, body=body)
    assert (answer.status, answer.error["param"]) == (400, param)


@pytest.mark.parametrize(
    "fields,status,param",
    [
        ({"input": []}, 400, "input"),
        ({"input": ["a", ""]}, 400, "input"),
        ({"input": [1, 2, 3]}, 400, "input"),
        ({"input": ["a"] * 1025}, 400, "input"),
        ({"model": "echo/plain"}, 404, "model"),
        ({"encoding_format": "hex"}, 400, "encoding_format"),
        ({"dimensions": 7}, 400, "dimensions"),
    ],
    ids=str,
)
async def test_texts_that_cannot_be_embedded_are_told_why(
    ask_v1: AskV1, committed: World, key: str, fields: dict[str, object], status: int, param: str
) -> None:
    body = {"model": "local/all-minilm-l6-v2-int8", "input": "x", **fields}
    answer = await ask_v1("embeddings", tenant=committed.acme, key=key, body=body)
    assert (answer.status, answer.error["param"]) == (status, param)


async def test_parameters_that_ask_for_nothing_are_let_pass(
    ask_v1: AskV1, committed: World, key: str
) -> None:
    body = _chat(n=1, logprobs=False, logit_bias={}, user="u", store=False, metadata={}, seed=1)
    assert (await ask_v1(CHAT, tenant=committed.acme, key=key, body=body)).status == 200


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "function", "name", "tool_calls"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
_FIELDS = ["messages", "stop", "tools", "tool_choice", "response_format", "n", "stream", "input"]


@hypothesis_settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(fields=st.dictionaries(st.sampled_from(_FIELDS), _json, max_size=4))
@pytest.mark.parametrize("path", [CHAT, "responses"])
async def test_no_body_brings_the_server_down(
    ask_v1: AskV1, committed: World, key: str, path: str, fields: dict[str, object]
) -> None:
    base = HELLO if path == CHAT else {"model": "echo/plain", "input": "hello"}
    answer = await ask_v1(path, tenant=committed.acme, key=key, body={**base, **fields})
    assert answer.status in {200, 400, 429}


async def test_a_long_silence_is_filled_with_comments(
    ask_v1: AskV1, committed: World, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "HEARTBEAT_S", 0.1)
    ask = [{"role": "user", "content": "!wait 0.5\nhello"}]
    talk = HttpCommunicator(
        door.OpenAIDoor(_nowhere),
        "POST",
        f"/v1/{CHAT}",
        body=json.dumps(_chat(messages=ask, stream=True)).encode(),
        headers=[(b"host", b"acme.localhost"), (b"authorization", f"Bearer {key}".encode())],
    )
    answer = await talk.get_response(timeout=10)
    body = answer["body"].decode()
    assert body.startswith(": ")
    assert body.count(": still working") >= 2
    assert '"content":"hello"' in body
    assert body.endswith("data: [DONE]\n\n")


async def _nowhere(*_args: object) -> None:
    raise AssertionError("nothing else is asked here")


async def test_a_bug_in_the_middle_of_a_stream_is_told_as_an_error(
    ask_v1: AskV1, committed: World, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_self: object, _event: object) -> bytes:
        raise ZeroDivisionError("internal detail")

    monkeypatch.setattr(chat.ChunkWriter, "_rarer", broken)
    body = _chat(stream=True)
    answer = await ask_v1(CHAT, tenant=committed.acme, key=key, body=body)
    assert answer.status == 200
    last = answer.body.decode().strip().rpartition("data: ")[2]
    assert json.loads(last)["error"]["code"] == "internal_error"
    assert "internal detail" not in answer.body.decode()
