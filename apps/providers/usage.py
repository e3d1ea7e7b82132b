"""Reading the ledger: what calls cost, how long they took, who made them.

Every statement names the workspace in scope and a window of days. Administrators of the workspace
see all of it, everybody else what they used themselves.
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from apps.accounts import selectors as accounts
from apps.accounts.permissions import TENANT_ADMIN
from apps.core import scope
from apps.core.concurrency import tenant_db
from apps.core.errors import InvalidInput, PermissionDenied
from apps.core.scope import Actor, TenantRef
from apps.providers.models import Call

DAYS_MAX = 400
_PAGE = 1000


class GroupBy(StrEnum):
    """What usage is added up by."""

    DAY = "day"
    MODEL = "model"
    USER = "user"
    FLOW = "flow"
    KEY = "key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which calls: days by UTC, both included, of one person or of everybody.

    Attributes:
        user_id: Whose calls; None for all of the workspace's, those of nobody included.
    """

    first: date
    last: date
    user_id: UUID | None = None

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """The first moment, and the first one after it."""
        return _midnight(self.first), _midnight(self.last + timedelta(days=1))

    @property
    def days(self) -> list[date]:
        """Every day of it."""
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """Calls added up.

    Attributes:
        key: What they have in common: a day, a model, a flow, an id; empty for those of nobody.
        label: How people call that.
        calls: How many there were, refused and failed ones included.
        prompt_tokens: Tokens read, cached ones included.
        completion_tokens: Tokens written, reasoning included.
        cached_tokens: Those of `prompt_tokens` that providers took from their caches.
        reasoning_tokens: Those of `completion_tokens` that went into reasoning.
        cost: US dollars of the calls whose price is known.
        unpriced_calls: Calls that used tokens whose price nobody knows; not in `cost`.
        failed_calls: Calls that ended with an error; readers who went away are none.
        cached_calls: Answers that came from Karen's own cache.
        estimated_calls: Calls whose tokens the provider did not report.
        first_p50_ms: Half of the answers began within this time; None where none began.
        first_p95_ms: Nearly all of them did.
    """

    key: str
    label: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost: Decimal
    unpriced_calls: int
    failed_calls: int
    cached_calls: int
    estimated_calls: int
    first_p50_ms: int | None
    first_p95_ms: int | None

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def failed_share(self) -> float:
        """Part of the calls that failed, from 0 to 1."""
        return self.failed_calls / self.calls if self.calls else 0.0

    @property
    def cached_share(self) -> float:
        """Part of the calls that Karen's cache answered, from 0 to 1."""
        return self.cached_calls / self.calls if self.calls else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOfModel:
    """What one model used on one day."""

    day: date
    model: str
    tokens: int
    cost: Decimal


def usage_window(
    actor: Actor, *, first: date | None, last: date | None, user_id: UUID | None = None
) -> Window:
    """Return the window that `actor` may look through; by default this month up to today.

    Whoever does not manage the workspace sees their own calls.

    Raises:
        PermissionDenied: It is about somebody else, and `actor` does not manage the workspace.
        InvalidInput: The days are in the wrong order, or too many.
    """
    if not actor.may(TENANT_ADMIN):
        if actor.id is None or user_id not in {None, actor.id}:
            raise PermissionDenied(TENANT_ADMIN)
        user_id = actor.id
    today = datetime.now(tz=UTC).date()
    last = last or max(first or today, today)
    first = first or last.replace(day=1)
    if first > last:
        raise InvalidInput(fields={"from": [_("It lies behind the last day.")]})
    if not (date(2000, 1, 1) <= first and last <= date(9000, 1, 1)):
        raise InvalidInput(fields={"from": [_("Give days of this century.")]})
    if (last - first).days >= DAYS_MAX:
        most = _("Ask for at most %(days)d days at once.") % {"days": DAYS_MAX}
        raise InvalidInput(fields={"from": [most]})
    return Window(first=first, last=last, user_id=user_id)


