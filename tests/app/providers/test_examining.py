"""The test button and discovery, against real servers that behave badly in every way they can."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from django.test import Client
from pytest_django.fixtures import Settings

from apps.core.errors import Conflict, KarenError
from apps.core.ratelimit import Limit
from apps.core.scope import TenantRef
from apps.providers import configuration
from apps.providers.adapters import examining
from apps.providers.domain.examination import Ending
from apps.providers.models import Provider
from apps.providers.services import ProviderFields, examinations, providers
from apps.providers.services.advice import advice_for
from apps.providers.services.examinations import Examination
from tests.app.providers.administration import KEY, Administrator, on_the_platform
from tests.fixtures.database import World
from tests.fixtures.people import People
from tests.stubs.upstream import SECRET, Upstream

BrowserOf = Callable[[UUID, TenantRef | None], Client]


class _Loop:
    """An event loop on a thread of its own, for servers beside blocking services."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=10)
        self.loop.close()


@pytest.fixture
def servers(committed: World) -> Iterator[_Loop]:
    loop = _Loop()
    yield loop
    loop.stop()


@pytest.fixture
def upstream(servers: _Loop) -> Iterator[Upstream]:
    server = servers.run(_started())
    yield server
    servers.run(server.stop())


async def _started() -> Upstream:
    server = Upstream()
    await server.start()
    return server


@contextmanager
def _serving(servers: _Loop, answer: Any) -> Iterator[str]:
    """Serve every address of a free port with one handler."""

    async def start() -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    runner = servers.run(start())
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    servers.run(runner.cleanup())


def _provider(url: str, *, key: str = KEY, models: tuple[str, ...] = ()) -> UUID:
    with on_the_platform() as operator:
        return providers.create_provider(
            actor=operator,
            fields=ProviderFields(slug="own", base_url=url),
            key=key,
            models=models,
        ).id


def _examined(provider_id: UUID, model: str = "") -> Examination:
    with on_the_platform() as operator:
        found = examinations.examine_provider(actor=operator, provider_id=provider_id, model=model)
    assert SECRET not in str(found)
    assert KEY not in str(found)
    return found


def test_a_provider_that_works_is_said_to_work(upstream: Upstream) -> None:
    provider = _provider(upstream.base_url)

    listed = _examined(provider)
    asked = _examined(provider, "plain")

    assert (listed.ok, listed.ending, listed.models_listed) == (True, Ending.OK, 1)
    assert asked.ok
    assert [step.step for step in asked.steps] == ["list", "ask"]
    assert upstream.headers[-1]["authorization"] == f"Bearer {KEY}"
    assert upstream.calls["plain"] == 1


@pytest.mark.parametrize(
    "model, ending",
    [
        ("unauthorized", Ending.KEY_REFUSED),
        ("no-credit", Ending.NO_CREDIT),
        ("unknown-model", Ending.MODEL_UNKNOWN),
        ("rate-limited", Ending.RATE_LIMITED),
        ("rate-limited-long", Ending.RATE_LIMITED),
        ("broken", Ending.SERVER_ERROR),
        ("refused", Ending.REQUEST_REFUSED),
        ("redirect", Ending.REDIRECT),
        ("cut", Ending.ANSWER_CUT),
        ("cut-early", Ending.ANSWER_CUT),
        ("no-finish", Ending.ANSWER_CUT),
        ("garbage", Ending.ANSWER_STRANGE),
    ],
)
def test_a_question_that_fails_says_where(upstream: Upstream, model: str, ending: Ending) -> None:
    found = _examined(_provider(upstream.base_url), model)

    assert (found.ok, found.ending) == (False, ending)
    assert found.summary
    assert found.advice


def test_a_model_that_never_answers_is_given_up(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examining, "ASK_TOTAL_S", 0.3)

    assert _examined(_provider(upstream.base_url), "hang").ending is Ending.ANSWER_TIMEOUT


def _status(status: int) -> Any:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"error": {"message": SECRET}}, status=status)

    return answer


@pytest.mark.parametrize(
    "status, ending",
    [
        (400, Ending.REQUEST_REFUSED),
        (401, Ending.KEY_REFUSED),
        (402, Ending.NO_CREDIT),
        (403, Ending.FORBIDDEN),
        (404, Ending.PATH_UNKNOWN),
        (429, Ending.RATE_LIMITED),
        (500, Ending.SERVER_ERROR),
        (503, Ending.SERVER_ERROR),
    ],
)
def test_each_status_of_the_list_is_told_apart(servers: _Loop, status: int, ending: Ending) -> None:
    with _serving(servers, _status(status)) as url:
        found = _examined(_provider(url))

    assert found.ending is ending
    assert found.steps[0].http_status == status


async def _web_page(request: web.Request) -> web.Response:
    return web.Response(text=f"<h1>{SECRET}</h1>", content_type="text/html")


async def _other_shape(request: web.Request) -> web.Response:
    return web.json_response({"models": [SECRET]})


async def _broken_json(request: web.Request) -> web.Response:
    return web.Response(text='{"data": [{"id": ', content_type="application/json")


async def _deep(request: web.Request) -> web.Response:
    return web.Response(text="[" * 100_000, content_type="application/json")


async def _compressed(request: web.Request) -> web.Response:
    return web.Response(body=b"x", headers={"Content-Encoding": "gzip"})


@pytest.mark.parametrize("answer", [_web_page, _other_shape, _broken_json, _deep, _compressed])
def test_what_is_no_list_of_models_is_called_strange(servers: _Loop, answer: Any) -> None:
    with _serving(servers, answer) as url:
        assert _examined(_provider(url)).ending is Ending.ANSWER_STRANGE


