"""What can be asked, and which model a turn gets."""

import sys
from collections.abc import Collection
from dataclasses import replace
from uuid import UUID

from django.conf import settings

from apps.providers import configuration, registry, routing
from apps.providers.contracts import INTERACTIVE, Cause, Flow, ModelInfo, Route, TokenCounter
from apps.providers.domain.estimates import cautious_tokens
from apps.providers.domain.guarding import PII_MINIMUM
from apps.providers.domain.pii import sure_enough
from apps.providers.domain.routing import Question, RoutePlan
from apps.providers.domain.routing_rules import Need
from apps.providers.errors import ModelNotFound, NoModelAvailable, RouteRefused
from apps.providers.nlp import find_personal, why_no_names
from apps.providers.policies import list_guardrail_decisions, stored_guardrails
from apps.providers.prompts.reading import (
    get_prompt,
    get_prompt_version,
    list_prompt_versions,
    list_prompts,
    prompt_diff,
)

# What guardrails and prompts read has modules of its own.
__all__ = [
    "get_prompt",
    "get_prompt_version",
    "list_guardrail_decisions",
    "list_prompt_versions",
    "list_prompts",
    "prompt_diff",
    "stored_guardrails",
    "why_no_names",
]


async def prepared() -> None:
    """Have what is set up read, so that these functions may be called on an event loop.

    Awaited once where a request or a socket enters a workspace; free when it was read already.
    """
    await configuration.loaded()


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
    # One provider after the other: looking for the files of local models costs more than the rest.
    listed = (model for provider in registry.providers() for model in provider.models())
    found = next((model for model in listed if model.id == model_id), None)
    if found is not None:
        return found
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


def turn_question(
    *,
    subject: str,
    text: str = "",
    user_id: UUID | None = None,
    sensitive: bool = False,
    failed: Collection[str] = (),
    cause: Cause = Cause.FAILURE,
) -> Question:
    """Return what routing has to know of a turn; see `question_of`."""
    return question_of(
        Flow.CHAT_ANSWER,
        subject=subject,
        text=text,
        user_id=user_id,
        sensitive=sensitive,
        failed=failed,
        cause=cause,
    )


def question_of(
    flow: Flow,
    *,
    asked: str = "",
    subject: str = "",
    text: str = "",
    sensitive: bool = False,
    user_id: UUID | None = None,
    failed: Collection[str] = (),
    cause: Cause = Cause.FAILURE,
) -> Question:
    """Return what routing has to know of a call that is about to be made.

    Args:
        flow: Why a model is called.
        asked: The model that somebody named.
        subject: What stays with one model under weighted routes, such as a conversation.
        text: What is said; its length counts, and see `is_personal`: not on an event loop.
        sensitive: Personal or secret, found or marked.
        user_id: Who asks.
        failed: Models that were tried.
        cause: Why they do not answer.
    """
    hour, weekday = routing.at_this_hour()
    return Question(
        flow=flow.value,
        asked=asked,
        preferred=(configuration.current().default_model, settings.DEFAULT_MODEL),
        subject=subject,
        sensitive=sensitive or is_personal(text),
        interactive=flow in INTERACTIVE,
        tokens=cautious_tokens(text),
        user_id=user_id,
        hour=hour,
        weekday=weekday,
        cause=cause,
        failed=frozenset(failed),
    )


def with_details(
    question: Question,
    *,
    tokens: int | None,
    answer_tokens: int,
    needs: frozenset[Need],
    hour: int | None,
    weekday: int | None,
) -> Question:
    """Return a question of which more is known; None leaves what it has."""
    return replace(
        question,
        tokens=question.tokens if tokens is None else tokens,
        answer_tokens=answer_tokens,
        needs=needs,
        hour=question.hour if hour is None else hour,
        weekday=question.weekday if weekday is None else weekday,
    )


def reads_for_routing() -> bool:
    """Say whether any rule of the workspace goes by what texts hold."""
    policies = configuration.current().policies
    return any(each.conditions.sensitive is not None for each in policies)


def is_personal(text: str) -> bool:
    """Say whether a text holds personal data; always no where no rule goes by that. Blocking.

    As sure as the guardrails of the workspace want it. A text is read once: 50 ms for 1,000
    characters, then nothing.
    """
    if not text or not reads_for_routing():
        return False
    least = PII_MINIMUM[configuration.current().guardrails.level]
    return bool(sure_enough(find_personal(text), least))


def plan_route(question: Question, *, with_costs: bool = False) -> RoutePlan:
    """Return whom to ask and whom not, in order and with reasons; asks nobody.

    Raises:
        ModelNotFound: The model that was asked for is not configured here.
        ModelProfileInvalid: It names a stub model with a profile that is none.
    """
    models = list_models()
    if question.asked and all(model.id != question.asked for model in models):
        models = (get_model(question.asked), *models)
    return routing.plan_for(question, models, with_costs=with_costs)


def has_fallbacks(cause: Cause) -> bool:
    """Say whether any policy names models to ask after this kind of failure."""
    return any(each.fallbacks.for_cause(cause) for each in configuration.current().policies)


def has_policies() -> bool:
    """Say whether anybody wrote a rule about which models may be asked."""
    return bool(configuration.current().policies)


def demand_permitted(model: ModelInfo, question: Question) -> None:
    """Check a model that somebody named against the policies; whether it fits is its own to say.

    Raises:
        RouteRefused: The policy that applies excludes it; says why.
    """
    boundless = replace(model, context_tokens=sys.maxsize)
    plan = routing.plan_for(replace(question, asked=model.id), [boundless])
    if plan.excluded:
        raise RouteRefused(reasons=[each.reason for each in plan.excluded])


def choose_route(*, model: str | None, question: Question | None = None) -> Route:
    """Choose the model for one turn.

    An explicit `model` is taken or refused, never replaced. Otherwise policies decide, then what
    the workspace prefers, then the setting `DEFAULT_MODEL`, and without any of these the best
    configured model that is up: remote, then a GGUF file of the operator, then the built-in
    SmolLM2, then the scripted echo (only where it is enabled).

    Raises:
        NoModelAvailable: Nothing is configured; says what would help.
        ModelNotFound: `model` is not configured here.
        RouteRefused: Rules exclude every model, or the one that was asked for.
    """
    asked = question or question_of(Flow.CHAT_ANSWER)
    if model is not None:
        chosen = get_model(model)
        if configuration.current().policies or asked.sensitive:
            _demand_admitted(replace(asked, asked=model))
        return Route(model=chosen, reason="asked for")
    if not list_models():
        raise NoModelAvailable(why_no_model())
    if settings.DEFAULT_MODEL:
        get_model(settings.DEFAULT_MODEL)
    plan = plan_route(asked)
    if plan.first is None:
        raise RouteRefused(reasons=_reasons(plan))
    return Route(model=plan.first.model, reason="; ".join(plan.first.reasons))


def _demand_admitted(question: Question) -> None:
    plan = plan_route(question)
    reason = next((e.reason for e in plan.excluded if e.model.id == question.asked), None)
    if reason is not None:
        raise RouteRefused(reasons=[reason])


def _reasons(plan: RoutePlan) -> list[str]:
    return [f"{each.model.id}: {each.reason}" for each in plan.excluded]


_ESTIMATE = TokenCounter(name="estimate", count=cautious_tokens, per_message=6, exact=False)


def token_counter(model: ModelInfo) -> TokenCounter:
    """Return what counts tokens as `model` does, or a cautious estimate marked as such.

    Loads the tokenizer's files at its first use: some tenths of a second, once per process.
    """
    return registry.counter_of(model) or _ESTIMATE
