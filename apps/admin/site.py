"""The console's site: who gets in, and under which content policy its pages run."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from csp.decorators import csp_update
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.translation import gettext_lazy
from typing_extensions import override
from unfold.sites import UnfoldAdminSite

from apps.admin.memory import memory_overview, workspace_memory

# Unfold's pages carry Alpine expressions, which Alpine compiles at run time and which set style
# attributes. All else of the strict policy stays: docs/adr/0012-admin-csp.md.
ADMIN_CSP = {"script-src": ["'unsafe-eval'"], "style-src-attr": ["'unsafe-inline'"]}

View = Callable[..., HttpResponseBase]


class ConsoleSite(UnfoldAdminSite):  # type: ignore[misc]  # untyped library
    """Open to active operators only; to everybody else it does not exist."""

    # Not `admin/index.html`: theme and django-tenants bring their own, which would be found first.
    index_template = "console/index.html"
    index_title = gettext_lazy("Overview")

    @override
    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Guard `view` and loosen the policy for it alone."""
        guarded: View = super().admin_view(view, cacheable)
        return csp_update(ADMIN_CSP)(guarded)

    @override
    def get_urls(self) -> list[Any]:
        """Return the admin's addresses, and those of pages that show no model."""
        own = [
            path("memory/", self.admin_view(self._memory), name="memory"),
            path(
                "memory/<uuid:tenant_id>/",
                self.admin_view(self._memory_of_workspace),
                name="memory_workspace",
            ),
        ]
        return [*own, *super().get_urls()]

    def _memory(self, request: HttpRequest) -> HttpResponse:
        return memory_overview(request, self.each_context(request))

    def _memory_of_workspace(self, request: HttpRequest, tenant_id: UUID) -> HttpResponse:
        return workspace_memory(request, self.each_context(request), tenant_id)

    @override
    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Send visitors to the one login page, which limits attempts, and operators onwards.

        Raises:
            Http404: Somebody is signed in who is no operator.
        """
        if not request.user.is_authenticated:
            return redirect_to_login(request.GET.get("next", request.path), settings.LOGIN_URL)
        if not self.has_permission(request):
            raise Http404
        return HttpResponseRedirect(reverse("admin:index", current_app=self.name))

    @override
    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Return what every page knows, without the colours Unfold would print inline."""
        context: dict[str, Any] = super().each_context(request)
        context["colors"] = None
        return context
