"""Registers the providers that ship with Karen, in the order in which they are preferred."""

from typing import cast

from django.utils.module_loading import import_string

from apps.providers import catalogue, registry
from apps.providers.contracts import ChatAdapter, EmbeddingAdapter, ModelInfo, TokenCounter

_ADAPTERS = "apps.providers.adapters"

# One word is one token to a scripted model, and its messages have no wrapping.
ECHO_COUNTER = TokenCounter(
    name="words", count=lambda text: len(text.split()), per_message=0, exact=True
)


def _adapter(path: str) -> ChatAdapter:
    # By dotted path: the SDKs take up to a second to import and most processes need only one.
    return cast("ChatAdapter", import_string(f"{_ADAPTERS}.{path}")())


def _embedding_adapter() -> EmbeddingAdapter:
    return cast("EmbeddingAdapter", import_string(f"{_ADAPTERS}.onnx_embed.OnnxEmbedAdapter")())


def _remote_embedder(model: str) -> registry.Embedder | None:
    if not model.startswith("openai/"):
        return None
    name = model.removeprefix("openai/")

    def adapter() -> EmbeddingAdapter:
        build = import_string(f"{_ADAPTERS}.openai_embed.OpenAIEmbedAdapter")
        return cast("EmbeddingAdapter", build(name, catalogue.EMBEDDING_DIMENSIONS))

    return registry.Embedder(
        model=model,
        dimensions=catalogue.EMBEDDING_DIMENSIONS,
        why_absent=catalogue.why_no_openai_endpoint,
        adapter=adapter,
        remote=True,
    )


def _warm_local(model: ModelInfo) -> None:
    import_string("apps.providers.engine.owners.warm")(model.id)


def _counter(path: str, model: ModelInfo) -> TokenCounter | None:
    return cast("TokenCounter | None", import_string(f"apps.providers.{path}")(model))


def _warm_openai(_model: ModelInfo) -> None:
    import_string(f"{_ADAPTERS}.openai_compatible.warm")()


def _configured_models() -> tuple[ModelInfo, ...]:
    # By dotted path: tables cannot be imported before Django has loaded all apps.
    return cast(
        "tuple[ModelInfo, ...]",
        import_string("apps.providers.configuration.current")().models,
    )


def _openai_wire(endpoint: registry.Endpoint) -> ChatAdapter:
    adapter = import_string(f"{_ADAPTERS}.openai_compatible.OpenAICompatibleAdapter")
    return cast("ChatAdapter", adapter(endpoint))


def register_all() -> None:
    """Register configured, OpenAI-compatible, local, echo and stub models, and the embedder."""
    registry.register_wire("openai_compatible", _openai_wire)
    registry.register(
        registry.Provider(
            kind="configured",
            models=_configured_models,
            adapter=lambda: _adapter("configured.ConfiguredAdapter"),
            counter=lambda model: _counter("adapters.openai_tokens.counter_for", model),
            warm=_warm_openai,
        )
    )
    registry.register(
        registry.Provider(
            kind="openai",
            models=catalogue.openai_models,
            adapter=lambda: _adapter("openai_compatible.OpenAICompatibleAdapter"),
            why_absent=catalogue.why_no_openai_model,
            counter=lambda model: _counter("adapters.openai_tokens.counter_for", model),
            warm=_warm_openai,
        )
    )
    registry.register(
        registry.Provider(
            kind="local",
            models=catalogue.local_models,
            adapter=lambda: _adapter("llama_cpp.LlamaCppAdapter"),
            why_absent=catalogue.why_no_local_model,
            warm=_warm_local,
            counter=lambda model: _counter("engine.vocabulary.counter_for", model),
            is_free=True,
        )
    )
    registry.register(
        registry.Provider(
            kind="echo",
            models=catalogue.echo_models,
            adapter=lambda: _adapter("echo.EchoAdapter"),
            counter=lambda _model: ECHO_COUNTER,
            is_free=True,
        )
    )
    registry.register(
        registry.Provider(
            kind="stub",
            models=catalogue.no_stub_models,
            adapter=lambda: _adapter("stub.StubAdapter"),
            find=catalogue.stub_model,
            is_free=True,
        )
    )
    registry.register_embedder(
        registry.Embedder(
            model=catalogue.EMBEDDING_MODEL,
            dimensions=catalogue.EMBEDDING_DIMENSIONS,
            why_absent=catalogue.why_no_embedding_model,
            adapter=_embedding_adapter,
        )
    )
    registry.register_embedder_finder(_remote_embedder)