_GROUPS = {
    GroupBy.DAY: "(started_at AT TIME ZONE 'UTC')::date",
    GroupBy.MODEL: "model",
    GroupBy.USER: "user_id",
    GroupBy.FLOW: "flow",
    GroupBy.KEY: "key_id",
}
_SUMS = """
count(*), coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0),
sum(cached_tokens), sum(reasoning_tokens), coalesce(sum(cost), 0),
count(*) FILTER (WHERE cost IS NULL AND prompt_tokens IS NOT NULL),
count(*) FILTER (WHERE status NOT IN ('ok', 'closed')),
count(*) FILTER (WHERE is_cached), count(*) FILTER (WHERE is_estimated),
percentile_disc(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY first_ms)
"""


def list_usage(window: Window, group_by: GroupBy) -> tuple[Spending, ...]:
    """Return what was used, by day (oldest first) or by anything else (most expensive first)."""
    where, values = condition(window)
    order = "1" if group_by is GroupBy.DAY else "7 DESC, 2 DESC, 1"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_GROUPS[group_by]}, {_SUMS} FROM public.providers_call"  # noqa: S608  # constant texts
            f" WHERE {where} GROUP BY 1 ORDER BY {order}",
            values,
        )
        rows = cursor.fetchall()
    labels = group_labels(group_by)
    return tuple(_spending(row, labels) for row in rows)


def total_usage(window: Window) -> Spending:
    """Return everything that was used."""
    where, values = condition(window)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT '', {_SUMS} FROM public.providers_call WHERE {where}",  # noqa: S608  # constant texts
            values,
        )
        row = cursor.fetchone()
    assert row is not None  # an aggregate without groups has one row
    return _spending(tuple(0 if each is None else each for each in row), {})


def list_days_by_model(window: Window) -> tuple[DayOfModel, ...]:
    """Return what each model used on each day, oldest first; for a chart."""
    where, values = condition(window)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {_GROUPS[GroupBy.DAY]}, model,"  # noqa: S608  # constant texts
            " sum(coalesce(prompt_tokens, 0) + coalesce(completion_tokens, 0)),"
            " coalesce(sum(cost), 0)"
            f" FROM public.providers_call WHERE {where} GROUP BY 1, 2 ORDER BY 1, 2",
            values,
        )
        return tuple(
            DayOfModel(day=day, model=model, tokens=int(tokens), cost=cost)
            for day, model, tokens, cost in cursor.fetchall()
        )


def list_calls(window: Window) -> QuerySet[Call]:
    """Return the calls themselves, newest first."""
    start, end = window.bounds
    calls = Call.objects.filter(
        tenant_id=scope.require().id, started_at__gte=start, started_at__lt=end
    )
    return calls if window.user_id is None else calls.filter(user_id=window.user_id)


async def iterate_calls(window: Window, *, tenant: TenantRef) -> AsyncIterator[list[Call]]:
    """Yield all calls in pages, newest first; holds no connection between two pages.

    `tenant` is named because a response is streamed after its request has left the scope.
    """
    after: tuple[datetime, UUID] | None = None
    while True:
        with scope.tenant_scope(tenant):
            page = await tenant_db(_calls_after, window, after)
        if page:
            yield page
        if len(page) < _PAGE:
            return
        after = (page[-1].started_at, page[-1].id)


