"""Which providers and prompts exist. Lower layers own the registry; whoever adds one registers it.

A provider is registered with two callables: what it offers (cheap, reads the configuration only)
and how to reach it (built at first use, because vendor SDKs are slow to import). The providers
that operators and workspaces set up as rows are one registered kind, `configured`; each row names
how it is spoken to, one of the registered wire formats.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from django.conf import settings

from apps.providers import metrics
from apps.providers.contracts import ChatAdapter, EmbeddingAdapter, ModelInfo, TokenCounter
from apps.providers.domain.drafts import check_spec
from apps.providers.domain.prompt_specs import (
    ContextPiece,
    PromptExample,
    PromptMessage,
    PromptSpec,
    PromptValue,
    PromptVariable,
    RenderedPrompt,
    VariableKind,
)
from apps.providers.errors import ModelNotFound, NoModelAvailable

# What a prompt is made of, for the apps that register and render one.
__all__ = [
    "ContextPiece",
    "PromptExample",
    "PromptMessage",
    "PromptSpec",
    "PromptValue",
    "PromptVariable",
    "RenderedPrompt",
    "VariableKind",
]


def _no_reason() -> str:
    return ""


def _nothing_by_name(_model_id: str) -> ModelInfo | None:
    return None


def _nothing_to_warm(model: ModelInfo) -> None:
    """Remote models are always warm."""


def _no_counter(model: ModelInfo) -> TokenCounter | None:
    """Return None: nobody here knows how this model counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One way to reach chat models.

    Attributes:
        kind: First part of its model ids; unique.
        models: What it offers under the present configuration, best first. Cheap: no network,
            no model is loaded.
        adapter: Builds the adapter; called once per process.
        why_absent: One sentence for operators when `models` returns nothing unexpectedly.
        warm: Loads a model into this process ahead of its first use; blocking.
        find: Returns a model that stands in no list because its id says all about it.
        counter: Returns the tokenizer of a model, or None where it is not known here. May load
            files at its first call.
        is_free: Its models run here or only play: nobody sends a bill.
    """

    kind: str
    models: Callable[[], tuple[ModelInfo, ...]]
    adapter: Callable[[], ChatAdapter]
    why_absent: Callable[[], str] = field(default=_no_reason)
    warm: Callable[[ModelInfo], None] = field(default=_nothing_to_warm)
    find: Callable[[str], ModelInfo | None] = field(default=_nothing_by_name)
    counter: Callable[[ModelInfo], TokenCounter | None] = field(default=_no_counter)
    is_free: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedder:
    """One embedding model.

    Attributes:
        model: Its id, stored beside every vector it makes.
        dimensions: Length of its vectors.
        why_absent: One sentence for operators; empty when it can be used. Cheap.
        adapter: Builds the adapter; called once per process.
        remote: It is asked over a network: in pieces, again where it fails, twice where it is slow.
    """

    model: str
    dimensions: int
    why_absent: Callable[[], str]
    adapter: Callable[[], EmbeddingAdapter]
    remote: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a configured provider is reached.

    Attributes:
        base_url: Its address, without a final slash.
        api_key: What it asks for; empty for none. Never logged, never shown.
        allow_private: Whether the address may be a private one: only operators set that up.
        label: What people call it, for hints.
    """

    base_url: str
    api_key: str = field(repr=False)
    allow_private: bool
    label: str = ""


_wires: dict[str, Callable[[Endpoint], ChatAdapter]] = {}


def register_wire(name: str, build: Callable[[Endpoint], ChatAdapter]) -> None:
    """Add a way of speaking to configured providers; `build` is called once per endpoint."""
    _wires[name] = build


def wire_names() -> tuple[str, ...]:
    """Return the registered ways of speaking, by name."""
    return tuple(sorted(_wires))


