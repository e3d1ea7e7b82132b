"""What can go wrong between Karen and a model, told without the provider's own words."""

from collections.abc import Mapping, Sequence

from django.utils.translation import gettext as _
from typing_extensions import override

from apps.core.errors import KarenError


class NoModelAvailable(KarenError):
    """No model is configured or present; `reason` says what is missing."""

    code = "no_model_available"
    status = 503
    public_fields = ("reason",)

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason or None

    @override
    def message(self) -> str:
        text = _(
            "No language model is available. The operator can put a GGUF file into the models "
            "folder, install the built-in model, or set OPENAI_API_KEY or OPENAI_BASE_URL."
        )
        return f"{text} ({self.reason})" if self.reason else text


class ModelNotFound(KarenError):
    """The model id names nothing that is configured."""

    code = "model_not_found"
    status = 404
    public_fields = ("model",)

    def __init__(self, *, model: str) -> None:
        super().__init__(model)
        self.model = model

    @override
    def message(self) -> str:
        return _("There is no such model here. Choose one from the list of models.")


class ModelProfileInvalid(KarenError):
    """The name of a stub model is no latency profile; `key` says which part."""

    code = "model_profile_invalid"
    status = 422
    public_fields = ("model", "key", "problem")

    def __init__(self, *, model: str, key: str, problem: str) -> None:
        super().__init__(model, key, problem)
        self.model = model
        self.key = key
        self.problem = problem

    @override
    def message(self) -> str:
        return _("The stub model's profile is wrong at %(key)s: %(problem)s.") % {
            "key": self.key,
            "problem": self.problem,
        }


class ProviderUnavailable(KarenError):
    """The provider cannot answer now; another one may. Fail over.

    `rate_limited` says that it asked for fewer calls.
    """

    code = "provider_unavailable"
    status = 503
    retryable = True
    public_fields = ("retry_after_s",)

    def __init__(self, *, retry_after_s: float | None = None, rate_limited: bool = False) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s
        self.rate_limited = rate_limited

    @override
    def message(self) -> str:
        return _("The language model is not reachable or too busy right now. Try again shortly.")

    @override
    def headers(self) -> Mapping[str, str]:
        if self.retry_after_s is None:
            return {}
        return {"Retry-After": str(max(1, round(self.retry_after_s)))}


class ProviderTimeout(ProviderUnavailable):
    """The provider did not answer in time. Fail over."""

    code = "provider_timeout"
    status = 504

    @override
    def message(self) -> str:
        return _("The language model took too long to answer. Try again.")


class ProviderInterrupted(KarenError):
    """The stream ended before the model said it was finished; what came before is kept."""

    code = "provider_interrupted"
    status = 502
    retryable = True

    @override
    def message(self) -> str:
        return _("The answer was cut off by the language model. You can ask it to continue.")


class ProviderRejected(KarenError):
    """The provider understood the request and refuses it; repeating it changes nothing."""

    code = "provider_rejected"
    status = 422

    @override
    def message(self) -> str:
        return _("The language model refused this request.")


class ContextTooLong(ProviderRejected):
    """Prompt and answer together do not fit; nothing was cut silently."""

    code = "context_too_long"
    status = 422
    public_fields = ("prompt_tokens", "limit_tokens")

    def __init__(
        self, *, prompt_tokens: int | None = None, limit_tokens: int | None = None
    ) -> None:
        super().__init__(prompt_tokens, limit_tokens)
        self.prompt_tokens = prompt_tokens
        self.limit_tokens = limit_tokens

    @override
    def message(self) -> str:
        if self.prompt_tokens is None or self.limit_tokens is None:
            return _("The conversation is too long for this model. Start a new one or shorten it.")
        return _(
            "The conversation is too long for this model: %(prompt)d tokens, and %(limit)d fit. "
            "Start a new one or shorten it."
        ) % {"prompt": self.prompt_tokens, "limit": self.limit_tokens}


class GuardrailRefused(KarenError):
    """A rule of the workspace refuses this; `rules` names which, `stage` says where it looked.

    Attributes:
        decisions: All that was decided on the way, for the log; never shown
            (`guardrails.decisions_of` gives them their type back).
    """

    code = "guardrail_refused"
    status = 422
    public_fields = ("rules", "stage")

    def __init__(
        self, rules: Sequence[str] = (), *, stage: str = "input", decisions: Sequence[object] = ()
    ) -> None:
        super().__init__(*rules)
        self.rules = list(rules)
        self.stage = stage
        self.decisions = tuple(decisions)

    @override
    def message(self) -> str:
        names = {"rules": ", ".join(self.rules)}
        if self.stage == "output":
            return _("The answer was stopped by a rule of your workspace (%(rules)s).") % names
        return _("A rule of your workspace does not let this be sent (%(rules)s).") % names


class ConfigurationError(KarenError):
    """Only the operator can mend this; `hint` goes to the log and never to clients.

    `key_refused` says that the provider does not take its key any more.
    """

    code = "provider_misconfigured"
    status = 503

    def __init__(self, hint: str = "", *, key_refused: bool = False) -> None:
        super().__init__(hint)
        self.hint = hint
        self.key_refused = key_refused

    @override
    def message(self) -> str:
        return _("The language model is not set up correctly. Tell whoever operates this service.")


