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
