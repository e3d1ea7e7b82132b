"""What can go wrong between Karen and a model, told without the provider's own words."""

from collections.abc import Mapping

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


class RequestUnsupported(ProviderRejected):
    """The model cannot do what one parameter asks; leaving it out silently would be a wrong answer.

    Attributes:
        param: The parameter, by OpenAI's name.
        problem: What is wrong with it, in words for developers.
    """

    code = "request_unsupported"
    status = 422
    public_fields = ("param", "problem")

    def __init__(self, *, param: str, problem: str = "") -> None:
        super().__init__(param, problem)
        self.param = param
        self.problem = problem or None

    @override
    def message(self) -> str:
        if not self.problem:
            return _("This model cannot do what %(param)s asks for.") % {"param": self.param}
        return _("This model cannot do what %(param)s asks for: %(problem)s.") % {
            "param": self.param,
            "problem": self.problem,
        }


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
