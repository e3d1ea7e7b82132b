"""Taking back: what changed memories, undoing it, using a memory again, and merging two."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.permissions import MEMORY_READ, MEMORY_WRITE
from apps.core import scope
from apps.core.errors import KarenError
from apps.memory import selectors, services
from apps.memory.contracts import MemoryView, RecallFilters
from apps.memory.errors import (
    ChangesetNotFound,
    ChangesetOutdated,
    MemoryNotFound,
    RecallUnavailable,
)
from apps.memory.recall import recall
from apps.web.access import needs
from apps.web.change_words import shown_change, why_not_undone
from apps.web.memory_forms import (
    AgainForm,
    ChangesFilterForm,
    MemoryFilterForm,
    MergeForm,
)
from apps.web.memory_pages import changed_row, render_memory

_ALIKE = 8
_FOUND = 20
_SEARCH_S = 2.0


@needs(MEMORY_READ)
@never_cache
@require_GET
def changes(request: HttpRequest) -> HttpResponse:
    """Show what changed several memories at once, each with a way back."""
    filters = ChangesFilterForm(request.GET)
    try:
        page = selectors.page_of_changesets(
            actor=scope.current_actor(),
            permission=MEMORY_READ,
            kinds=filters.kinds(),
            before=filters.last_seen(),
        )
    except ChangesetNotFound as error:
        raise Http404 from error
    context = {
        "changes": [shown_change(view) for view in page.changesets],
        "following": page.following,
        "kind": filters.kind_shown(),
        "is_first": filters.last_seen() is None,
    }
    return render_memory(request, "web/memory/changes.html", context, part="changes")


@needs(MEMORY_WRITE)
@never_cache
@require_POST
def undo(request: HttpRequest, change_id: UUID) -> HttpResponse:
    """Undo a change; where that is impossible, say which memories are in the way."""
    actor = scope.current_actor()
    try:
        services.undo_changeset(actor=actor, permission=MEMORY_WRITE, changeset_id=change_id)
    except ChangesetNotFound as error:
        raise Http404 from error
    except ChangesetOutdated as error:
        ids = [UUID(each) for each in error.memory_ids]
        assert actor.id is not None
        texts = selectors.list_texts(subject_id=actor.id, memory_ids=ids)
        told = why_not_undone(list(texts.values()), len(ids) - len(texts))
        messages.error(request, told)
    else:
        messages.success(request, _("Undone: the memories are what they were."))
    shown = urlencode({"kind": ChangesFilterForm(request.POST).kind_shown()})
    return redirect(f"{reverse('memory_changes')}?{shown}")  # the list that it stands in


@needs(MEMORY_WRITE)
@never_cache
@require_POST
def restore(request: HttpRequest, memory_id: UUID) -> HttpResponse:
    """Use a memory again that was superseded, archived or expired."""
    try:
        services.restore(actor=scope.current_actor(), permission=MEMORY_WRITE, memory_id=memory_id)
    except MemoryNotFound as error:
        raise Http404 from error
    except KarenError as error:
        messages.error(request, error.message())
        return changed_row(request, memory_id, "")
    return changed_row(request, memory_id, _("Karen uses it again."))


@needs(MEMORY_WRITE)
@never_cache
@require_POST
def again(request: HttpRequest) -> HttpResponse:
    """Keep anew the words of what was just forgotten; the page alone still held them."""
    form = AgainForm(request.POST)
    if not form.is_valid():
        raise Http404
    try:
        done = services.remember(
            actor=scope.current_actor(), permission=MEMORY_WRITE, **form.kept()
        )
    except KarenError as error:
        messages.error(request, error.message())
        return redirect("memory_page")
    return changed_row(request, done.memory.id, _("Karen remembers it again."))


@needs(MEMORY_WRITE)
@never_cache
@require_http_methods(["GET", "POST"])
def merge(request: HttpRequest, memory_id: UUID) -> HttpResponse:
    """Show what may say the same as a memory; merge the two that were chosen."""
    actor = scope.current_actor()
    try:
        view = selectors.get_memory(actor=actor, memory_id=memory_id, permission=MEMORY_READ)
        form = MergeForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            return _merged(request, view, form)
    except MemoryNotFound as error:
        raise Http404 from error
    except KarenError as error:
        form.refuse(error)
    query = request.GET.get("q", "").strip()[:500]
    context: dict[str, Any] = {
        "memory": view,
        "form": form,
        "q": query,
        "candidates": _candidates(view, query),
    }
    return render_memory(request, "web/memory/merge.html", context, part="list")


def _merged(request: HttpRequest, view: MemoryView, form: MergeForm) -> HttpResponse:
    other: UUID = form.cleaned_data["other"]
    this_stays = form.cleaned_data["keep"] == "this"
    into, source = (view.id, other) if this_stays else (other, view.id)
    done = services.merge_memories(
        actor=scope.current_actor(), permission=MEMORY_WRITE, into=into, source_ids=[source]
    )
    # The tag is what the message's "Undo" undoes.
    messages.success(request, _("Merged into one."), extra_tags=str(done.changeset.id))
    return redirect("memory_entry", into)


def _candidates(view: MemoryView, query: str) -> list[MemoryView]:
    actor = scope.current_actor()
    if query:
        asked = MemoryFilterForm({"q": query}).query()
        page = selectors.page_of_memories(
            actor=actor, permission=MEMORY_READ, query=asked, size=_FOUND
        )
        return [each for each in page.memories if each.id != view.id]
    assert actor.id is not None
    try:
        found = recall(
            query=view.text,
            subject_id=actor.id,
            k=_ALIKE + 1,
            within_s=_SEARCH_S,
            filters=RecallFilters(with_said=False),
        )
    except RecallUnavailable:
        return []
    ids = [each.id for each in found if each.id != view.id]
    alike = selectors.memories_by_id(actor=actor, permission=MEMORY_READ, memory_ids=ids)
    return list(alike[:_ALIKE])
