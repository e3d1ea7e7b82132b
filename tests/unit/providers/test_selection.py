"""Which models are offered, which one a turn gets, and what operators are told."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from apps.providers import catalogue, gateway, registry, selectors, trust
from apps.providers.errors import ModelNotFound, NoModelAvailable


@pytest.fixture(autouse=True)
def nothing_configured(settings: Settings, tmp_path: Path) -> None:
    settings.OPENAI_API_KEY = settings.OPENAI_BASE_URL = settings.OPENAI_MODELS = ""
    settings.DEFAULT_MODEL = ""
    settings.LOCAL_MODEL = False
    settings.PROVIDERS_ECHO = False
    settings.KAREN_VAR = tmp_path
    settings.MODELS_DIR = tmp_path / "models"


def ids() -> list[str]:
    return [model.id for model in selectors.list_models()]


def test_without_any_model_the_reason_is_told() -> None:
    with pytest.raises(NoModelAvailable) as caught:
        selectors.choose_route(model=None)
    assert "LOCAL_MODEL is off" in caught.value.message()


def test_a_key_alone_offers_the_default_model(settings: Settings) -> None:
    settings.OPENAI_API_KEY = "sk-x"
    assert ids() == ["openai/gpt-4o-mini"]


def test_the_list_of_models_is_taken_as_it_is(settings: Settings) -> None:
    settings.OPENAI_BASE_URL = "http://localhost:1/v1"
    settings.OPENAI_MODELS = " one, vendor/two ,"
    assert ids() == ["openai/one", "openai/vendor/two"]


def test_an_endpoint_without_models_is_explained(settings: Settings) -> None:
    settings.OPENAI_BASE_URL = "http://localhost:1/v1"
    assert "OPENAI_MODELS" in selectors.why_no_model()


def test_echo_is_the_last_resort(settings: Settings) -> None:
    settings.OPENAI_API_KEY = "sk-x"
    settings.PROVIDERS_ECHO = True
    assert selectors.choose_route(model=None).model.id == "openai/gpt-4o-mini"
    assert ids()[-1].startswith("echo/")


def test_the_default_of_the_installation_wins(settings: Settings) -> None:
    settings.OPENAI_API_KEY = "sk-x"
    settings.PROVIDERS_ECHO = True
    settings.DEFAULT_MODEL = "echo/plain"
    assert selectors.choose_route(model=None).model.id == "echo/plain"


def test_a_model_that_was_asked_for_is_never_replaced(settings: Settings) -> None:
    settings.PROVIDERS_ECHO = True
    with pytest.raises(ModelNotFound):
        selectors.choose_route(model="openai/gpt-4o-mini")


def test_a_file_put_into_the_folder_is_offered_and_a_broken_one_is_not(settings: Settings) -> None:
    folder = Path(settings.MODELS_DIR)
    built_in = catalogue.built_in_file()
    if built_in is None or not catalogue.engine_installed():
        pytest.skip("the local engine is not installed")
    settings.LOCAL_MODEL = True
    assert ids() == [f"local/{catalogue.BUILT_IN_NAME}"]
    folder.mkdir()
    (folder / "My Model.gguf").symlink_to(built_in)
    (folder / "broken.gguf").write_bytes(b"no model")
    assert ids() == ["local/my-model", f"local/{catalogue.BUILT_IN_NAME}"]


async def test_the_probe_tells_what_is_usable(settings: Settings) -> None:
    assert not (await gateway.probe()).ok
    settings.PROVIDERS_ECHO = True
    health = await gateway.probe()
    assert health.ok
    assert "echo/plain" in health.models


def test_only_models_of_this_process_are_warmed(settings: Settings) -> None:
    settings.PROVIDERS_ECHO = True
    assert gateway.warm() == ""


def test_warming_reaches_the_provider(settings: Settings) -> None:
    settings.PROVIDERS_ECHO = True
    warmed: list[str] = []
    provider = next(each for each in registry.providers() if each.kind == "echo")
    here = tuple(replace(model, in_process=True) for model in provider.models())
    registry.register(
        replace(provider, models=lambda: here, warm=lambda model: warmed.append(model.id))
    )
    try:
        assert gateway.warm() == "echo/plain"
    finally:
        registry.register(provider)
    assert warmed == ["echo/plain"]


@pytest.fixture
def own_file(settings: Settings) -> Path:
    settings.LOCAL_MODEL = True
    folder = Path(settings.MODELS_DIR)
    folder.mkdir()
    path = folder / "own.gguf"
    path.write_bytes(b"GGUF first")
    return path


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("local_models", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_tells_new_known_and_altered_files_apart(own_file: Path) -> None:
    assert "own.gguf  new" in command()
    trust.register(own_file)
    assert "own.gguf  ok" in command()
    own_file.write_bytes(b"GGUF other")
    assert "own.gguf  refused: own.gguf was altered" in command()
    assert "own.gguf: accepted" in command("--trust", "own.gguf")
    assert "own.gguf  ok" in command()


def test_the_command_trusts_nothing_outside_the_folder(own_file: Path) -> None:
    with pytest.raises(CommandError):
        command("--trust", "../own.gguf")
