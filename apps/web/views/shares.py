"""A shared conversation: a page of its own that works without JavaScript and without an account."""

from dataclasses import dataclass
from datetime import datetime

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from apps.conversations.contracts import SharedMessage
from apps.conversations.errors import ShareNotFound
from apps.conversations.services import sharing
from apps.core import ratelimit, scope
from apps.core.errors import NotAuthenticated, RateLimited
from apps.web.markdown import safe_html

# A secret of 256 bits is not guessed; what is limited is the work that guessing makes.
_OPENINGS = ratelimit.Limit(name="share.open", burst=120, period_s=60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """One message as the page shows it."""

    author: str
    role: str
    html: SafeString
    attachments: tuple[str, ...]
    created_at: datetime


@never_cache
@require_GET
def shared(request: HttpRequest, token: str) -> HttpResponse:
    """Show a snapshot; 404 for a link that was never given, or was taken back."""
    try:
        ratelimit.enforce(_OPENINGS, get_adapter().get_client_ip(request) or "")
        view = sharing.open_share(actor=scope.current_actor(), token=token)
    except NotAuthenticated:
        return redirect_to_login(request.get_full_path(), settings.LOGIN_URL)
    except ShareNotFound as error:
        return _private(render(request, "web/share_gone.html", status=error.status))
    except RateLimited as error:
        page = render(request, "429.html", status=error.status)
        for name, value in error.headers().items():
            page[name] = value
        return _private(page)
    context = {
        "title": view.snapshot.title,
        "created_at": view.created_at,
        "shown": [_shown(message) for message in view.snapshot.messages],
    }
    return _private(render(request, "web/share.html", context))


def _shown(message: SharedMessage) -> _Shown:
    return _Shown(
        author=message.author,
        role=message.role,
        html=safe_html(message.text),
        attachments=message.attachments,
        created_at=message.created_at,
    )


def _private(page: HttpResponse) -> HttpResponse:
    """Keep search engines out, and the secret address from every page that is linked to."""
    page["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    page["Referrer-Policy"] = "no-referrer"
    return page
