"""HTTP middleware without domain knowledge: the correlation id."""

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase

from apps.core import scope

CORRELATION_HEADER = "X-Correlation-ID"


class CorrelationIdMiddleware:
    """Carry the caller's `X-Correlation-ID`, or a new one, through the request and back."""

    sync_capable = True
    async_capable = True

    def __init__(
        self,
        get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]],
    ) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer `request` inside a correlation scope."""
        if self._is_async:
            return self._acall(request)
        with scope.correlation_scope(request.headers.get(CORRELATION_HEADER)) as value:
            response = self.get_response(request)
            assert isinstance(response, HttpResponseBase)
            response.headers[CORRELATION_HEADER] = value
            return response

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        with scope.correlation_scope(request.headers.get(CORRELATION_HEADER)) as value:
            response = self.get_response(request)
            assert not isinstance(response, HttpResponseBase)
            answer = await response
            answer.headers[CORRELATION_HEADER] = value
            return answer
