"""What a provider's own list says about its models, whatever dialect of it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

NAME_MAX_CHARACTERS = 150
MODELS_MAX = 2000

# Where the known servers put the context length: OpenRouter, Groq, vLLM, Mistral, llama-server.
_CONTEXT_PATHS = (
    ("context_length",),
    ("context_window",),
    ("max_model_len",),
    ("max_context_length",),
    ("inputTokenLimit",),
    ("meta", "n_ctx"),
    ("meta", "n_ctx_train"),
)


class NotAList(ValueError):
    """It is no list of models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedModel:
    """A model as its provider lists it; None where nothing is said."""

    name: str
    context_tokens: int | None = None
    supports_tools: bool | None = None
    supports_vision: bool | None = None
    supports_reasoning: bool | None = None
    is_embedder: bool | None = None


def listed_models(document: object, *, prefix: str = "") -> tuple[ListedModel, ...]:
    """Return the models of a decoded answer to `GET /models`, by name.

    Args:
        document: OpenAI's `{"data": [{"id": …}]}`; a bare list is understood as well.
        prefix: What this provider puts before every name.

    Raises:
        NotAList: It has another shape.
    """
    rows = document.get("data") if isinstance(document, Mapping) else document
    if not isinstance(rows, list):
        raise NotAList
    found: dict[str, ListedModel] = {}
    for row in rows[:MODELS_MAX]:
        model = _listed(row, prefix) if isinstance(row, Mapping) else None
        if model is not None:
            found.setdefault(model.name, model)
    if rows and not found:
        raise NotAList
    return tuple(found[name] for name in sorted(found, key=str.lower))


def _listed(row: Mapping[str, object], prefix: str) -> ListedModel | None:
    name = row.get("id")
    if not isinstance(name, str):
        return None
    name = name.removeprefix(prefix)
    if not name or len(name) > NAME_MAX_CHARACTERS or not name.isprintable() or " " in name:
        return None
    inputs = _words(row, "architecture", "input_modalities")
    parameters = _words(row, "supported_parameters")
    can = row.get("capabilities")
    says = can if isinstance(can, Mapping) else {}
    return ListedModel(
        name=name,
        context_tokens=_context(row),
        supports_tools=_said(says, "function_calling", among=parameters, word="tools"),
        supports_vision=_said(says, "vision", among=inputs, word="image"),
        supports_reasoning=_said(says, "reasoning", among=parameters, word="reasoning"),
        is_embedder=True if "embed" in name.lower() else None,
    )


def _context(row: Mapping[str, object]) -> int | None:
    for path in _CONTEXT_PATHS:
        value = _at(row, path)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1_000_000_000:
            return value
    return None


def _said(
    says: Mapping[str, object], name: str, *, among: frozenset[str] | None, word: str
) -> bool | None:
    told = says.get(name)
    if isinstance(told, bool):
        return told
    return None if among is None else word in among


def _words(row: Mapping[str, object], *path: str) -> frozenset[str] | None:
    value = _at(row, path)
    if not isinstance(value, list):
        return None
    return frozenset(word for word in value if isinstance(word, str))


def _at(row: Mapping[str, object], path: Iterable[str]) -> object:
    value: object = row
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