class BudgetExceeded(KarenError):
    """A hard budget has no room for this call; nothing was asked."""

    code = "budget_exceeded"
    status = 402
    public_fields = ("level", "unit", "period", "limit", "resets_on")

    def __init__(self, *, level: str, unit: str, period: str, limit: str, resets_on: str) -> None:
        super().__init__(level, unit, period)
        self.level = level
        self.unit = unit
        self.period = period
        self.limit = limit
        self.resets_on = resets_on

    @override
    def message(self) -> str:
        whose = {
            "tenant": _("this workspace"),
            "group": _("your group"),
            "member": _("you"),
            "key": _("this API key"),
        }[self.level]
        return _(
            "The budget for %(whose)s is used up: %(limit)s %(unit)s a %(period)s. It begins anew "
            "on %(date)s; an administrator can raise it."
        ) % {
            "whose": whose,
            "limit": self.limit,
            "unit": _("US dollars") if self.unit == "money" else _("tokens"),
            "period": self.period,
            "date": self.resets_on,
        }


class PriceUnknown(KarenError):
    """A budget counts money and nobody knows what this model costs."""

    code = "price_unknown"
    status = 422
    public_fields = ("model",)

    def __init__(self, *, model: str) -> None:
        super().__init__(model)
        self.model = model

    @override
    def message(self) -> str:
        return _(
            "A budget in money applies, and the price of this model is not known. An "
            "administrator can set its price, or you choose another model."
        )


class RouteRefused(KarenError):
    """No model may answer this: each is excluded for a reason.

    `local_only` says that a trusted model may.
    """

    code = "route_refused"
    status = 422
    public_fields = ("reasons",)

    def __init__(self, *, reasons: list[str], local_only: bool = False) -> None:
        super().__init__(reasons)
        self.reasons = reasons
        self.local_only = local_only

    @override
    def message(self) -> str:
        return _("No model may answer this: %(why)s.") % {"why": "; ".join(self.reasons[:3])}


class PromptNotFound(KarenError):
    """There is no prompt of this name, or no such version, set, run or experiment of it here."""

    code = "prompt_not_found"
    status = 404

    @override
    def message(self) -> str:
        return _("There is no such prompt, version, evaluation or experiment here.")


class PromptInvalid(KarenError):
    """A wording cannot be used; `part` says where and `problem` why."""

    code = "prompt_invalid"
    status = 422
    public_fields = ("prompt", "part", "problem")

    def __init__(self, *, prompt: str, part: str, problem: str) -> None:
        super().__init__(prompt, part, problem)
        self.prompt = prompt
        self.part = part
        self.problem = problem

    @override
    def message(self) -> str:
        return _("The prompt cannot be used: %(part)s %(problem)s.") % {
            "part": self.part,
            "problem": self.problem,
        }


class PromptValueInvalid(KarenError):
    """A value does not fit its variable; `variable` names it."""

    code = "prompt_value_invalid"
    status = 422
    public_fields = ("prompt", "variable", "problem")

    def __init__(self, *, prompt: str, variable: str, problem: str) -> None:
        super().__init__(prompt, variable, problem)
        self.prompt = prompt
        self.variable = variable
        self.problem = problem

    @override
    def message(self) -> str:
        return _("The value of %(variable)s does not fit: it %(problem)s.") % {
            "variable": self.variable,
            "problem": self.problem,
        }


class ExperimentRuns(KarenError):
    """The prompt has an experiment already; stop it before its versions change."""

    code = "prompt_experiment_runs"
    status = 409

    @override
    def message(self) -> str:
        return _("An experiment with this prompt is running. Stop it first.")


class ProviderNotFound(KarenError):
    """There is no such provider here, or it is another workspace's."""

    code = "provider_not_found"
    status = 404

    @override
    def message(self) -> str:
        return _("There is no such provider here.")


class ProviderModelNotFound(KarenError):
    """The provider has no such model."""

    code = "provider_model_not_found"
    status = 404

    @override
    def message(self) -> str:
        return _("This provider has no such model.")


class RoutingPolicyNotFound(KarenError):
    """There is no such routing policy here, or it is another workspace's."""

    code = "routing_policy_not_found"
    status = 404

    @override
    def message(self) -> str:
        return _("There is no such routing policy here.")


class OfferedByPlatform(KarenError):
    """It is the platform's: a workspace uses it and does not change it."""

    code = "offered_by_platform"
    status = 403

    @override
    def message(self) -> str:
        return _("The platform offers this; only its operators change it. Add your own instead.")


class BudgetNotFound(KarenError):
    """The workspace has no such budget."""

    code = "budget_not_found"
    status = 404

    @override
    def message(self) -> str:
        return _("There is no such budget.")


class BudgetExists(KarenError):
    """There is a budget for the same subject, unit and period."""

    code = "budget_exists"
    status = 409

    @override
    def message(self) -> str:
        return _("There is a budget for this already; change that one.")
