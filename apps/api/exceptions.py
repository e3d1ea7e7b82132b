"""The REST renderer of errors: one table from framework exceptions to Karen's own.

DRF calls `render_error` for whatever a view raises. Exceptions that are neither ours nor in the
table are mistakes: they are logged with their traceback and answered as `internal_error`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.core import exceptions as django_exceptions
from django.core.signals import got_request_exception
from django.db import OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions as drf_exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import set_rollback

from apps.api.errors import NotAcceptable
from apps.core import errors
from apps.core.envelope import error_envelope
from apps.core.logging import get_logger
from apps.core.metrics import errors_total, unhandled_total

logger = get_logger(__name__)

_EDGE = "rest"
_CHALLENGE = 'Session realm="workspace"'


def _field_errors(detail: object, path: str = "") -> dict[str, list[str]]:
    """Flatten DRF's nested details into `{"outer.0.inner": [sentences]}`."""
    if isinstance(detail, Mapping):
        found: dict[str, list[str]] = {}
        for name, inner in detail.items():
            # DRF's name for "the object as a whole" is its own; an empty path says the same.
            step = "" if name == "non_field_errors" else str(name)
            found |= _field_errors(inner, ".".join(filter(None, (path, step))))
        return found
    if isinstance(detail, list | tuple):
        if any(isinstance(item, Mapping | list | tuple) for item in detail):
            return _field_errors({str(at): item for at, item in enumerate(detail) if item}, path)
        return {path: [str(item) for item in detail]}
    return {path: [str(detail)]}


def _invalid_input(exc: Exception) -> errors.KarenError:
    assert isinstance(exc, drf_exceptions.ValidationError)
    return errors.InvalidInput(fields=_field_errors(exc.detail))


def _model_validation(exc: Exception) -> errors.KarenError:
    assert isinstance(exc, django_exceptions.ValidationError)
    if hasattr(exc, "error_dict"):
        return errors.InvalidInput(fields=_field_errors(exc.message_dict))
    return errors.InvalidInput(fields={"": list(exc.messages)})


def _throttled(exc: Exception) -> errors.KarenError:
    assert isinstance(exc, drf_exceptions.Throttled)
    wait: float | None = getattr(exc, "wait", None)  # unknown to the stubs
    return errors.RateLimited(retry_after_s=wait or 1.0)


def _too_large(_exc: Exception) -> errors.KarenError:
    return errors.PayloadTooLarge(limit_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0)


# First match wins, so subclasses stand above their bases.
_TRANSLATIONS: tuple[tuple[type[Exception], Callable[[Exception], errors.KarenError]], ...] = (
    (drf_exceptions.ValidationError, _invalid_input),
    (drf_exceptions.ParseError, lambda _exc: errors.InvalidInput("The body is not valid JSON.")),
    (drf_exceptions.NotAuthenticated, lambda _exc: errors.NotAuthenticated()),
    (drf_exceptions.AuthenticationFailed, lambda _exc: errors.NotAuthenticated()),
    (drf_exceptions.PermissionDenied, lambda _exc: errors.PermissionDenied()),
    (drf_exceptions.NotFound, lambda _exc: errors.NotFound()),
    (drf_exceptions.MethodNotAllowed, lambda _exc: errors.MethodNotAllowed()),
    (drf_exceptions.NotAcceptable, lambda _exc: NotAcceptable()),
    (drf_exceptions.UnsupportedMediaType, lambda _exc: errors.UnsupportedMediaType()),
    (drf_exceptions.Throttled, _throttled),
    (django_exceptions.ValidationError, _model_validation),
    (django_exceptions.PermissionDenied, lambda _exc: errors.PermissionDenied()),
    (OperationalError, lambda _exc: errors.ServiceUnavailable()),  # the database is away
    (Http404, lambda _exc: errors.NotFound()),
    (django_exceptions.RequestDataTooBig, _too_large),
    (django_exceptions.SuspiciousOperation, lambda _exc: errors.InvalidInput()),
    (django_exceptions.BadRequest, lambda _exc: errors.InvalidInput()),
)


def translate(exc: Exception) -> errors.KarenError | None:
    """Return the error that stands for `exc` at the edge, or None when nobody foresaw it."""
    if isinstance(exc, errors.KarenError):
        return exc
    for family, build in _TRANSLATIONS:
        if isinstance(exc, family):
            return build(exc)
    return None


def _unforeseen(exc: Exception, request: HttpRequest | None) -> errors.KarenError:
    logger.error("request.failed", exc_info=exc, path=request.path if request else "")
    unhandled_total.labels(_EDGE).inc()
    # Django announces exceptions it answers itself; error reporters and its test client listen.
    got_request_exception.send(sender=None, request=request)
    return errors.InternalError()


def _headers(error: errors.KarenError, exc: Exception) -> dict[str, str]:
    headers = dict(error.headers())
    if error.status == errors.NotAuthenticated.status:
        headers["WWW-Authenticate"] = getattr(exc, "auth_header", None) or _CHALLENGE
    return headers


def render_error(exc: Exception, context: Mapping[str, Any]) -> Response:
    """Answer `exc` with the error envelope; DRF's `EXCEPTION_HANDLER`.

    Args:
        exc: Whatever the view, a permission, a parser or an authenticator raised.
        context: DRF's context; only `request` is read.
    """
    request = context.get("request")
    plain = request._request if isinstance(request, Request) else None  # no accessor
    error = translate(exc) or _unforeseen(exc, plain)
    set_rollback()
    errors_total.labels(error.code, _EDGE).inc()
    return Response(error_envelope(error), status=error.status, headers=_headers(error, exc))


def json_error(error: errors.KarenError) -> JsonResponse:
    """Answer `error` from a plain Django view below `/api/`, in the same shape as DRF's."""
    errors_total.labels(error.code, _EDGE).inc()
    return JsonResponse(error_envelope(error), status=error.status, headers=_headers(error, error))
