"""Choosing a model: gathers what is known and lets `domain.routing` decide.

Nothing is asked and nothing is queried: settings, health and prices are in this process's memory.
"""

from collections.abc import Sequence

from apps.core import clock
from apps.providers import configuration, health
from apps.providers.contracts import ModelInfo, Usage
from apps.providers.domain.routing import Facts, Question, RoutePlan, plan_route
from apps.providers.domain.routing_rules import Order, Policy
from apps.providers.pricing import cost_of, tariff_of


def plan_for(
    question: Question, models: Sequence[ModelInfo], *, with_costs: bool = False
) -> RoutePlan:
    """Return whom to ask, in which order and why.

    Args:
        question: What is known of the call.
        models: Everything that may be asked, best first.
        with_costs: Also say what each would cost where no policy needs to know.
    """
    known = configuration.current()
    costs = with_costs or any(_needs_costs(policy) for policy in known.policies)
    facts = [_facts_of(model, question, costs=costs) for model in models]
    return plan_route(question, facts, known.policies)


def _needs_costs(policy: Policy) -> bool:
    return policy.routes.max_cost is not None or policy.routes.order is Order.CHEAPEST


def _facts_of(model: ModelInfo, question: Question, *, costs: bool) -> Facts:
    state, why = health.health_of(model)
    cost = None
    if costs:
        most = Usage(
            prompt_tokens=question.tokens,
            completion_tokens=question.answer_tokens,
            estimated=True,
        )
        cost = cost_of(tariff_of(model), most).amount
    return Facts(model=model, health=state, why=why, measured=health.measured(model), cost=cost)


def at_this_hour() -> tuple[int, int]:
    """Return hour and weekday of now, UTC, for a question."""
    moment = clock.now()
    return moment.hour, moment.weekday()
