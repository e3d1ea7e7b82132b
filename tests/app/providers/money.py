"""What the tests of budgets and usage share: budgets as rows, calls as the gateway records them."""

import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction

from apps.core import scope
from apps.core.clock import now
from apps.core.ids import new_id
from apps.core.scope import TenantRef
from apps.providers import configuration, ledger
from apps.providers.configuration import BudgetRule, Price
from apps.providers.contracts import Flow, Origin, Usage
from apps.providers.ledger import CallRecord
from apps.providers.models import Budget, BudgetUse
from apps.providers.pricing import Tariff
from apps.providers.services.budgets import Estimate, Held, reserve_budget

PRICED = Tariff(
    is_free=False,
    own=Price(input=Decimal(1), cached=Decimal("0.1"), output=Decimal(4)),
    name="large",
    provider="",
    base_url="",
)
FREE = Tariff(is_free=True, own=None, name="small", provider="", base_url="")
UNPRICED = Tariff(is_free=False, own=None, name="odd", provider="", base_url="")


def make_budget(tenant: TenantRef, **values: object) -> Budget:
    """Make a budget as a row: these tests are about what calls do to it."""
    wanted: dict[str, object] = {
        "level": "tenant",
        "unit": "money",
        "period": "month",
        "amount": Decimal(10),
        **values,
    }
    with scope.tenant_scope(tenant), transaction.atomic():
        row = Budget.objects.create(tenant_id=tenant.id, **wanted)
        configuration.changed()
    return row


def rules_of(tenant: TenantRef) -> tuple[BudgetRule, ...]:
    """Return a workspace's budgets as its calls know them."""
    with scope.tenant_scope(tenant):
        return configuration.current().budgets


def reserve(
    tenant: TenantRef,
    *,
    tokens: int = 100,
    cost: str | None = "1",
    origin: Origin | None = None,
    group_id: UUID | None = None,
    rules: Sequence[BudgetRule] | None = None,
) -> Held | None:
    """Set an estimate aside as the gateway does before a call."""
    known = rules_of(tenant) if rules is None else rules
    with scope.tenant_scope(tenant):
        return reserve_budget(
            known,
            origin=origin or Origin(),
            group_id=group_id,
            estimate=Estimate(tokens=tokens, cost=None if cost is None else Decimal(cost)),
            model="acme/large",
        )


def at_once(number: int, work: Callable[[int], object]) -> list[object]:
    """Do `work` in so many threads that begin together; return results and errors in order."""
    gate = threading.Barrier(number)
    outcomes: list[object] = [None] * number

    def run(place: int) -> None:
        gate.wait()
        try:
            outcomes[place] = work(place)
        except Exception as error:  # noqa: BLE001  # the test looks at every outcome
            outcomes[place] = error
        finally:
            connection.close()

    threads = [
        threading.Thread(target=copy_context().run, args=(run, place)) for place in range(number)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def use_of(budget: Budget, subject_id: UUID | None = None) -> tuple[object, object]:
    """Return (used, reserved) of a budget, of one subject where it has several."""
    uses = BudgetUse.objects.filter(budget=budget)
    row = uses.get() if subject_id is None else uses.get(subject_id=subject_id)
    return row.used, row.reserved


def call(tenant: TenantRef | None, **values: object) -> CallRecord:
    """Return a call as the gateway records it: a thousand tokens read, a hundred written."""
    wanted: dict[str, object] = {
        "flow": Flow.CHAT_ANSWER,
        "model": "acme/large",
        "provider": "acme",
        "started_at": now(),
        "status": "ok",
        "usage": Usage(prompt_tokens=1000, completion_tokens=100, estimated=False),
        "tariff": PRICED,
        "first_ms": 200,
        "total_ms": 900,
        **values,
    }
    return CallRecord(tenant_id=tenant.id if tenant else None, **wanted)  # type: ignore[arg-type]  # passed on as given


def turn_origin(user_id: UUID | None = None, *, step: int = 0, attempt: int = 1) -> Origin:
    """Return the origin of a turn of its own."""
    return Origin(user_id=user_id, turn_id=new_id(), attempt=attempt, step=step)


def write(*records: CallRecord) -> None:
    """Write calls as the end of a turn does."""
    with transaction.atomic():
        ledger.write_calls(records)


def days_ago(days: int) -> datetime:
    """Return this time of day, some days ago."""
    return now() - timedelta(days=days)
