"""Adapters of other packages, found by real entry points of a fake distribution."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from apps.providers import plugged, registry
from apps.providers.adapters import examining
from apps.providers.contracts import (
    ChatMessage,
    Finished,
    FinishReason,
    ModelRequest,
    ProviderEvent,
    Role,
    TextDelta,
)
from apps.providers.domain.examination import Ending
from apps.providers.errors import (
    ConfigurationError,
    ProviderInterrupted,
    ProviderRejected,
    ProviderUnavailable,
)

ENDPOINT = registry.Endpoint(base_url="", api_key="k", allow_private=False)
MODULE = '''
"""What a package would bring."""

import asyncio

from apps.providers.contracts import Finished, FinishReason, TextDelta
from apps.providers.errors import ProviderRejected

log = []
unloaded = asyncio.Event()


class Parrot:
    def __init__(self, endpoint):
        self.endpoint = endpoint

    async def load_model(self, model):
        log.append(("load", model))
        if model == "unloadable":
            raise OSError("secret of the package")

    async def generate(self, request):
        model = request.model.partition("/")[2]
        if model == "broken":
            raise OSError("secret of the package")
        yield "hello "
        if model == "cut":
            raise OSError("secret of the package")
        if model == "strange":
            yield 42
        if model == "refuses":
            raise ProviderRejected
        try:
            yield TextDelta(text="world")
            if model == "long":
                yield Finished(reason=FinishReason.LENGTH)
                yield "never read"
        finally:
            log.append(("closed", model))

    async def get_embeddings(self, texts, *, model):
        return [[1, 0]] * (1 if model == "few" else len(texts))

    async def unload_model(self, model):
        log.append(("unload", model))
        unloaded.set()


class Half:
    def __init__(self, endpoint):
        pass


def explode(endpoint):
    raise RuntimeError("secret of the package")
'''
POINTS = """
[karen.adapters]
parrot = fake_parrot:Parrot
half = fake_parrot:Half
explosive = fake_parrot:explode
missing = fake_parrot:NoSuchThing
absent = no_such_module_anywhere:Adapter
openai_compatible = fake_parrot:Parrot
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A distribution on the path."""
    (tmp_path / "fake_parrot.py").write_text(MODULE)
    about = tmp_path / "fake_parrot-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-parrot\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(registry.wire_names())
    plugged.register_installed()
    assert "fake_parrot" not in sys.modules  # nothing is imported before it is asked
    yield
    sys.modules.pop("fake_parrot", None)
    for name in set(registry.wire_names()) - before:
        registry._wires.pop(name)


def _built(name: str = "parrot") -> plugged.PluggedAdapter:
    build = registry.wire(name)
    assert build is not None
    adapter = build(ENDPOINT)
    assert isinstance(adapter, plugged.PluggedAdapter)
    return adapter


def _log() -> list[tuple[str, str]]:
    log: list[tuple[str, str]] = sys.modules["fake_parrot"].log
    return log


def _request(model: str) -> ModelRequest:
    return ModelRequest(
        model=f"bird/{model}",
        messages=(ChatMessage(role=Role.USER, text="hello"),),
        max_tokens=10,
        temperature=0.0,
        partition="test",
    )


async def _answer(adapter: plugged.PluggedAdapter, model: str) -> list[ProviderEvent]:
    async with aclosing(adapter.stream(_request(model))) as events:
        return [event async for event in events]


async def test_an_installed_adapter_answers_like_any_other(package: object) -> None:
    adapter = _built()

    first, second = await _answer(adapter, "grey"), await _answer(adapter, "grey")

    assert first == second
    assert first == [
        TextDelta(text="hello "),
        TextDelta(text="world"),
        Finished(reason=FinishReason.STOP),
    ]
    assert _log().count(("load", "grey")) == 1


async def test_its_own_end_is_the_last_event(package: object) -> None:
    events = await _answer(_built(), "long")

    assert events[-1] == Finished(reason=FinishReason.LENGTH)
    assert len(events) == 3
    assert _log()[-1] == ("closed", "long")


async def test_a_model_is_loaded_once_however_many_ask_at_once(package: object) -> None:
    adapter = _built()

    await asyncio.gather(*(_answer(adapter, "grey") for _ in range(20)))

    assert _log().count(("load", "grey")) == 1


async def test_closing_an_answer_stops_the_model(package: object) -> None:
    events = _built().stream(_request("grey"))
    await anext(events)
    await anext(events)

    await events.aclose()

    assert _log()[-1] == ("closed", "grey")


@pytest.mark.parametrize(
    "model, error",
    [
        ("unloadable", ProviderUnavailable),
        ("broken", ProviderUnavailable),
        ("cut", ProviderInterrupted),
        ("strange", ProviderInterrupted),
        ("refuses", ProviderRejected),
    ],
)
async def test_what_fails_inside_fails_that_call_alone(
    package: object, model: str, error: type[Exception]
) -> None:
    adapter = _built()

    with pytest.raises(error) as failed:
        await _answer(adapter, model)

    assert type(failed.value) is error
    assert "secret" not in str(failed.value)
    assert (await _answer(adapter, "grey"))[-1] == Finished(reason=FinishReason.STOP)


async def test_a_model_that_did_not_load_is_tried_again(package: object) -> None:
    adapter = _built()
    for _ in range(2):
        with pytest.raises(ProviderUnavailable):
            await _answer(adapter, "unloadable")

    assert _log().count(("load", "unloadable")) == 2


@pytest.mark.parametrize("name", ["half", "explosive", "missing", "absent"])
def test_an_adapter_that_cannot_be_used_is_refused_when_it_is_asked(
    package: object, name: str
) -> None:
    with pytest.raises(ConfigurationError):
        _built(name)


def test_a_package_cannot_take_the_place_of_what_ships(package: object) -> None:
    build = registry.wire("openai_compatible")
    assert build is not None
    assert not isinstance(build(ENDPOINT), plugged.PluggedAdapter)


async def test_a_model_nobody_uses_is_unloaded_and_loaded_again(package: object) -> None:
    made = _built()._adapter
    adapter = plugged.PluggedAdapter("parrot", made, idle_s=0.02)
    await _answer(adapter, "grey")

    await asyncio.wait_for(sys.modules["fake_parrot"].unloaded.wait(), 5)
    await _answer(adapter, "grey")

    assert _log().count(("load", "grey")) == 2


async def test_vectors_come_in_the_number_of_the_texts(package: object) -> None:
    adapter = _built()

    assert await adapter.embed(["a", "b"], model="grey") == [[1.0, 0.0], [1.0, 0.0]]
    with pytest.raises(ProviderUnavailable):
        await adapter.embed(["a", "b"], model="few")


async def test_the_test_button_speaks_through_the_adapter(package: object) -> None:
    good = await examining.ask_shortly(ENDPOINT, "parrot", model_id="bird/grey")
    bad = await examining.ask_shortly(ENDPOINT, "explosive", model_id="bird/grey")
    unknown = await examining.ask_shortly(ENDPOINT, "no-such", model_id="bird/grey")

    assert good.ending is Ending.OK
    assert _log()[-1] == ("unload", "grey")
    assert bad.ending is unknown.ending is Ending.ADAPTER_FAILED
