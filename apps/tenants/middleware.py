"""HTTP: from the Host header to a tenant in scope."""

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render

from apps.core import scope
from apps.core.concurrency import platform_db
from apps.core.envelope import error_envelope
from apps.core.errors import KarenError
from apps.tenants.contracts import HostResolution
from apps.tenants.domain.states import TenantState
from apps.tenants.errors import TenantNotFound, TenantProvisioning, TenantSuspended
from apps.tenants.resolver import cached_resolution, resolve

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]

_HEALTH = "/health/"  # asked by address, not by host name

_PAGES: dict[type[KarenError], str] = {
    TenantNotFound: "tenants/unknown.html",
    TenantSuspended: "tenants/suspended.html",
    TenantProvisioning: "tenants/provisioning.html",
}


def refusal(resolution: HostResolution | None) -> KarenError | None:
    """Return why a host is not served, or None when it is."""
    if resolution is None or resolution.state == TenantState.DELETING:
        return TenantNotFound()
    if resolution.state == TenantState.SUSPENDED:
        return TenantSuspended()
    if resolution.state in {TenantState.REQUESTED, TenantState.PROVISIONING}:
        return TenantProvisioning()
    return None


class TenantMiddleware:
    """Enter the tenant that the Host names; unknown 404, suspended 403, provisioning 503.

    Only the Host header counts: never `X-Forwarded-Host`, never a parameter.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer `request` inside its tenant."""
        if self._is_async:
            return self._acall(request)
        host = _host(request)
        resolution = _platform_only(request) or resolve(host)
        refused = self._refused(request, resolution)
        if refused is not None:
            return refused
        assert resolution is not None
        with scope.tenant_scope(resolution.ref):
            self._enter(request, resolution)
            return self.get_response(request)

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        resolution = _platform_only(request)
        if resolution is None:
            host = _host(request)
            known, resolution = cached_resolution(host)
            if not known:
                resolution = await platform_db(resolve, host)
        refused = self._refused(request, resolution)
        if refused is not None:
            return refused
        assert resolution is not None
        with scope.tenant_scope(resolution.ref):
            self._enter(request, resolution)
            response = self.get_response(request)
            assert not isinstance(response, HttpResponseBase)
            return await response

    @staticmethod
    def _enter(request: HttpRequest, resolution: HostResolution) -> None:
        request.tenant = resolution.ref  # type: ignore[attr-defined]  # documented attribute
        if resolution.ref is not None:
            request.urlconf = settings.TENANT_URLCONF

    @staticmethod
    def _refused(request: HttpRequest, resolution: HostResolution | None) -> HttpResponse | None:
        error = refusal(resolution)
        if error is None:
            return None
        request.tenant = None  # type: ignore[attr-defined]  # documented attribute
        if request.path.startswith("/api/"):
            return JsonResponse(error_envelope(error), status=error.status, headers=error.headers())
        page = render(request, _PAGES[type(error)], {"error": error}, status=error.status)
        for name, value in error.headers().items():
            page.headers[name] = value
        return page


def _host(request: HttpRequest) -> str:
    return str(request.META.get("HTTP_HOST") or request.META.get("SERVER_NAME", ""))


def _platform_only(request: HttpRequest) -> HostResolution | None:
    if not request.path.startswith(_HEALTH):
        return None
    # Nobody is signed in there. Without the cookie nobody is signed out either: an unknown session
    # would be taken for an ended one, and its cookie deleted.
    request.COOKIES.pop(settings.SESSION_COOKIE_NAME, None)
    return HostResolution(ref=None)
