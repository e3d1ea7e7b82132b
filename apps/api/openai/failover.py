"""Whom to ask instead when a model does not begin to answer: the rest of its route.

A model that was named has deputies only where a policy names fallbacks for what happened. With
`auto` every model of the route may follow; what a model rejects is passed on by policies alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from apps.api.errors import ParameterUnsupported
from apps.api.metrics import openai_fallbacks_total
from apps.api.openai.caller import Caller
from apps.core.errors import KarenError
from apps.core.ids import new_id
from apps.core.logging import get_logger
from apps.providers import selectors as providers
from apps.providers.contracts import Cause, Flow, ModelInfo, ModelRequest
from apps.providers.domain.routing import Question
from apps.providers.domain.routing_rules import Need
from apps.providers.errors import (
    ConfigurationError,
    ContextTooLong,
    NoModelAvailable,
    ProviderInterrupted,
    ProviderRejected,
    ProviderUnavailable,
    RouteRefused,
)

logger = get_logger(__name__)

AUTO = "auto"
MODELS_MAX = 4  # that are asked for one answer

Build: TypeAlias = Callable[[ModelInfo], ModelRequest]

_BOUNDLESS = 1_000_000_000

# What a request is checked against before anybody is chosen: a model that can do everything.
_ANY = ModelInfo(
    id=AUTO,
    label="",
    provider="",
    context_tokens=_BOUNDLESS,
    in_process=False,
    supports_tools=True,
    supports_vision=True,
    supports_formats=True,
    supports_reasoning=True,
)


@dataclass(slots=True, kw_only=True)
class Search:
    """Looking for a model that answers: the one that is asked now, and how it goes on.

    Attributes:
        caller: Who asks.
        model: Who is asked now.
        request: What it is asked.
        build: Makes the request for another one.
        question: What routing knows of the call.
        is_named: The caller named the first model.
        failed: Models that did not answer, with what each ended.
    """

    caller: Caller
    model: ModelInfo
    request: ModelRequest
    build: Build
    question: Question
    is_named: bool
    failed: dict[str, KarenError] = field(default_factory=dict)

    async def go_on(self, error: KarenError) -> bool:
        """Turn to the next model after `error`; say whether there is one."""
        cause = _cause_of(error, is_deputy=bool(self.failed) or not self.is_named)
        self.failed[self.model.id] = error
        if cause is None or len(self.failed) >= MODELS_MAX:
            return False
        await providers.prepared()  # a key that was refused just now changed what is set up
        self.question = replace(
            self.question,
            cause=self.question.cause if isinstance(error, RouteRefused) else cause,
            failed=frozenset(self.failed),
            sensitive=self.question.sensitive or isinstance(error, RouteRefused),
        )
        plan = providers.plan_route(self.question)
        for candidate in plan.candidates:
            model = candidate.model
            may_follow = model.id in plan.fallbacks or self._may_follow(model, error)
            if may_follow and self._can_be_asked(model):
                openai_fallbacks_total.labels(self.question.cause.value).inc()
                logger.info("openai.fallback", failed=list(self.failed), model=self.model.id)
                return True
        return False

    def _may_follow(self, model: ModelInfo, error: KarenError) -> bool:
        """Say whether a model may answer that no policy names for this."""
        if self.is_named:
            return False
        if isinstance(error, ContextTooLong):
            return model.context_tokens > self.model.context_tokens
        if isinstance(error, ProviderRejected):
            return False
        # One more model of a provider is tried when only this one may be down.
        kind = f"{model.provider}/"
        same = [each for name, each in self.failed.items() if name.startswith(kind)]
        return len(same) < 2 and not any(isinstance(each, ConfigurationError) for each in same)

    def _can_be_asked(self, model: ModelInfo) -> bool:
        try:
            request = self.build(model)
        except ParameterUnsupported:  # it would answer another question than was asked
            return False
        self.model, self.request = model, request
        return True


def named(caller: Caller, model: ModelInfo, request: ModelRequest, build: Build) -> Search:
    """Return the search that begins with the model that was named.

    Raises:
        RouteRefused: The policy that applies excludes it.
    """
    question = _question_of(caller, request, limit=model.context_tokens)
    providers.demand_permitted(model, question)
    return Search(
        caller=caller,
        model=model,
        request=request,
        build=build,
        question=question,
        is_named=True,
    )


def choose_first(caller: Caller, build: Build) -> Search:
    """Return the search that begins with the best model for the request.

    Raises:
        NoModelAvailable: Nothing is configured.
        RouteRefused: Every model is excluded; says why.
        KarenError: As `build`, for what no model may be asked.
    """
    request = build(_ANY)
    question = _question_of(caller, request, limit=_BOUNDLESS)
    if not providers.list_models():
        raise NoModelAvailable(providers.why_no_model())
    plan = providers.plan_route(question)
    reasons = [f"{each.model.id}: {each.reason}" for each in plan.excluded]
    for candidate in plan.candidates:
        try:
            request = build(candidate.model)
        except ParameterUnsupported as error:
            reasons.append(f"{candidate.model.id}: {error.message()}")
            continue
        return Search(
            caller=caller,
            model=candidate.model,
            request=request,
            build=build,
            question=question,
            is_named=False,
        )
    raise RouteRefused(reasons=reasons)


def _question_of(caller: Caller, request: ModelRequest, *, limit: int) -> Question:
    question = providers.question_of(
        Flow.API_ANSWER,
        subject=new_id().hex,  # weights are shares of the calls
        text="\n".join(message.text for message in request.messages),
        user_id=caller.actor.id,
    )
    # Without a limit of its own a request has that of its model.
    answer_tokens = request.max_tokens if request.max_tokens < limit else 0
    return replace(question, answer_tokens=answer_tokens, needs=_needs_of(request))


def _needs_of(request: ModelRequest) -> frozenset[Need]:
    demanded = {
        Need.TOOLS: bool(request.tools),
        Need.VISION: any(message.images for message in request.messages),
        Need.FORMATS: bool(request.response_format),
        Need.REASONING: any(name == "reasoning_effort" for name, _value in request.sampling),
    }
    return frozenset(need for need, is_demanded in demanded.items() if is_demanded)


def _cause_of(error: KarenError, *, is_deputy: bool) -> Cause | None:
    match error:
        case ProviderUnavailable() | ProviderInterrupted() | ConfigurationError():
            return Cause.FAILURE
        case ContextTooLong():
            return Cause.CONTEXT
        case ProviderRejected():
            return Cause.REFUSAL
        case RouteRefused(local_only=True) if is_deputy:  # a trusted one may answer
            return Cause.FAILURE
        case _:
            return None