def wire(name: str) -> Callable[[Endpoint], ChatAdapter] | None:
    """Return what builds adapters of this name, or None."""
    return _wires.get(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A table of vectors of the tenant in scope.

    Attributes:
        name: What operators call it.
        count_by_model: Counts the rows that should have a vector, by the model of the one they
            have; those without one under the empty name.
        task: Name of the task that brings it up to date with the present model; may run twice.
    """

    name: str
    count_by_model: Callable[[], Mapping[str, int]]
    task: str


_collections: dict[str, Collection] = {}
_providers: dict[str, Provider] = {}
_adapters: dict[str, ChatAdapter] = {}
_embedders: dict[str, Embedder] = {}
_embedder_finders: list[Callable[[str], Embedder | None]] = []
_embedding_adapters: dict[str, EmbeddingAdapter] = {}


def register(provider: Provider) -> None:
    """Add `provider`, replacing one of the same kind."""
    _providers[provider.kind] = provider
    _adapters.pop(provider.kind, None)


def unregister(kind: str) -> None:
    """Remove the provider of this kind, if it is there."""
    _providers.pop(kind, None)
    _adapters.pop(kind, None)


def providers() -> tuple[Provider, ...]:
    """Return all providers in the order of their registration."""
    return tuple(_providers.values())


def adapter_for(model: ModelInfo) -> ChatAdapter:
    """Return the adapter that reaches `model`, building it at first use.

    Raises:
        ModelNotFound: Its provider is not registered.
    """
    kind = model.via or model.provider
    adapter = _adapters.get(kind)
    if adapter is None:
        provider = _providers.get(kind)
        if provider is None:
            raise ModelNotFound(model=model.id)
        adapter = _adapters.setdefault(kind, provider.adapter())
    return adapter


def warm(model: ModelInfo) -> None:
    """Load `model` into this process if its provider keeps models in memory. Blocking."""
    provider = _providers.get(model.via or model.provider)
    if provider is not None:
        provider.warm(model)


def is_free(model: ModelInfo) -> bool:
    """Say whether nobody sends a bill for calls of `model`."""
    provider = _providers.get(model.via or model.provider)
    return provider is not None and provider.is_free


def counter_of(model: ModelInfo) -> TokenCounter | None:
    """Return the tokenizer of `model` where its provider knows it; blocking at first use."""
    provider = _providers.get(model.via or model.provider)
    return provider.counter(model) if provider is not None else None


def register_embedder(embedder: Embedder) -> None:
    """Add an embedding model, replacing one of the same id; the first usable one is used."""
    _embedders[embedder.model] = embedder
    _embedding_adapters.pop(embedder.model, None)


def register_embedder_finder(find: Callable[[str], Embedder | None]) -> None:
    """Add what knows embedding models by their ids alone, such as those behind an endpoint."""
    if find not in _embedder_finders:
        _embedder_finders.append(find)


def find_embedder(model: str) -> Embedder | None:
    """Return the embedding model with this id if it is registered and usable."""
    known = _embedders.get(model)
    candidates = [known] if known is not None else [find(model) for find in _embedder_finders]
    usable = (each for each in candidates if each is not None and not each.why_absent())
    return next(usable, None)


def embeds_elsewhere() -> bool:
    """Say whether texts leave this installation to become vectors."""
    try:
        return embedder().remote
    except NoModelAvailable:
        return False


def embedder() -> Embedder:
    """Return the embedding model that is used: the operator's choice, else the built-in one.

    A chosen one is used or nothing is: vectors of different models never mix.

    Raises:
        NoModelAvailable: The chosen one, or any, is not registered or not usable.
    """
    chosen = settings.EMBEDDING_MODEL
    if chosen:
        found = find_embedder(chosen)
        if found is None:
            raise NoModelAvailable(f"EMBEDDING_MODEL is {chosen}, which cannot be used here")
        return found
    reasons: list[str] = []
    for candidate in _embedders.values():
        reason = candidate.why_absent()
        if not reason:
            return candidate
        reasons.append(reason)
    raise NoModelAvailable("; ".join(reasons))


def embedding_adapter_for(chosen: Embedder) -> EmbeddingAdapter:
    """Return the adapter of an embedding model, building it at first use."""
    adapter = _embedding_adapters.get(chosen.model)
    if adapter is None:
        adapter = _embedding_adapters.setdefault(chosen.model, chosen.adapter())
    return adapter


def register_collection(collection: Collection) -> None:
    """Add a table of vectors, replacing one of the same name."""
    _collections[collection.name] = collection
    metrics.watch_waiting(collection.name)


def collections() -> tuple[Collection, ...]:
    """Return all tables of vectors."""
    return tuple(_collections.values())


_prompts: dict[str, PromptSpec] = {}
_redactors: list[Callable[[str], str]] = []


def register_prompts(*specs: PromptSpec) -> None:
    """Add prompts that ship with Karen; called from `AppConfig.ready`.

    Raises:
        DraftFault: One of them cannot be used; a programming error, seen at the start.
        ValueError: Another prompt has its name already.
    """
    for spec in specs:
        check_spec(spec)
        if _prompts.setdefault(spec.name, spec) != spec:
            raise ValueError(f"two prompts are called {spec.name!r}")


def prompt_specs() -> tuple[PromptSpec, ...]:
    """Return the prompts that ship with Karen, by name."""
    return tuple(_prompts[name] for name in sorted(_prompts))


def find_prompt_spec(name: str) -> PromptSpec | None:
    """Return the prompt of this name as it ships with Karen, or None."""
    return _prompts.get(name)


def register_redactor(redactor: Callable[[str], str]) -> None:
    """Add what takes personal data out of texts; several run in the order of registration."""
    if redactor not in _redactors:
        _redactors.append(redactor)


def unregister_redactor(redactor: Callable[[str], str]) -> None:
    """Remove a redactor, if it is there."""
    if redactor in _redactors:
        _redactors.remove(redactor)


def redacted(text: str) -> str:
    """Return a text without what the registered redactors take out."""
    for redactor in _redactors:
        text = redactor(text)
    return text
