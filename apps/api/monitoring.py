"""`/metrics` for Prometheus: for operators and for scrapers on this machine."""

from ipaddress import ip_address

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from django_prometheus.exports import ExportToDjangoView

# A proxy on this machine connects from loopback too, for anybody; it says so in these.
_PROXY_HEADERS = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via")


def _from_this_machine(request: HttpRequest) -> bool:
    address = request.META.get("REMOTE_ADDR") or ""
    try:
        loopback = ip_address(address).is_loopback
    except ValueError:  # a Unix socket has no address: some proxy stands before us
        return False
    return loopback and not any(name in request.headers for name in _PROXY_HEADERS)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Return this process's metrics in Prometheus' text format.

    Raises:
        Http404: The caller is neither an operator nor on this machine.
    """
    user = getattr(request, "user", None)
    if not _from_this_machine(request) and not (user and user.is_active and user.is_staff):
        raise Http404
    exported: HttpResponse = ExportToDjangoView(request)
    return exported
