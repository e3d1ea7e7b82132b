"""What the views of memories share: how a page is rendered, what answers the change of a row."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from apps.accounts.permissions import MEMORY_READ, MEMORY_WRITE, TENANT_ADMIN
from apps.core import scope
from apps.memory import selectors


def render_memory(
    request: HttpRequest, template: str, context: dict[str, Any], *, part: str = ""
) -> HttpResponse:
    """Render a template below the memories.

    Args:
        request: Who asks.
        template: Its name.
        context: What it shows.
        part: Which of the tabs it is behind; empty for a part of a page.
    """
    actor = scope.current_actor()
    shared = {
        "manages": actor.may(TENANT_ADMIN),
        "writes": actor.may(MEMORY_WRITE),
        "part": part,
    }
    return render(request, template, {**shared, **context})


def is_part(request: HttpRequest) -> bool:
    """Say whether htmx asks, for a part of a page."""
    return request.headers.get("HX-Request") == "true"


def changed_row(request: HttpRequest, memory_id: UUID, told: str) -> HttpResponse:
    """Return a memory's row for htmx; without scripts go to its page, which says what was done."""
    if is_part(request):
        actor = scope.current_actor()
        view = selectors.get_memory(actor=actor, memory_id=memory_id, permission=MEMORY_READ)
        return render_memory(request, "web/memory/row.html", {"memory": view})
    if told:
        messages.success(request, told)
    return redirect("memory_entry", memory_id)
