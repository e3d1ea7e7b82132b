"""What Karen knows about you: seen, explained, corrected, forgotten."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.permissions import MEMORY_READ, MEMORY_WRITE
from apps.core import scope
from apps.core.clock import now
from apps.core.errors import InvalidInput, KarenError
from apps.memory import selectors, services
from apps.memory.contracts import Forgotten, MemoryKind, MemoryView
from apps.memory.errors import MemoryNotFound
from apps.web.access import needs
from apps.web.entity_map import draw_entities
from apps.web.memory_forms import (
    FORGET_EVERYTHING,
    ForgetEverythingForm,
    ForgetTopicForm,
    MarkForm,
    MemoryFilterForm,
    MemoryForm,
)
from apps.web.memory_pages import changed_row, is_part, render_memory
from apps.web.memory_words import ORIGINS, past_changes, timeline

_PINNED_SHOWN = 200
_CHIPS = 12
_LATELY = timedelta(days=7)


@needs(MEMORY_READ)
@never_cache
@require_GET
def memories(request: HttpRequest) -> HttpResponse:
    """Show what is remembered; a further page alone for htmx."""
    return _page(request)


@needs(MEMORY_READ)
@never_cache
@require_GET
def memory(request: HttpRequest, memory_id: UUID) -> HttpResponse:
    """Show one memory with its reasons and its past; a part of the page for htmx."""
    return _one(request, memory_id)


@needs(MEMORY_READ)
@never_cache
@require_GET
def entity_page(request: HttpRequest) -> HttpResponse:
    """Show the names in the memories, as a drawing and as a list."""
    actor = scope.current_actor()
    graph = selectors.entity_graph(actor=actor, permission=MEMORY_READ)
    context = {
        "map": draw_entities(graph),
        "entities": selectors.list_entities(actor=actor, permission=MEMORY_READ),
    }
    return render_memory(request, "web/memory/names.html", context, part="names")


@needs(MEMORY_WRITE)
@never_cache
@require_POST
def add(request: HttpRequest) -> HttpResponse:
    """Remember what somebody wrote by hand."""
    form = MemoryForm(request.POST)
    if form.is_valid():
        try:
            done = services.remember(
                actor=scope.current_actor(), permission=MEMORY_WRITE, **form.kept()
            )
        except KarenError as error:
            form.refuse(error)
        else:
            told = _("Karen will remember that.") if done.created else _("Karen knew that already.")
            messages.success(request, told)
            return redirect("memory_page")
    return _page(request, form=form)


@needs(MEMORY_WRITE)
@never_cache
@require_POST
def change(request: HttpRequest, memory_id: UUID) -> HttpResponse:
    """Change what a memory says."""
    form = MemoryForm(request.POST, prefix=memory_id.hex)
    if form.is_valid():
        try:
            services.update_memory(
                actor=scope.current_actor(),
                permission=MEMORY_WRITE,
                memory_id=memory_id,
                change=form.change(),
            )
        except MemoryNotFound as error:
            raise Http404 from error
        except KarenError as error:
            form.refuse(error)
        else:
            return changed_row(request, memory_id, _("The memory was changed."))
    return _one(request, memory_id, form=form)


@needs(MEMORY_WRITE)
@never_cache
@require_POST
def mark(request: HttpRequest, memory_id: UUID) -> HttpResponse:
    """Pin, unpin or archive a memory."""
    form = MarkForm(request.POST)
    if not form.is_valid():
        raise Http404
    try:
        view = services.update_memory(
            actor=scope.current_actor(),
            permission=MEMORY_WRITE,
            memory_id=memory_id,
            change=form.change(),
        )
    except MemoryNotFound as error:
        raise Http404 from error
    except KarenError as error:
        messages.error(request, error.message())
        return changed_row(request, memory_id, "")
    told = _("Pinned.") if view.pinned else _("Saved.")
    return changed_row(request, memory_id, told)


@needs(MEMORY_WRITE)
@never_cache
@require_POST
def forget(request: HttpRequest, memory_id: UUID) -> HttpResponse:
    """Forget one memory; the answer alone still holds its words, for whoever did not mean it."""
    actor = scope.current_actor()
    try:
        view = selectors.get_memory(actor=actor, memory_id=memory_id, permission=MEMORY_WRITE)
        services.forget(actor=actor, permission=MEMORY_WRITE, memory_id=memory_id)
    except MemoryNotFound as error:
        raise Http404 from error
    if is_part(request):
        return render_memory(request, "web/memory/gone.html", {"memory": view})
    return _page(request, gone=view)


@needs(MEMORY_WRITE)
@never_cache
@require_POST
def forget_topic(request: HttpRequest) -> HttpResponse:
    """Show how much is known about a topic; with `sure`, forget it."""
    form = ForgetTopicForm(request.POST)
    if not form.is_valid():
        return _page(request, forget_form=form)
    topic, sure = form.cleaned_data["topic"], request.POST.get("sure") == "yes"
    actor = scope.current_actor()
    try:
        gone = services.forget_about(
            actor=actor, permission=MEMORY_WRITE, topic=topic, dry_run=not sure
        )
    except InvalidInput as error:
        form.refuse(error)
        return _page(request, forget_form=form)
    if not sure:
        return _page(request, forget_form=form, preview=(topic, gone))
    messages.success(request, _told(gone))
    return redirect("memory_page")


@needs(MEMORY_WRITE)
@never_cache
@require_POST
def forget_everything(request: HttpRequest) -> HttpResponse:
    """Forget everything, where the words were typed."""
    form = ForgetEverythingForm(request.POST)
    if not form.is_valid():
        return _page(request, everything_form=form)
    gone = services.forget_all(actor=scope.current_actor(), permission=MEMORY_WRITE)
    messages.success(request, _told(gone))
    return redirect("memory_page")


def _told(gone: Forgotten) -> str:
    memories_text = ngettext("%d memory", "%d memories", gone.memories) % gone.memories
    said = ngettext("%d message", "%d messages", gone.said) % gone.said
    return _("Forgotten: %(memories)s, and the words of %(said)s.") % {
        "memories": memories_text,
        "said": said,
    }


def _one(request: HttpRequest, memory_id: UUID, *, form: MemoryForm | None = None) -> HttpResponse:
    actor = scope.current_actor()
    try:
        why = selectors.explain_memory(actor=actor, memory_id=memory_id, permission=MEMORY_READ)
        history = selectors.memory_history(actor=actor, memory_id=memory_id, permission=MEMORY_READ)
    except MemoryNotFound as error:
        raise Http404 from error
    context = {
        "memory": why.memory,
        "why": why,
        "origin": ORIGINS[why.memory.origin],
        "history": history,
        "changes": past_changes(history.memory, history.versions),
        "form": form or _form_of(why.memory),
    }
    if not is_part(request):
        return render_memory(request, "web/memory/one.html", context, part="list")
    answer = render_memory(request, "web/memory/inside.html", {**context, "inline": True})
    if form is not None:  # what was wrong stands in the form, not in the row's place
        answer["HX-Retarget"] = f"#inside-{memory_id}"
        answer["HX-Reswap"] = "innerHTML"
    return answer


def _form_of(view: MemoryView) -> MemoryForm:
    return MemoryForm(
        prefix=view.id.hex,
        initial={"text": view.text, "kind": view.kind.value, "importance": view.importance},
    )


def _page(
    request: HttpRequest,
    *,
    form: MemoryForm | None = None,
    forget_form: ForgetTopicForm | None = None,
    everything_form: ForgetEverythingForm | None = None,
    preview: tuple[str, Forgotten] | None = None,
    gone: MemoryView | None = None,
) -> HttpResponse:
    actor = scope.current_actor()
    filters = MemoryFilterForm(request.GET, auto_id="filter_%s")  # another form has `kind` too
    query = filters.query()
    asked = {name: str(value) for name, value in request.GET.items() if name != "after" and value}
    if not asked:
        query = replace(query, pinned=False)  # they stand above
    try:
        page = selectors.page_of_memories(
            actor=actor, permission=MEMORY_READ, query=query, after=request.GET.get("after", "")
        )
    except InvalidInput as error:
        raise Http404 from error
    context: dict[str, Any] = {
        "months": timeline(page.memories),
        "address": reverse("memory_page"),
        "following": urlencode({**asked, "after": page.following}) if page.following else "",
        "as_of": query.as_of,
    }
    if is_part(request):
        return render_memory(request, "web/memory/months.html", context)
    context |= {
        "filters": filters,
        "is_filtered": bool(asked),
        "entity": query.entity,
        "pinned": () if asked or request.GET.get("after") else _pinned(),
        "counts": selectors.count_memories(actor=actor, permission=MEMORY_READ),
        "names": selectors.list_entities(actor=actor, permission=MEMORY_READ, limit=_CHIPS),
        "form": form or MemoryForm(initial={"kind": MemoryKind.SEMANTIC.value}),
        "forget_form": forget_form or ForgetTopicForm(initial={"topic": query.entity}),
        "everything_form": everything_form or ForgetEverythingForm(),
        "words": FORGET_EVERYTHING,
        "preview": preview,
        "gone": gone,
        "tidied": selectors.count_tidied(
            actor=actor, permission=MEMORY_READ, since=now() - _LATELY
        ),
    }
    return render_memory(request, "web/memory/list.html", context, part="list")


def _pinned() -> tuple[MemoryView, ...]:
    query = MemoryFilterForm({"state": "pinned"}).query()
    page = selectors.page_of_memories(
        actor=scope.current_actor(), permission=MEMORY_READ, query=query, size=_PINNED_SHOWN
    )
    return page.memories
