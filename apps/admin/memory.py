"""The memories of all workspaces in numbers; nothing here reads what anybody remembers.

Looking at a person's memories is another thing: it wants the permission `memory.audit` in their
workspace and a reason, and is written down there (`apps.memory.services.oversight`).
"""

from dataclasses import asdict, dataclass
from uuid import UUID

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _, gettext_lazy

from apps.core import scope
from apps.core.scope import TenantRef
from apps.jobs.models import DeadLetter, OutboxEntry
from apps.memory import selectors as memory
from apps.memory.contracts import MemoryFigures, MemoryStatus, PolicyView
from apps.tenants import selectors as tenants

PAGE_SIZE = 25  # workspaces; each is asked in its own schema
_CONSOLIDATE = "memory.consolidate"
_POLICY = {
    "learns": gettext_lazy("Learns from conversations"),
    "keeps_said": gettext_lazy("Keeps messages word for word"),
    "secrets": gettext_lazy("Secrets in what is learnt"),
    "semantic_half_life_days": gettext_lazy("Half-life of facts, days"),
    "episodic_half_life_days": gettext_lazy("Half-life of events, days"),
    "procedural_half_life_days": gettext_lazy("Half-life of how-tos, days"),
    "retention_days": gettext_lazy("Memories are erased after days"),
    "said_retention_days": gettext_lazy("Messages are erased after days"),
    "per_subject_max": gettext_lazy("Most memories of one person"),
    "per_workspace_max": gettext_lazy("Most memories of the workspace"),
}
_STATES = {
    MemoryStatus.ACTIVE: gettext_lazy("in use"),
    MemoryStatus.CONSOLIDATING: gettext_lazy("held by a consolidation"),
    MemoryStatus.ARCHIVED: gettext_lazy("archived"),
    MemoryStatus.EXPIRED: gettext_lazy("expired"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceMemory:
    """A workspace, its memory in numbers, and how its last consolidation stands."""

    tenant: TenantRef
    figures: MemoryFigures
    state: str
    is_well: bool
    size: str


def memory_overview(request: HttpRequest, context: dict[str, object]) -> HttpResponse:
    """Show all workspaces, a page of them at a time."""
    pages = Paginator(tenants.list_refs(), PAGE_SIZE)
    page = pages.get_page(request.GET.get("p"))
    rows = [_workspace(ref) for ref in page.object_list]
    shown = {"title": _("Memory"), "rows": rows, "page": page}
    return TemplateResponse(request, "console/memory.html", {**context, **shown})


def workspace_memory(
    request: HttpRequest, context: dict[str, object], tenant_id: UUID
) -> HttpResponse:
    """Show one workspace: its figures, and what it decided about its memory.

    Raises:
        Http404: There is no such workspace, or it is not active.
    """
    ref = next((ref for ref in tenants.list_refs() if ref.id == tenant_id), None)
    if ref is None:
        raise Http404
    with scope.tenant_scope(ref):
        policy = memory.current_policy()
    row = _workspace(ref)
    shown = {
        "title": _("Memory of %(name)s") % {"name": ref.slug},
        "row": row,
        "by_state": [(label, row.figures.memories.get(each, 0)) for each, label in _STATES.items()],
        "policy": _policy_in_words(policy),
    }
    return TemplateResponse(request, "console/memory_workspace.html", {**context, **shown})


def _workspace(ref: TenantRef) -> WorkspaceMemory:
    with scope.tenant_scope(ref):
        figures = memory.memory_figures()
    is_well, state = _consolidation(ref, figures)
    return WorkspaceMemory(
        tenant=ref,
        figures=figures,
        state=state,
        is_well=is_well,
        size=filesizeformat(figures.size_bytes),
    )


def _consolidation(ref: TenantRef, figures: MemoryFigures) -> tuple[bool, str]:
    """Return whether all is well with consolidation, and how it stands."""
    failed = DeadLetter.objects.filter(tenant_id=ref.id, task=_CONSOLIDATE, replayed_at=None)
    if failed.exists():
        return False, _("failed, see the dead letters")
    if figures.held_by_nobody:
        return False, _("died, %(held)d memories are held") % {"held": figures.held_by_nobody}
    if figures.held:
        return True, _("running, %(held)d memories") % {"held": figures.held}
    if OutboxEntry.objects.filter(tenant_id=ref.id, task=_CONSOLIDATE).exists():
        return True, _("waiting for the broker")
    return True, _("done") if figures.consolidated_at else _("nothing to do yet")


def _policy_in_words(policy: PolicyView) -> list[tuple[str, str]]:
    values = asdict(policy)
    return [(str(label), _plain(values[name])) for name, label in _POLICY.items()]


def _plain(value: object) -> str:
    if value is None:
        return _("never")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return f"{value:,}" if isinstance(value, int) else str(value)