def _calls_after(window: Window, after: tuple[datetime, UUID] | None) -> list[Call]:
    where, values = condition(window)
    if after is not None:
        where += " AND (started_at, id) < (%s, %s)"
        values += after
    return list(
        Call.objects.raw(
            f"SELECT * FROM public.providers_call WHERE {where}"  # noqa: S608  # constant texts
            f" ORDER BY started_at DESC, id DESC LIMIT {_PAGE}",
            values,
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnsCost:
    """What some turns cost so far.

    Attributes:
        cost: US dollars of the calls whose price is known; None where there is none.
        unpriced_calls: Calls whose price nobody knows.
    """

    cost: Decimal | None
    unpriced_calls: int


def cost_of_turns(turn_ids: Iterable[UUID]) -> TurnsCost:
    """Return what the calls of these turns cost: answers, titles and summaries that name them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(cost), count(*) FILTER (WHERE cost IS NULL AND prompt_tokens IS NOT NULL)"
            " FROM public.providers_call WHERE tenant_id = %s AND turn_id = ANY(%s)",
            [scope.require().id, list(turn_ids)],
        )
        row = cursor.fetchone()
    assert row is not None  # an aggregate without groups has one row
    return TurnsCost(cost=row[0], unpriced_calls=row[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceUsage:
    """What one workspace used; None is the platform itself."""

    tenant_id: UUID | None
    calls: int
    tokens: int
    cost: Decimal
    unpriced_calls: int


def list_usage_of_workspaces(*, days: int, most: int) -> tuple[WorkspaceUsage, ...]:
    """Return the workspaces that used most in the last days, for operators; reads all calls.

    Raises:
        AssertionError: A workspace is in scope: none may look at the others.
    """
    assert scope.current() is None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tenant_id, count(*),"
            " coalesce(sum(coalesce(prompt_tokens, 0) + coalesce(completion_tokens, 0)), 0),"
            " coalesce(sum(cost), 0),"
            " count(*) FILTER (WHERE cost IS NULL AND prompt_tokens IS NOT NULL)"
            " FROM public.providers_call WHERE started_at >= %s"
            " GROUP BY 1 ORDER BY 4 DESC, 3 DESC, 1 LIMIT %s",
            [datetime.now(tz=UTC) - timedelta(days=days), most],
        )
        return tuple(
            WorkspaceUsage(
                tenant_id=tenant_id,
                calls=calls,
                tokens=int(tokens),
                cost=cost,
                unpriced_calls=unpriced,
            )
            for tenant_id, calls, tokens, cost, unpriced in cursor.fetchall()
        )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def condition(window: Window) -> tuple[str, list[Any]]:
    """Return what follows `WHERE` for the calls of a window in the workspace in scope."""
    start, end = window.bounds
    where = "tenant_id = %s AND started_at >= %s AND started_at < %s"
    values: list[Any] = [scope.require().id, start, end]
    if window.user_id is not None:
        where += " AND user_id = %s"
        values.append(window.user_id)
    return where, values


def _spending(row: tuple[Any, ...], labels: dict[Any, str]) -> Spending:
    key, calls, read, written, cached, reasoned, cost, unpriced, failed, kept, guessed, times = row
    half, nearly_all = times or (None, None)
    return Spending(
        key="" if key is None else str(key),
        label=labels.get(key, "" if key is None else str(key)),
        calls=calls,
        prompt_tokens=int(read),
        completion_tokens=int(written),
        cached_tokens=int(cached),
        reasoning_tokens=int(reasoned),
        cost=Decimal(cost),
        unpriced_calls=unpriced,
        failed_calls=failed,
        cached_calls=kept,
        estimated_calls=guessed,
        first_p50_ms=half,
        first_p95_ms=nearly_all,
    )


def group_expression(group_by: GroupBy) -> str:
    """Return the SQL that calls are grouped by."""
    return _GROUPS[group_by]


def group_labels(group_by: GroupBy) -> dict[Any, str]:
    """Return how people call the keys of a grouping, where they are ids."""
    if group_by is GroupBy.USER:
        return {None: _("Nobody"), **people_labels()}
    if group_by is GroupBy.KEY:
        return {None: _("Without a key"), **accounts.list_key_names(scope.require())}
    return {}


def people_labels() -> dict[UUID, str]:
    """Return how the people of the workspace are called."""
    members = accounts.list_members(scope.require())
    return {member.user_id: member.name or member.email for member in members}
