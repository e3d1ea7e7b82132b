"""Which model answers, and why: a pure function of policies, facts and the question.

Nothing here asks anything. `plan_route` puts every model either among the candidates, in the order
in which they are tried, or among the excluded, each with its reason in words.
"""

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from apps.providers.contracts import Cause, Level, ModelInfo
from apps.providers.domain.routing_rules import (
    NOWHERE,
    Conditions,
    Need,
    Order,
    Policy,
    Routes,
    Target,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What calls of the last minutes showed of a model.

    Attributes:
        calls: How many there were.
        error_rate: Share of them that failed, 0 to 1.
        first_p50_ms: Median time to the first word.
        first_p95_ms: 95th percentile of it.
        tokens_per_s: Tokens written a second once it writes.
        rate_limited: How many were refused with 429.
        key_refused: How many were refused with 401, 402 or 403.
    """

    calls: int = 0
    error_rate: float = 0.0
    first_p50_ms: float | None = None
    first_p95_ms: float | None = None
    tokens_per_s: float | None = None
    rate_limited: int = 0
    key_refused: int = 0


class Health(StrEnum):
    """Whether a model can be asked now."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of one model at the moment of the choice.

    Attributes:
        model: What it is.
        health: Whether it can be asked.
        why: Why it is not up, in words.
        measured: What calls showed.
        cost: What this question would cost, US dollars; None where nobody knows.
    """

    model: ModelInfo
    health: Health = Health.UP
    why: str = ""
    measured: Measured = Measured()
    cost: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is known of a call before a model is chosen.

    Attributes:
        flow: Why the model is called.
        asked: The model somebody named; it is taken or refused, never replaced by another choice.
        preferred: What person, workspace and installation prefer, in this order.
        subject: What stays with one model under weighted routes: the conversation, or the person.
        sensitive: Personal or secret content, found or marked by a person.
        interactive: Somebody waits for the first word.
        tokens: Of the prompt, estimated.
        answer_tokens: Most tokens of the answer.
        needs: What the model must be able to do.
        user_id: Who asks.
        hour: Of the day, UTC.
        weekday: 0 is Monday.
        cause: Why the models in `failed` do not answer.
        failed: Models that were tried.
    """

    flow: str
    asked: str = ""
    preferred: tuple[str, ...] = ()
    subject: str = ""
    sensitive: bool = False
    interactive: bool = True
    tokens: int = 0
    answer_tokens: int = 0
    needs: frozenset[Need] = frozenset()
    user_id: UUID | None = None
    hour: int = 12
    weekday: int = 0
    cause: Cause = Cause.FAILURE
    failed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A model that may be asked, its level, the reasons for its place, what is known of it."""

    model: ModelInfo
    level: Level
    reasons: tuple[str, ...]
    facts: Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Excluded:
    """A model that may not be asked, and why."""

    model: ModelInfo
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutePlan:
    """The whole choice.

    Attributes:
        policy: Name of the policy that applied; empty for none.
        candidates: Whom to ask, in this order.
        excluded: Whom not to ask, and why.
        skipped: Policies that did not apply, with the condition that did not hold.
        fallbacks: Candidates that the policy names for this cause, also where they are targets.
    """

    policy: str
    candidates: tuple[Candidate, ...]
    excluded: tuple[Excluded, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    fallbacks: frozenset[str] = frozenset()

    @property
    def first(self) -> Candidate | None:
        """Whom to ask first."""
        return self.candidates[0] if self.candidates else None


def unmet_condition(conditions: Conditions, question: Question) -> str:
    """Return the first condition that does not hold, in words; empty when all do."""
    checks = (
        (
            not conditions.flows
            or any(fnmatch.fnmatchcase(question.flow, flow) for flow in conditions.flows),
            f"the flow is {question.flow}",
        ),
        (
            conditions.sensitive in {None, question.sensitive},
            "the content is sensitive" if question.sensitive else "the content is not sensitive",
        ),
        (
            conditions.interactive in {None, question.interactive},
            "somebody waits" if question.interactive else "nobody waits",
        ),
        (question.tokens >= (conditions.min_tokens or 0), f"{question.tokens} tokens are too few"),
        (
            conditions.max_tokens is None or question.tokens <= conditions.max_tokens,
            f"{question.tokens} tokens are too many",
        ),
        (
            question.needs.issuperset(conditions.needs),
            f"nobody asks for {', '.join(sorted(set(conditions.needs) - question.needs))}",
        ),
        (not conditions.users or question.user_id in conditions.users, "somebody else asks"),
        (_within(conditions.hours, question.hour), f"it is {question.hour} o'clock (UTC)"),
        (
            not conditions.weekdays or question.weekday in conditions.weekdays,
            f"it is weekday {question.weekday}",
        ),
    )
    return next((words for holds, words in checks if not holds), "")


def _within(hours: tuple[int, int] | None, hour: int) -> bool:
    if hours is None:
        return True
    start, end = hours
    return start <= hour < end if start <= end else hour >= start or hour < end


@dataclass(slots=True)
class _Places:
    """Where each model stands: level, place inside it, and why."""

    of: dict[str, tuple[Level, float, str]] = field(default_factory=dict)

    def give(self, name: str, level: Level, place: float, why: str) -> None:
        self.of.setdefault(name, (level, place, why))


def plan_route(
    question: Question, facts: Sequence[Facts], policies: Sequence[Policy] = ()
) -> RoutePlan:
    """Choose whom to ask.

    The first policy whose conditions hold applies. A model that somebody named goes first, then
    the policy's routes, its fallbacks for the cause, everything else that is able, and in-process
    models last. Inside a level the healthy come before the degraded, those before the ones that
    are down. Sensitive content and policies that say `local_only` admit trusted models only, also
    where another one was named.
    """
    policy, skipped = None, []
    for each in policies:
        unmet = unmet_condition(each.conditions, question)
        if not unmet:
            policy = each
            break
        skipped.append((each.name, unmet))
    allowed: list[Facts] = []
    excluded: list[Excluded] = []
    for fact in facts:
        reason = _objection(fact, question, policy)
        if reason:
            excluded.append(Excluded(model=fact.model, reason=reason))
        else:
            allowed.append(fact)
    places = _placed(question, allowed, policy)
    ordered = sorted(
        allowed, key=lambda fact: _rank(fact, places.of[fact.model.id], policy, question)
    )
    return RoutePlan(
        policy=policy.name if policy else "",
        candidates=tuple(_candidate(fact, places.of[fact.model.id], policy) for fact in ordered),
        excluded=tuple(excluded),
        skipped=tuple(skipped),
        fallbacks=_fallbacks(question, allowed, policy),
    )


def _fallbacks(
    question: Question, allowed: Sequence[Facts], policy: Policy | None
) -> frozenset[str]:
    patterns = policy.fallbacks.for_cause(question.cause) if policy else ()
    return frozenset(name for pattern in patterns for name in _matching(pattern, allowed))


def _objection(fact: Facts, question: Question, policy: Policy | None) -> str:
    """Return why a model may not be asked, in words; empty when it may."""
    model, routes = fact.model, policy.routes if policy else NOWHERE
    trusted = model.keeps_secrets
    lacking = ", ".join(sorted(question.needs - _abilities(model)))
    size = question.tokens + question.answer_tokens
    wanted = model.id == question.asked or model.id in question.preferred
    objections = (
        (model.id in question.failed, "it was tried and did not answer"),
        (model.scripted and not wanted and bool(question.failed), "it only plays an answer"),
        (
            question.sensitive and not trusted,
            "the content is sensitive and the provider is not trusted",
        ),
        (routes.local_only and not trusted, "the policy keeps content on trusted models"),
        (bool(lacking), f"it lacks: {lacking}"),
        (size > model.context_tokens, f"{size} tokens do not fit its {model.context_tokens}"),
        (_too_dear(fact, routes), f"{_money(fact.cost)} is above the ceiling of the policy"),
    )
    return next((words for objects, words in objections if objects), "")


def _too_dear(fact: Facts, routes: Routes) -> bool:
    if routes.max_cost is None or fact.model.in_process:
        return False
    return fact.cost is None or fact.cost > routes.max_cost  # nobody knows: it may be the dearest


def _abilities(model: ModelInfo) -> frozenset[Need]:
    has: Mapping[Need, bool] = {
        Need.TOOLS: model.supports_tools,
        Need.VISION: model.supports_vision,
        Need.FORMATS: model.supports_formats,
        Need.REASONING: model.supports_reasoning,
    }
    return frozenset(need for need, able in has.items() if able)


def _placed(question: Question, allowed: Sequence[Facts], policy: Policy | None) -> _Places:
    places = _Places()
    if question.asked:
        places.give(question.asked, Level.CHOSEN, -1, "it was asked for")
    if policy is not None:
        for place, (name, why) in enumerate(_routed(question, allowed, policy)):
            places.give(name, Level.CHOSEN, place, f"policy {policy.name}: {why}")
        for place, pattern in enumerate(policy.fallbacks.for_cause(question.cause)):
            for name in _matching(pattern, allowed):
                why = f"policy {policy.name}: fallback after {question.cause.value}"
                places.give(name, Level.FALLBACK, place, why)
    for place, name in enumerate(question.preferred):
        if name:
            level = Level.CAPABLE if policy and policy.routes.targets else Level.CHOSEN
            places.give(name, level, place - len(question.preferred), "it is preferred")
    for place, fact in enumerate(allowed):
        if fact.model.scripted:
            places.give(fact.model.id, Level.SCRIPTED, place, "there is nothing else")
        elif fact.model.in_process:
            places.give(fact.model.id, Level.LOCAL, place, "it runs here and needs nobody")
        else:
            places.give(fact.model.id, Level.CAPABLE, place, "it is set up and able")
    return places


def _routed(question: Question, allowed: Sequence[Facts], policy: Policy) -> list[tuple[str, str]]:
    """Return the models of a policy's targets in order, each with the reason for its place."""
    found: dict[str, Target] = {}
    for target in policy.routes.targets:
        for name in _matching(target.model, allowed):
            found.setdefault(name, target)
    facts = {fact.model.id: fact for fact in allowed}
    names = list(found)
    match policy.routes.order:
        case Order.GIVEN:
            return [(name, f"place {place + 1}") for place, name in enumerate(names)]
        case Order.WEIGHTED:
            drawn = {n: _draw(question.subject, n, found[n].weight) for n in names}
            total = sum(found[n].weight for n in names) or 1.0
            names.sort(key=lambda n: (-drawn[n], n))
            return [(n, f"weight {found[n].weight / total:.0%}") for n in names]
        case Order.CHEAPEST:
            # What nobody knows the price of may be the dearest.
            names.sort(key=lambda n: (facts[n].cost is None, facts[n].cost or 0, n))
            return [(n, f"about {_money(facts[n].cost)}") for n in names]
        case Order.FASTEST:
            unmeasured = float("inf")
            names.sort(key=lambda n: (facts[n].measured.first_p50_ms or unmeasured, n))
            return [(n, _speed(facts[n].measured)) for n in names]


def _money(cost: Decimal | None) -> str:
    return "an unknown price" if cost is None else f"${cost:.6f}"


def _speed(measured: Measured) -> str:
    if measured.first_p50_ms is None:
        return "not measured yet"
    return f"first word after {measured.first_p50_ms:.0f} ms"


def _draw(subject: str, name: str, weight: float) -> float:
    """Draw a number that decides for `name`, the same for the same subject.

    Weighted rendezvous hashing: each model wins its share of the subjects, and a model that comes
    or goes moves only its own (Schindelhauer and Schomaker, 2005).
    """
    if weight <= 0:
        return 0.0
    number = int.from_bytes(sha256(f"{subject}\x00{name}".encode()).digest()[:8], "big")
    # Never 0 and never 1, so the root is defined and weights always count.
    return float(((number + 1) / (2**64 + 2)) ** (1.0 / weight))


def _matching(pattern: str, facts: Sequence[Facts]) -> list[str]:
    return [f.model.id for f in facts if fnmatch.fnmatchcase(f.model.id, pattern)]


_HEALTH_RANK = {Health.UP: 0, Health.DEGRADED: 1, Health.DOWN: 2}


def _too_slow(fact: Facts, policy: Policy | None) -> bool:
    target = policy.routes.max_first_ms if policy else None
    p95 = fact.measured.first_p95_ms
    return target is not None and p95 is not None and p95 > target


def _rank(
    fact: Facts, place: tuple[Level, float, str], policy: Policy | None, question: Question
) -> tuple[int, bool, int, float, str]:
    level, number, _why = place
    health = _HEALTH_RANK[fact.health]
    if fact.model.id == question.asked:
        return (level, False, 0, number, fact.model.id)  # asked for is asked, whatever its health
    down_last = level + (10 if fact.health is Health.DOWN else 0)
    return (down_last, _too_slow(fact, policy), health, number, fact.model.id)


def _candidate(fact: Facts, place: tuple[Level, float, str], policy: Policy | None) -> Candidate:
    level, _number, why = place
    reasons = [why]
    if fact.health is not Health.UP:
        reasons.append(f"{fact.health.value}: {fact.why}" if fact.why else fact.health.value)
    if _too_slow(fact, policy):
        reasons.append("slower than the policy's target")
    return Candidate(model=fact.model, level=level, reasons=tuple(reasons), facts=fact)
