"""Errors in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`.

Clients branch on status, `type` and `code` as with OpenAI; where OpenAI has no code for it, ours
(docs/errors.md) stands there. The correlation id is in the header `X-Correlation-ID`.
"""

from typing import Any

from apps.accounts.errors import ApiKeyInvalid
from apps.core.errors import KarenError, NotAuthenticated, PermissionDenied, RateLimited
from apps.providers.errors import ContextTooLong, ModelNotFound, ProviderRejected

_CHALLENGE = 'Bearer realm="workspace"'

_CODES: dict[type[KarenError], str] = {
    NotAuthenticated: "invalid_api_key",
    ApiKeyInvalid: "invalid_api_key",
    RateLimited: "rate_limit_exceeded",
    ContextTooLong: "context_length_exceeded",
}


def status_of(error: KarenError) -> int:
    """Return the HTTP status; what OpenAI calls a bad request is one here too."""
    return 400 if isinstance(error, ProviderRejected) else error.status


def _type_of(error: KarenError) -> str:
    if isinstance(error, PermissionDenied):
        return "permission_error"
    if error.status == RateLimited.status:
        return "rate_limit_error"
    return "invalid_request_error" if error.status < 500 else "server_error"


def _param_of(error: KarenError) -> str | None:
    if isinstance(error, ModelNotFound):
        return "model"
    param = getattr(error, "param", None)
    return param if isinstance(param, str) and param else None


def error_document(error: KarenError) -> dict[str, Any]:
    """Return the body of an answer that says what went wrong."""
    return {
        "error": {
            "message": error.message(),
            "type": _type_of(error),
            "param": _param_of(error),
            "code": _CODES.get(type(error), error.code),
        }
    }


def error_headers(error: KarenError) -> dict[str, str]:
    """Return the headers that go with it."""
    headers = dict(error.headers())
    if error.status == NotAuthenticated.status:
        headers["WWW-Authenticate"] = _CHALLENGE
    return headers
