"""The one shape in which errors leave Karen, whatever the edge.

`{"error": {"type", "message", "retryable", "correlation_id", "details"?}}`
"""

from typing import NotRequired

from typing_extensions import TypedDict

from apps.core import scope
from apps.core.errors import KarenError


class ErrorBody(TypedDict):
    """The inside of the envelope."""

    type: str
    message: str
    retryable: bool
    correlation_id: str
    details: NotRequired[dict[str, object]]


class ErrorEnvelope(TypedDict):
    """The envelope itself."""

    error: ErrorBody


def error_body(error: KarenError) -> ErrorBody:
    """Render `error` with the correlation id in scope."""
    body = ErrorBody(
        type=error.code,
        message=error.message(),
        retryable=error.retryable,
        correlation_id=scope.correlation_id(),
    )
    details = error.details()
    if details:
        body["details"] = details
    return body


def error_envelope(error: KarenError) -> ErrorEnvelope:
    """Wrap `error` in the envelope that REST, SSE and WebSocket clients receive."""
    return ErrorEnvelope(error=error_body(error))
