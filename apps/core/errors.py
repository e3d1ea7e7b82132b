"""The one family of errors an edge may show.

A service raises a subclass; edges render it through `envelope`. Codes are a contract with
clients: append-only, unique, listed in `docs/errors.md` (a test compares). Apps declare their own
subclasses in their `errors.py`; only what several apps raise stands here.
"""

from collections.abc import Mapping
from typing import ClassVar

from django.utils.translation import gettext as _
from typing_extensions import override

_classes_by_code: dict[str, "type[KarenError]"] = {}


class KarenError(Exception):
    """Base of everything an edge may show. Never raised directly.

    Attributes:
        code: Stable identifier clients may branch on.
        status: HTTP status the code maps to.
        retryable: Whether the same request may succeed later.
        public_fields: Names of instance attributes copied into the envelope's `details`.
    """

    code: ClassVar[str] = ""
    status: ClassVar[int] = 400
    retryable: ClassVar[bool] = False
    public_fields: ClassVar[tuple[str, ...]] = ()

    @override
    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        code = cls.__dict__.get("code")
        if code is None:
            return
        taken = _classes_by_code.get(code)
        if taken is not None and taken.__qualname__ != cls.__qualname__:
            raise TypeError(f"error code {code!r} belongs to {taken.__qualname__}")
        _classes_by_code[code] = cls

    def message(self) -> str:
        """Return the sentence shown to people, translated at call time."""
        return _("The request could not be completed.")

    def headers(self) -> Mapping[str, str]:
        """Return extra HTTP headers, such as `Retry-After`."""
        return {}

    def details(self) -> dict[str, object]:
        """Return the public fields that have a value."""
        values = {name: getattr(self, name, None) for name in self.public_fields}
        return {name: value for name, value in values.items() if value is not None}

    @override
    def __str__(self) -> str:
        return f"{self.code}: {self.message()}"


def registered_errors() -> Mapping[str, type[KarenError]]:
    """Return every declared error class by its code."""
    return dict(_classes_by_code)


class ProgrammingFault(RuntimeError):
    """Base of mistakes in our own code; never rendered, always seen in the log."""


class NoTenantInScope(ProgrammingFault):
    """Tenant content was touched while no tenant was in scope."""

    def __init__(self) -> None:
        super().__init__("no tenant in scope: wrap the call in tenant_scope(ref)")


class InvalidInput(KarenError):
    """Something the caller sent does not fit; `fields` says what and why."""

    code = "invalid_input"
    status = 400
    public_fields = ("fields",)

    def __init__(self, text: str = "", *, fields: Mapping[str, list[str]] | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.fields = dict(fields) if fields else None

    @override
    def message(self) -> str:
        """Return what does not fit."""
        return self.text or _("Some fields need your attention.")


class NotAuthenticated(KarenError):
    """Nobody is signed in, or the credential is not valid here."""

    code = "not_authenticated"
    status = 401

    @override
    def message(self) -> str:
        """Ask to sign in."""
        return _("Please sign in.")


class PermissionDenied(KarenError):
    """The actor lacks a permission; `permission` names it."""

    code = "permission_denied"
    status = 403
    public_fields = ("permission",)

    def __init__(self, permission: str | None = None) -> None:
        super().__init__(permission)
        self.permission = permission

    @override
    def message(self) -> str:
        """Name the missing permission."""
        return _("You are not allowed to do this. Ask an administrator of your workspace.")


class NotFound(KarenError):
    """It does not exist, or the actor may not know that it does."""

    code = "not_found"
    status = 404

    @override
    def message(self) -> str:
        """Say that nothing is here."""
        return _("There is nothing here, or you may not see it.")


class MethodNotAllowed(KarenError):
    """The address exists but not for this HTTP method."""

    code = "method_not_allowed"
    status = 405

    @override
    def message(self) -> str:
        """Say so."""
        return _("This address does not accept that method.")


class Conflict(KarenError):
    """The request collides with the present state."""

    code = "conflict"
    status = 409

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.text = text

    @override
    def message(self) -> str:
        """Return the reason."""
        return self.text or _("This does not fit the present state. Reload and try again.")


class PayloadTooLarge(KarenError):
    """The body is larger than `limit_bytes`."""

    code = "payload_too_large"
    status = 413
    public_fields = ("limit_bytes",)

    def __init__(self, *, limit_bytes: int) -> None:
        super().__init__(limit_bytes)
        self.limit_bytes = limit_bytes

    @override
    def message(self) -> str:
        """Name the limit."""
        return _("That is too large: at most %(limit)d bytes.") % {"limit": self.limit_bytes}


class UnsupportedMediaType(KarenError):
    """The body has a content type that is not understood here."""

    code = "unsupported_media_type"
    status = 415

    @override
    def message(self) -> str:
        """Say what is accepted."""
        return _("Send JSON with the content type application/json.")


class RateLimited(KarenError):
    """Too many requests; `retry_after_s` seconds until the next one is accepted."""

    code = "rate_limited"
    status = 429
    retryable = True
    public_fields = ("retry_after_s",)

    def __init__(self, *, retry_after_s: float) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = round(max(retry_after_s, 0.1), 1)

    @override
    def message(self) -> str:
        """Say how long to wait."""
        return _("Too many requests. Try again in %(seconds).0f seconds.") % {
            "seconds": max(self.retry_after_s, 1)
        }

    @override
    def headers(self) -> Mapping[str, str]:
        """Return `Retry-After` in whole seconds."""
        return {"Retry-After": str(max(1, round(self.retry_after_s)))}


class InternalError(KarenError):
    """Something failed on our side; the log has the cause under the correlation id."""

    code = "internal_error"
    status = 500
    retryable = True

    @override
    def message(self) -> str:
        """Apologise without detail."""
        return _("Something went wrong on our side. It has been recorded.")


class ServiceUnavailable(KarenError):
    """A part that this request needs is not reachable now."""

    code = "service_unavailable"
    status = 503
    retryable = True

    @override
    def message(self) -> str:
        """Ask to retry."""
        return _("A part of the service is not reachable right now. Try again shortly.")

    @override
    def headers(self) -> Mapping[str, str]:
        """Return `Retry-After` in seconds."""
        return {"Retry-After": "5"}
