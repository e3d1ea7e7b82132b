"""What can be asked, and which model a turn gets."""

from django.conf import settings

from apps.providers import registry
from apps.providers.contracts import ModelInfo, Route, TokenCounter
from apps.providers.domain.estimates import cautious_tokens
from apps.providers.errors import ModelNotFound, NoModelAvailable
from apps.providers.prompts.reading import (
    get_prompt,
    get_prompt_version,
    list_prompt_versions,
    list_prompts,
    prompt_diff,
)

__all__ = [
    "get_prompt",
    "get_prompt_version",
    "list_prompt_versions",
    "list_prompts",
    "prompt_diff",
]


def list_models() -> tuple[ModelInfo, ...]:
    """Return every model that is configured, best first.

    Cheap: reads the configuration and looks for files; no network, loads nothing.
    """
    return tuple(model for provider in registry.providers() for model in provider.models())


def find_model(model_id: str) -> ModelInfo | None:
    """Return the configured model with this id, or None.

    Raises:
        ModelProfileInvalid: It names a stub model with a profile that is none.
    """
    listed = next((model for model in list_models() if model.id == model_id), None)
    if listed is not None:
        return listed
    unlisted = (provider.find(model_id) for provider in registry.providers())
    return next((model for model in unlisted if model is not None), None)


def get_model(model_id: str) -> ModelInfo:
    """Return the configured model with this id.

    Raises:
        ModelNotFound: Nothing configured has this id.
        ModelProfileInvalid: It names a stub model with a profile that is none.
    """
    model = find_model(model_id)
    if model is None:
        raise ModelNotFound(model=model_id)
    return model


def why_no_model() -> str:
    """Return what the providers say about their absence, for operators."""
    reasons = (provider.why_absent() for provider in registry.providers())
    return "; ".join(reason for reason in reasons if reason)


def choose_route(*, model: str | None) -> Route:
    """Choose the model for one turn.

    An explicit `model` is taken or refused, never replaced. Otherwise the setting `DEFAULT_MODEL`
    decides, and without it the best configured model: remote, then a GGUF file of the operator,
    then the built-in SmolLM2, then the scripted echo (only where it is enabled).

    Raises:
        NoModelAvailable: Nothing is configured; says what would help.
        ModelNotFound: `model` is not configured here.
    """
    models = list_models()
    if model is not None:
        return Route(model=get_model(model), reason="asked for")
    if not models:
        raise NoModelAvailable(why_no_model())
    preferred = settings.DEFAULT_MODEL
    if preferred:
        return Route(model=get_model(preferred), reason="default of this installation")
    return Route(model=models[0], reason="best configured")


_ESTIMATE = TokenCounter(name="estimate", count=cautious_tokens, per_message=6, exact=False)


def token_counter(model: ModelInfo) -> TokenCounter:
    """Return what counts tokens as `model` does, or a cautious estimate marked as such.

    Loads the tokenizer's files at its first use: some tenths of a second, once per process.
    """
    return registry.counter_of(model) or _ESTIMATE
