"""What a call will cost, before it is made."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from apps.accounts import selectors as accounts
from apps.core import scope
from apps.core.scope import Actor
from apps.providers import configuration, selectors
from apps.providers.allowances import Room, list_room
from apps.providers.contracts import ModelInfo, Origin, Usage
from apps.providers.pricing import Cost, cost_of, tariff_of

MODELS_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What one model would take for a prompt.

    Attributes:
        model: Its id.
        label: What people call it.
        prompt_tokens: Tokens of the prompt.
        is_exact: They were counted as the model counts; otherwise rather too many than too few.
        max_tokens: Most tokens of the answer.
        fits: Prompt and answer fit the model's context.
        cost_low: US dollars for the prompt and no answer; None where nobody knows the price.
        cost_high: US dollars when the answer is as long as it may be.
        price_source: Where the price comes from.
        is_refused: A hard budget would refuse the call now.
    """

    model: str
    label: str
    prompt_tokens: int
    is_exact: bool
    max_tokens: int
    fits: bool
    cost_low: Decimal | None
    cost_high: Decimal | None
    price_source: str
    is_refused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecasts:
    """What each model would take, cheapest first, and what budgets leave to the person."""

    models: tuple[Forecast, ...]
    room: tuple[Room, ...]


def forecast_costs(
    *, actor: Actor, texts: Sequence[str], max_tokens: int, model: str | None = None
) -> Forecasts:
    """Say what a prompt of these messages would cost with `model`, or with each model there is.

    Raises:
        ModelNotFound: Nothing configured is called so.
    """
    candidates = [selectors.get_model(model)] if model else selectors.list_models()[:MODELS_MAX]
    room = _room(actor)
    found = [_forecast(each, texts, max_tokens, room) for each in candidates]
    found.sort(key=lambda each: (each.cost_high is None, each.cost_high or Decimal(0)))
    return Forecasts(models=tuple(found), room=room)


def price_range(model: ModelInfo, *, prompt_tokens: int, max_tokens: int) -> tuple[Cost, Cost]:
    """Return what a call costs with no answer and with the longest one."""
    tariff = tariff_of(model)
    low = Usage(prompt_tokens=prompt_tokens, completion_tokens=0, estimated=True)
    high = Usage(prompt_tokens=prompt_tokens, completion_tokens=max_tokens, estimated=True)
    return cost_of(tariff, low), cost_of(tariff, high)


def _forecast(
    model: ModelInfo, texts: Sequence[str], max_tokens: int, room: Sequence[Room]
) -> Forecast:
    counter = selectors.token_counter(model)
    prompt = sum(counter.count(text) + counter.per_message for text in texts)
    low, high = price_range(model, prompt_tokens=prompt, max_tokens=max_tokens)
    return Forecast(
        model=model.id,
        label=model.label,
        prompt_tokens=prompt,
        is_exact=counter.exact,
        max_tokens=max_tokens,
        fits=prompt + max_tokens <= model.context_tokens,
        cost_low=low.amount,
        cost_high=high.amount,
        price_source=high.source,
        is_refused=any(_refuses(each, prompt + max_tokens, high.amount) for each in room),
    )


def _refuses(room: Room, tokens: int, cost: Decimal | None) -> bool:
    needed = Decimal(tokens) if room.unit == "tokens" else cost
    return room.is_hard and (needed is None or (needed > 0 and needed > room.left))


def _room(actor: Actor) -> tuple[Room, ...]:
    rules = configuration.current().budgets
    if not rules:
        return ()
    group_id = None
    if actor.id is not None and any(rule.level == "group" for rule in rules):
        group_id = accounts.find_role_id(actor.id, scope.require())
    return list_room(rules, origin=Origin(user_id=actor.id), group_id=group_id)
