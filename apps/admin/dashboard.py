"""The figures on the console's first page: counts that an index answers, nothing slow."""

from dataclasses import dataclass
from decimal import Decimal

import redis
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.core import scope
from apps.core.logging import get_logger
from apps.jobs import selectors as jobs
from apps.providers import usage
from apps.providers.models import Provider
from apps.providers.services.model_status import ModelStatus, list_model_status
from apps.tenants.models import Tenant

logger = get_logger(__name__)

_USAGE_DAYS, _USAGE_ROWS = 30, 10
_USAGE_KEY, _USAGE_KEPT_S = "console-usage", 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number with its name and the list behind it."""

    label: str
    value: int
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """When a queue last answered; `age_s` is None when it did not lately."""

    queue: str
    age_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageBar:
    """What one workspace used lately; the widths are those of its bars."""

    label: str
    link: str
    calls: int
    tokens: int
    cost: str
    unpriced_calls: int
    cost_width: str
    tokens_width: str


def add_figures(_request: HttpRequest, context: dict[str, object]) -> dict[str, object]:
    """Add the figures to the first page's context; Unfold's `DASHBOARD_CALLBACK`."""
    context["workspace_figures"] = _workspaces()
    context["work_figures"] = [
        Figure(
            label=_("Users"),
            value=get_user_model().objects.count(),
            link=reverse("admin:accounts_user_changelist"),
        ),
        Figure(
            label=_("Open dead letters"),
            value=jobs.open_dead_letters(),
            link=reverse("admin:jobs_deadletter_changelist"),
        ),
        Figure(
            label=_("Tasks waiting for the broker"),
            value=jobs.outbox_backlog(),
            link=reverse("admin:jobs_outboxentry_changelist"),
        ),
    ]
    context["refused_keys"] = Figure(
        label=_("Providers that refuse their key"),
        value=Provider.objects.filter(key_refused_at__isnull=False, is_enabled=True).count(),
        link=f"{reverse('admin:providers_provider_changelist')}?key_refused_at__isempty=0",
    )
    context["models"] = _models()
    context["heartbeats"] = _heartbeats()
    context["usage_days"] = _USAGE_DAYS
    context["usage_bars"] = _usage_bars()
    return context


def _models() -> tuple[ModelStatus, ...]:
    """Return how the platform's models do; those of workspaces are on their own pages."""
    with scope.tenant_scope(None):
        return list_model_status(actor=scope.SYSTEM)


def _workspaces() -> list[Figure]:
    states = Tenant.objects.order_by().values("state").annotate(number=Count("pk"))
    link = reverse("admin:tenants_tenant_changelist")
    return [
        Figure(
            label=str(row["state"]), value=row["number"], link=f"{link}?state__exact={row['state']}"
        )
        for row in sorted(states, key=lambda row: str(row["state"]))
    ]


def _usage_bars() -> list[UsageBar]:
    """Return the workspaces that cost most lately; kept for a while, for it reads all calls."""
    kept: list[UsageBar] | None = cache.get(_USAGE_KEY)
    if kept is not None:
        return kept
    rows = usage.list_usage_of_workspaces(days=_USAGE_DAYS, most=_USAGE_ROWS)
    names = dict(
        Tenant.objects.filter(pk__in=[row.tenant_id for row in rows]).values_list("pk", "name")
    )
    most_cost = max((row.cost for row in rows), default=Decimal(0))
    most_tokens = max((row.tokens for row in rows), default=0)
    link = reverse("admin:providers_call_changelist")
    bars = [
        UsageBar(
            label=names.get(row.tenant_id, "–") if row.tenant_id else _("The platform itself"),
            link=f"{link}?workspace={row.tenant_id or 'none'}",
            calls=row.calls,
            tokens=row.tokens,
            cost=f"{row.cost:.4f}",
            unpriced_calls=row.unpriced_calls,
            cost_width=_width(row.cost, most_cost),
            tokens_width=_width(row.tokens, most_tokens),
        )
        for row in rows
    ]
    cache.set(_USAGE_KEY, bars, _USAGE_KEPT_S)
    return bars


def _width(value: Decimal | int, most: Decimal | int) -> str:
    return f"{200 * float(value) / float(most) if most else 0:.1f}"


def _heartbeats() -> list[Heartbeat]:
    try:
        ages = jobs.queue_heartbeats()
    except redis.RedisError:
        # The page is needed most when something is down; readiness says what.
        logger.warning("dashboard.heartbeats_unavailable")
        return []
    return [
        Heartbeat(queue=queue, age_s=None if age is None else round(age))
        for queue, age in sorted(ages.items())
    ]
