"""Usage: what models cost here, and the budgets that limit it."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _, gettext_lazy as lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.permissions import CHAT_USER, TENANT_ADMIN
from apps.core import scope
from apps.core.clock import now
from apps.core.errors import InvalidInput, KarenError
from apps.providers import allowances, usage as ledger
from apps.providers.allowances import BudgetState
from apps.providers.errors import BudgetNotFound
from apps.providers.overview import Overview, usage_overview
from apps.providers.services import budget_settings
from apps.providers.services.budget_settings import BudgetChange
from apps.providers.usage import Window
from apps.web.access import needs
from apps.web.amounts import count_text, money_text, short_count
from apps.web.budget_forms import BudgetChangeForm, BudgetForm
from apps.web.charts import Chart, largest_series, stacked_days

# By their names in the ledger; a flow that is not here is shown by its name.
FLOWS = {
    "chat.answer": lazy("Answers in the chat"),
    "chat.summary": lazy("Summaries of conversations"),
    "chat.title": lazy("Titles of conversations"),
    "api.answer": lazy("Answers to programs"),
    "api.embedding": lazy("Vectors for programs"),
    "attachment.summary": lazy("Summaries of files"),
    "memory.consolidation": lazy("Summaries of memories"),
    "embed.text": lazy("Search and memory"),
    "memory.extraction": lazy("Learning from messages"),
    "health.probe": lazy("Health checks"),
    "prompt.evaluation": lazy("Evaluations of prompts"),
}


class _DaysForm(forms.Form):
    first = forms.DateField(required=False)
    last = forms.DateField(required=False)


@needs(CHAT_USER)
@never_cache
@require_GET
def usage(request: HttpRequest) -> HttpResponse:
    """Show what was used; all of it to administrators, to everybody else their own."""
    return _page(request)


@needs(TENANT_ADMIN)
@never_cache
@require_POST
def add_budget(request: HttpRequest) -> HttpResponse:
    """Make a budget and show all."""
    form = BudgetForm(request.POST)
    if form.is_valid():
        values = dict(form.cleaned_data)
        whose = {name: values.pop(name) for name in ("level", "subject_id", "unit", "period")}
        try:
            budget_settings.create_budget(
                actor=scope.current_actor(), change=BudgetChange(**values), **whose
            )
        except KarenError as error:
            form.refuse(error)
        else:
            messages.success(request, _("The budget is in force."))
            return redirect("usage_page")
    return _page(request, form=form)


@needs(TENANT_ADMIN)
@never_cache
@require_POST
def change_budget(request: HttpRequest, budget_id: UUID) -> HttpResponse:
    """Change a budget and show all."""
    form = BudgetChangeForm(request.POST, prefix=budget_id.hex)
    if form.is_valid():
        try:
            budget_settings.change_budget(
                actor=scope.current_actor(),
                budget_id=budget_id,
                change=BudgetChange(**form.cleaned_data),
            )
        except BudgetNotFound as error:
            raise Http404 from error
        except KarenError as error:
            form.refuse(error)
        else:
            messages.success(request, _("The budget was changed."))
            return redirect("usage_page")
    return _page(request, changes={budget_id: form})


@needs(TENANT_ADMIN)
@never_cache
@require_POST
def delete_budget(request: HttpRequest, budget_id: UUID) -> HttpResponse:
    """Remove a budget and show the others."""
    try:
        budget_settings.delete_budget(actor=scope.current_actor(), budget_id=budget_id)
    except BudgetNotFound as error:
        raise Http404 from error
    messages.success(request, _("The budget was removed."))
    return redirect("usage_page")


def _page(
    request: HttpRequest,
    *,
    form: BudgetForm | None = None,
    changes: dict[UUID, BudgetChangeForm] | None = None,
) -> HttpResponse:
    actor = scope.current_actor()
    manages = actor.may(TENANT_ADMIN)
    window, problem = _window(request)
    budgets = allowances.list_budgets(actor=actor)
    if not {state.id for state in budgets}.issuperset(changes or {}):
        raise Http404
    used = usage_overview(window)
    context = {
        "manages": manages,
        "window": window,
        "problem": problem,
        "ranges": _ranges(window),
        "total": used.total,
        "charts": _charts(window, used.days) if used.days else (),
        "tables": _tables(used, manages=manages),
        "alerts": [
            (state, use)
            for state in budgets
            for use in state.uses
            if state.is_enabled and use.is_alerted
        ],
        "budgets": [
            (state, (changes or {}).get(state.id) or _change_form(state)) for state in budgets
        ],
        "form": form or (BudgetForm() if manages else None),
    }
    return render(request, "web/usage.html", context)


def _window(request: HttpRequest) -> tuple[Window, str]:
    actor = scope.current_actor()
    form = _DaysForm({"first": request.GET.get("from"), "last": request.GET.get("to")})
    if not form.is_valid():
        return ledger.usage_window(actor, first=None, last=None), _("Give days as 2027-01-31.")
    try:
        return ledger.usage_window(actor, **form.cleaned_data), ""
    except InvalidInput as error:
        texts = [text for found in (error.fields or {}).values() for text in found]
        return ledger.usage_window(actor, first=None, last=None), " ".join(texts)


def _ranges(window: Window) -> list[dict[str, Any]]:
    today = now().date()
    month = today.replace(day=1)
    before = month - timedelta(days=1)
    offered = (
        (_("7 days"), today - timedelta(days=6), today),
        (_("30 days"), today - timedelta(days=29), today),
        (_("This month"), month, today),
        (_("Last month"), before.replace(day=1), before),
    )
    return [
        {"label": label, "first": first, "last": last,
         "chosen": (first, last) == (window.first, window.last)}
        for label, first, last in offered
    ]  # fmt: skip


def _charts(window: Window, days: tuple[ledger.DayOfModel, ...]) -> tuple[Chart, ...]:
    rest = _("All others")
    totals: dict[str, float] = {}
    for each in days:
        # Cost decides who is large; models that cost nothing follow by their tokens.
        totals[each.model] = totals.get(each.model, 0.0) + float(each.cost) * 1e9 + each.tokens
    numbers = largest_series(totals, rest)
    legend: dict[int, str] = {}
    for model, number in numbers.items():
        shared = sum(1 for other in numbers.values() if other == number) > 1
        legend[number] = rest if shared else model
    costs: dict[tuple[date, int], float] = {}
    tokens: dict[tuple[date, int], float] = {}
    for each in days:
        place = (each.day, numbers[each.model])
        costs[place] = costs.get(place, 0.0) + float(each.cost)
        tokens[place] = tokens.get(place, 0.0) + each.tokens
    shown = sorted(legend.items())
    return (
        stacked_days(
            title=_("Cost a day"), days=window.days, values=costs, legend=shown,
            written=_dollars, short=_dollars,
        ),
        stacked_days(
            title=_("Tokens a day"), days=window.days, values=tokens, legend=shown,
            written=lambda number: count_text(round(number)), short=short_count,
        ),
    )  # fmt: skip


def _dollars(amount: float) -> str:
    return money_text(Decimal(repr(amount)))


def _tables(used: Overview, *, manages: bool) -> list[dict[str, Any]]:
    flows = tuple(replace(row, label=str(FLOWS.get(row.key, row.key))) for row in used.flows)
    tables = (
        (_("By model"), _("Model"), used.models),
        (_("By member"), _("Member"), used.people if manages else ()),
        (_("By purpose"), _("Purpose"), flows),
        (_("By API key"), _("Key"), used.keys if any(row.key for row in used.keys) else ()),
    )
    return [
        {"title": title, "head": head, "rows": rows, "timed": rows is used.models}
        for title, head, rows in tables
        if rows
    ]


def _change_form(state: BudgetState) -> BudgetChangeForm:
    amount = state.amount.normalize()
    return BudgetChangeForm(
        prefix=state.id.hex,
        initial={
            "amount": f"{amount:f}",
            "alert_percent": state.alert_percent,
            "is_hard": state.is_hard,
            "is_enabled": state.is_enabled,
        },
    )
