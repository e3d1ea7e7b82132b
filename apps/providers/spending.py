"""The budget stage of a call: set aside before, settle after. Free where no budget is set."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from apps.accounts import selectors as accounts
from apps.core import scope
from apps.core.concurrency import platform_db
from apps.core.errors import KarenError
from apps.providers.accounting import Account
from apps.providers.configuration import BudgetRule, Configuration
from apps.providers.contracts import ModelRequest, Usage
from apps.providers.pricing import cost_of
from apps.providers.services import budgets
from apps.providers.services.budgets import Estimate, Held


@asynccontextmanager
async def set_aside(
    known: Configuration, request: ModelRequest, account: Account
) -> AsyncIterator[None]:
    """Run the block with what it may use at most set aside in every budget that applies.

    Raises:
        BudgetExceeded: A hard budget has no room.
        PriceUnknown: A hard budget counts money and the model's price is not known.
    """
    if not known.budgets:
        account.step("budget", "none")
        yield
        return
    held = await _reserved(known.budgets, request, account)
    account.step("budget", "set aside" if held else "none applies")
    try:
        yield
    finally:
        if held is not None:
            await platform_db(_settle, held, account)


async def _reserved(
    rules: tuple[BudgetRule, ...], request: ModelRequest, account: Account
) -> Held | None:
    """Set aside; whoever is cancelled meanwhile gives back what was set aside by then."""
    reserving = asyncio.ensure_future(platform_db(_reserve, rules, request, account))
    try:
        return await asyncio.shield(reserving)
    except asyncio.CancelledError:
        with contextlib.suppress(KarenError):
            held = await reserving
            if held is not None:
                await platform_db(_settle, held, account)
        raise


def _reserve(rules: tuple[BudgetRule, ...], request: ModelRequest, account: Account) -> Held | None:
    most = Usage(
        prompt_tokens=account.prompt_tokens, completion_tokens=request.max_tokens, estimated=True
    )
    counts_money = any(rule.unit == "money" for rule in rules)
    estimate = Estimate(
        tokens=most.prompt_tokens + most.completion_tokens,
        cost=cost_of(account.tariff, most).amount if counts_money else None,
    )
    return budgets.reserve_budget(
        rules,
        origin=account.origin,
        group_id=_group(rules, account),
        estimate=estimate,
        model=account.model.id,
    )


def _group(rules: tuple[BudgetRule, ...], account: Account) -> UUID | None:
    user_id = account.origin.user_id
    if user_id is None or not any(rule.level == "group" for rule in rules):
        return None
    return accounts.find_role_id(user_id, scope.require())


def _settle(held: Held, account: Account) -> None:
    usage = account.consumed()
    tokens = usage.prompt_tokens + usage.completion_tokens if usage else 0
    cost = cost_of(account.tariff, usage).amount if usage else None
    budgets.settle_budget(held, tokens=tokens, cost=cost)
    account.step("settle", "done")
