"""Errors that only the HTTP edge can have."""

from django.utils.translation import gettext as _
from typing_extensions import override

from apps.core.errors import KarenError


class NotAcceptable(KarenError):
    """The `Accept` header excludes JSON, the only format the API answers in."""

    code = "not_acceptable"
    status = 406

    @override
    def message(self) -> str:
        return _("This address answers in JSON only. Accept application/json.")


class ParameterInvalid(KarenError):
    """A parameter of the OpenAI-compatible API does not fit; `param` names it."""

    code = "parameter_invalid"
    public_fields = ("param",)

    def __init__(self, param: str, text: str) -> None:
        super().__init__(param, text)
        self.param = param
        self.text = text

    @override
    def message(self) -> str:
        return self.text


class ParameterUnsupported(KarenError):
    """A parameter of OpenAI's API that changes the answer and is not offered here."""

    code = "parameter_unsupported"
    public_fields = ("param",)

    def __init__(self, param: str, text: str = "") -> None:
        super().__init__(param, text)
        self.param = param
        self.text = text

    @override
    def message(self) -> str:
        return self.text or _("%(param)s is not supported here. Leave it out.") % {
            "param": self.param
        }
