"""Content-Security-Policy of single pages."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse


def workspace_origins(urls: Iterable[str] = ()) -> list[str]:
    """Return the origins of all workspaces under the base domain, and of `urls`."""
    subdomains = f"{settings.SCHEME}://*.{settings.BASE_DOMAIN}{settings.LINK_PORT}"
    origins = {f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, urls)}
    return [subdomains, *sorted(origins)]


def allow_form_targets(response: HttpResponse, origins: list[str]) -> HttpResponse:
    """Let forms of this page end up at `origins` besides the page's own.

    Browsers hold `form-action` also against the redirect that answers a form, and entering a
    workspace is such a redirect. The attribute is what django-csp's `csp_update` decorator sets;
    the decorator itself takes only values known on import.
    """
    response._csp_update = {"form-action": origins}  # type: ignore[attr-defined]  # see above
    return response


def allow_socket(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Let the page open a WebSocket to its own host.

    `connect-src 'self'` means that too, but not every browser agrees yet.
    """
    scheme = "wss" if request.is_secure() else "ws"
    # The tenant middleware serves known hosts only, so the name cannot be an invention.
    response._csp_update = {  # type: ignore[attr-defined]  # what csp_update sets
        "connect-src": [f"{scheme}://{request.get_host()}"]
    }
    return response
