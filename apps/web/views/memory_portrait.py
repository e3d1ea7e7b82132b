"""What Karen would say about somebody now, and about each person, place and topic they named."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from apps.accounts.permissions import MEMORY_READ
from apps.core import scope
from apps.core.errors import InvalidInput
from apps.memory import selectors
from apps.memory.contracts import MemoryQuery
from apps.web.access import needs
from apps.web.memory_pages import is_part, render_memory
from apps.web.memory_words import timeline
from apps.web.portrait_words import shown_portrait

_BESIDE = 12


@needs(MEMORY_READ)
@never_cache
@require_GET
def profile(request: HttpRequest) -> HttpResponse:
    """Show what holds of the one who asks, by group, each line with its source."""
    sections = selectors.list_portrait(actor=scope.current_actor(), permission=MEMORY_READ)
    context = {"sections": shown_portrait(sections)}
    return render_memory(request, "web/memory/profile.html", context, part="profile")


@needs(MEMORY_READ)
@never_cache
@require_GET
def about(request: HttpRequest) -> HttpResponse:
    """Show what is known of a person, place or topic: what holds, and all there was, by day."""
    name = " ".join(request.GET.get("name", "").split())[:120]
    if not name:
        return redirect("memory_names")
    actor = scope.current_actor()
    found = selectors.find_entity(actor=actor, permission=MEMORY_READ, name=name)
    # A name that no memory mentions is a topic: its words are looked for.
    query = MemoryQuery(entity=name if found else "", text="" if found else name, superseded=True)
    try:
        page = selectors.page_of_memories(
            actor=actor,
            permission=MEMORY_READ,
            query=query,
            after=request.GET.get("after", ""),
        )
    except InvalidInput as error:
        raise Http404 from error
    context: dict[str, Any] = {
        "months": timeline(page.memories),
        "address": request.path,
        "following": urlencode({"name": name, "after": page.following}) if page.following else "",
    }
    if is_part(request):
        return render_memory(request, "web/memory/months.html", context)
    if found:
        graph = selectors.entity_graph(
            actor=actor, permission=MEMORY_READ, name=name, limit=_BESIDE
        )
        context["beside"] = [each for each in graph.entities if each.id != found.id]
        holding = selectors.list_portrait(actor=actor, permission=MEMORY_READ, about=name)
        context["lines"] = [
            each
            for section in shown_portrait(holding)
            for party in section.parties
            for each in party.lines
        ]
    context |= {"name": found.name if found else name, "entity": found}
    return render_memory(request, "web/memory/about.html", context, part="names")