async def _to_metadata(request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": "http://169.254.169.254/latest/"})


def test_a_redirect_is_told_and_never_followed(servers: _Loop) -> None:
    with _serving(servers, _to_metadata) as url:
        assert _examined(_provider(url)).ending is Ending.REDIRECT


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(200):
        await response.write(b" " * 65536)
    return response


def test_an_endless_list_is_not_read(servers: _Loop) -> None:
    with _serving(servers, _endless) as url:
        assert _examined(_provider(url)).ending is Ending.ANSWER_TOO_LARGE


async def _silent(request: web.Request) -> web.Response:
    await asyncio.Event().wait()
    return web.Response()


def test_a_list_that_does_not_come_is_given_up(
    servers: _Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examining, "LIST_TOTAL_S", 0.3)
    with _serving(servers, _silent) as url:
        assert _examined(_provider(url)).ending is Ending.ANSWER_TIMEOUT


def test_nobody_listening_is_no_connection(committed: World) -> None:
    assert _examined(_provider("http://127.0.0.1:1/v1")).ending is Ending.NO_CONNECTION


def test_a_server_without_tls_is_told_so(upstream: Upstream) -> None:
    url = upstream.base_url.replace("http://", "https://")

    assert _examined(_provider(url)).ending is Ending.TLS


def test_an_unknown_name_is_told_so(committed: World) -> None:
    # Names below `.localhost` need no network: they are this machine or nothing.
    found = _examined(_provider("http://" + "x" * 70 + ".localhost/v1"))

    assert found.ending is Ending.NAME_UNKNOWN


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]", "localhost"]
)
def test_an_address_that_slipped_in_is_refused_where_the_connection_is_made(
    upstream: Upstream,
    committed: World,
    people: People,
    browser_of: BrowserOf,
    host: str,
    settings: Settings,
) -> None:
    settings.PROVIDERS_ALLOW_NETWORK = True  # the refusal is what is tested; nothing is sent
    ann = Administrator(browser_of(people.ann, committed.acme))
    body = {"slug": "cloud", "base_url": "https://api.example.com/v1", "key": KEY}
    made = ann.done("POST", "providers", body)
    port = upstream.base_url.rpartition(":")[2]
    Provider.objects.update(base_url=f"https://{host}:{port}")

    found = ann.done("POST", f"providers/{made['id']}/test", {"model": "plain"})

    assert found["ending"] == "address_refused"
    assert upstream.bodies == []


def test_a_key_that_works_again_is_asked_with_again(upstream: Upstream) -> None:
    provider = _provider(upstream.base_url)
    Provider.objects.update(key_refused_at="2026-01-01T00:00:00Z")

    _examined(provider, "unauthorized")
    assert Provider.objects.get().key_refused_at is not None
    _examined(provider, "plain")
    assert Provider.objects.get().key_refused_at is None


def test_trying_out_has_a_limit(committed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = Limit(name="test.examine", burst=2, period_s=60.0)
    monkeypatch.setattr(examinations, "_examinations", limit)
    provider = _provider("http://127.0.0.1:1/v1")

    _examined(provider)
    _examined(provider)
    with pytest.raises(KarenError) as refused:
        _examined(provider)
    assert refused.value.code == "rate_limited"


# -- discovery


async def _catalogue(request: web.Request) -> web.Response:
    models = [
        {"id": "models/gpt-4o-mini"},
        {"id": "meta/llama", "context_length": 9000, "supported_parameters": ["tools"],
         "architecture": {"input_modalities": ["text", "image"]}},
        {"id": "groq", "context_window": 4096},
        {"id": "vllm", "max_model_len": 2048},
        {"id": "mistral", "max_context_length": 1024, "capabilities": {"vision": False}},
        {"id": "nomic-embed-text"},
        {"id": "with blank"},
        {"id": 7},
        {"id": "x" * 151},
        "nonsense",
    ]  # fmt: skip
    return web.json_response({"object": "list", "data": models})


def test_what_a_provider_lists_is_described_and_can_be_added(servers: _Loop) -> None:
    with _serving(servers, _catalogue) as url, on_the_platform() as operator:
        fields = ProviderFields(preset="gemini", slug="own", base_url=url)
        made = providers.create_provider(actor=operator, fields=fields, models=("groq",))
        found = {
            each.name: each
            for each in examinations.discover_models(actor=operator, provider_id=made.id)
        }
        added = examinations.adopt_models(
            actor=operator, provider_id=made.id, names=["meta/llama", "groq", "never-listed"]
        )

    assert set(found) == {
        "gpt-4o-mini", "meta/llama", "groq", "vllm", "mistral", "nomic-embed-text"
    }  # fmt: skip
    assert found["gpt-4o-mini"].context_tokens == 128_000  # known of its name
    assert found["meta/llama"].context_tokens == 9000
    assert found["meta/llama"].supports_vision
    assert (found["groq"].context_tokens, found["groq"].is_added) == (4096, True)
    assert found["vllm"].context_tokens == 2048
    assert "supports_vision" in found["mistral"].told
    assert found["nomic-embed-text"].is_embedder
    assert [model.model for model in added] == ["own/meta/llama"]
    assert added[0].context_tokens == 9000
    configuration.forget()
    assert "own/meta/llama" in {model.id for model in configuration.current().models}


def test_a_provider_without_a_list_says_why(committed: World) -> None:
    provider = _provider("http://127.0.0.1:1/v1")

    with on_the_platform() as operator, pytest.raises(Conflict) as refused:
        examinations.discover_models(actor=operator, provider_id=provider)

    assert "Nobody accepts connections" in refused.value.message()


def test_every_ending_has_words_for_people(committed: World) -> None:
    for ending in Ending:
        summary, advice = advice_for(ending)
        assert summary.endswith(".")
        assert bool(advice) is (ending is not Ending.OK)
