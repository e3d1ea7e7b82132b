"""What operators and workspaces set up, as this process knows it.

The rows are read once and kept per workspace. Whoever changes one calls `changed`, which counts
up a version in Redis; every process compares versions each second and reads anew what became
stale (`upkeep`). A call therefore never waits for a query or a round trip, and a change takes
effect everywhere within about a second.
"""

import asyncio
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

import redis
from django.db import transaction
from django.db.models import Q

from apps.core import keys, scope
from apps.core.concurrency import platform_db
from apps.core.logging import get_logger
from apps.core.redis import RedisRole, redis_client
from apps.providers import upkeep
from apps.providers.contracts import PARAMETERS, SAMPLING, ModelInfo
from apps.providers.domain.guarding import GuardrailSettings
from apps.providers.domain.profiles import profile_of
from apps.providers.domain.routing_rules import Policy
from apps.providers.models import Budget, GatewaySettings, Model, Provider, RoutingPolicy
from apps.providers.policies import stored_guardrails

logger = get_logger(__name__)

KIND = "configured"
GUARDRAILS_OFF = GuardrailSettings()
_CHECK_EVERY_S = 1.0
_READ_ANEW_S = 60.0  # also without a version: Redis may have been away at the change
_PLATFORM = "platform"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Most requests and tokens a minute, and most calls at once; None is no limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_calls: int | None = None

    @property
    def any(self) -> bool:
        """Whether there is anything to check."""
        return not (
            self.requests_per_minute is None
            and self.tokens_per_minute is None
            and self.concurrent_calls is None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars for a million tokens."""

    input: Decimal
    cached: Decimal
    output: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A configured provider.

    Attributes:
        id: Its row.
        is_own: The workspace's own, not the platform's.
        slug: First part of its models' ids.
        simulate_failure: Every call is to fail.
        key_refused: It refuses its key: nothing is asked until the key changes.
        limits: What it may be asked.
        version: Changes whenever the row does.
    """

    id: UUID
    tenant_id: UUID | None
    slug: str
    label: str
    preset: str
    adapter: str
    base_url: str
    sealed_key: bytes | None
    simulate_failure: bool
    key_refused: bool
    limits: Limits
    version: float

    @property
    def is_own(self) -> bool:
        """Whether it belongs to a workspace."""
        return self.tenant_id is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetRule:
    """A budget as calls need it."""

    id: UUID
    level: str
    subject_id: UUID | None
    unit: str
    period: str
    amount: Decimal
    alert_percent: int
    is_hard: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Everything set up for one workspace, the platform's own included.

    Attributes:
        models: Models of configured providers, best first.
        sources: Their providers by row.
        prices: Own prices by model id; the price list knows the others.
        price_keys: Names in the price list, where they differ.
        policies: Rules of routing in the order in which they are asked.
        default_model: What the workspace prefers; empty for none.
        cache_ttl_s: For how long answers are kept; 0 is off.
        cache_version: Answers that were kept under another one are forgotten.
        limits: Of the workspace as a whole.
        user_limits: Of each of its members.
        budgets: What may be spent.
        guardrails: What is looked at in prompts and answers.
    """

    models: tuple[ModelInfo, ...] = ()
    sources: dict[UUID, Source] = field(default_factory=dict)
    prices: dict[str, Price] = field(default_factory=dict)
    price_keys: dict[str, str] = field(default_factory=dict)
    policies: tuple[Policy, ...] = ()
    default_model: str = ""
    cache_ttl_s: int = 0
    cache_version: float = 0.0
    limits: Limits = Limits()
    user_limits: Limits = Limits()
    budgets: tuple[BudgetRule, ...] = ()
    guardrails: GuardrailSettings = GUARDRAILS_OFF


@dataclass(slots=True)
class _Kept:
    configuration: Configuration
    versions: tuple[str | None, str | None]
    read_at: float


_lock = threading.Lock()
_kept: dict[UUID | None, _Kept] = {}
_former: dict[UUID | None, Configuration] = {}  # what changed, for calls that are under way


def current() -> Configuration:
    """Return what is set up for the workspace in scope.

    Blocking at its first use in a workspace; code on an event loop awaits `loaded` before. What
    changes between the two reaches that code with its next `loaded`.
    """
    tenant = scope.current()
    name = tenant.id if tenant else None
    kept = _kept.get(name)
    if kept is not None:
        return kept.configuration
    former = _former.get(name)
    return former if former is not None and _on_an_event_loop() else _read(name)


def _on_an_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def loaded() -> Configuration:
    """See `current`; for the event loop. Costs nothing once it is known."""
    tenant = scope.current()
    kept = _kept.get(tenant.id if tenant else None)
    return kept.configuration if kept is not None else await platform_db(current)


def assume(configuration: Configuration) -> None:
    """Take this for what is set up in the scope, without reading tables: for code that has none."""
    tenant = scope.current()
    with _lock:
        _kept[tenant.id if tenant else None] = _Kept(configuration, (None, None), float("inf"))


def forget() -> None:
    """Drop what this process knows; the next use reads it anew."""
    with _lock:
        _kept.clear()
        _former.clear()


def changed() -> None:
    """Tell every process that a row of the workspace in scope (or of the platform) changed.

    Called inside the transaction of the change: takes effect when it commits.
    """
    tenant = scope.current()
    name = tenant.id.hex if tenant else _PLATFORM
    transaction.on_commit(lambda: _announce(name))


def _announce(name: str) -> None:
    with _lock:
        _former.update({each: kept.configuration for each, kept in _kept.items()})
        _kept.clear()
    try:
        redis_client(RedisRole.CACHE).hincrby(_version_key(), name, 1)
    except redis.RedisError:  # the others read anew within a minute
        logger.warning("gateway.change_not_announced")


def _version_key() -> str:
    return keys.platform_key("gateway", "versions")


def _versions(names: Iterable[UUID | None]) -> dict[UUID | None, tuple[str | None, str | None]]:
    asked = list(names)
    fields = [_PLATFORM, *(name.hex if name else _PLATFORM for name in asked)]
    answers = redis_client(RedisRole.CACHE).hmget(_version_key(), fields)
    texts = [answer.decode() if isinstance(answer, bytes) else answer for answer in answers]
    return {name: (texts[0], text) for name, text in zip(asked, texts[1:], strict=True)}


def _read(tenant_id: UUID | None) -> Configuration:
    try:
        versions = _versions([tenant_id])[tenant_id]
    except redis.RedisError:
        versions = (None, None)
    configuration = _built(tenant_id)
    with _lock:
        _kept[tenant_id] = _Kept(configuration, versions, time.monotonic())
        _former.pop(tenant_id, None)
    upkeep.start()
    return configuration


def _built(tenant_id: UUID | None) -> Configuration:
    mine = Q(tenant_id=tenant_id) | Q(tenant_id__isnull=True)
    # The workspace's own come before the platform's and hide those of the same name.
    rows = sorted(Provider.objects.filter(mine, is_enabled=True), key=lambda p: p.tenant_id is None)
    sources: dict[UUID, Provider] = {}
    slugs: set[str] = set()
    for row in rows:
        if row.slug not in slugs:
            slugs.add(row.slug)
            sources[row.id] = row
    found = Model.objects.filter(provider_id__in=sources, is_enabled=True, is_embedder=False)
    by_source: dict[UUID, list[Model]] = {}
    for model in found.order_by("position", "name") if sources else ():
        by_source.setdefault(model.provider_id, []).append(model)
    ordered = [(row, model) for row in sources.values() for model in by_source.get(row.id, ())]
    settings = sorted(GatewaySettings.objects.filter(mine), key=lambda s: s.tenant_id is None)
    policies = sorted(
        RoutingPolicy.objects.filter(mine, is_enabled=True), key=lambda p: p.tenant_id is None
    )
    budgets = Budget.objects.filter(tenant_id=tenant_id, is_enabled=True) if tenant_id else ()
    chosen = settings[0] if settings else GatewaySettings()
    limits, user_limits = _limits_of(chosen)
    return Configuration(
        models=tuple(_model_info(row, model) for row, model in ordered),
        sources={row.id: source_of_row(row) for row in sources.values()},
        prices={f"{row.slug}/{m.name}": p for row, m in ordered if (p := _price(m)) is not None},
        price_keys={f"{row.slug}/{m.name}": m.price_key for row, m in ordered if m.price_key},
        policies=tuple(
            Policy.from_stored(p.name, p.conditions, p.routes, p.fallbacks) for p in policies
        ),
        budgets=tuple(_rule(budget) for budget in budgets),
        guardrails=stored_guardrails(tenant_id) if tenant_id else GUARDRAILS_OFF,
        default_model=chosen.default_model,
        cache_ttl_s=chosen.cache_ttl_s,
        cache_version=chosen.updated_at.timestamp(),
        limits=limits,
        user_limits=user_limits,
    )


def _limits_of(row: GatewaySettings) -> tuple[Limits, Limits]:
    """Return the limits of a workspace and of each of its members."""
    whole = Limits(
        requests_per_minute=row.requests_per_minute,
        tokens_per_minute=row.tokens_per_minute,
        concurrent_calls=row.concurrent_calls,
    )
    each = Limits(
        requests_per_minute=row.user_requests_per_minute,
        concurrent_calls=row.user_concurrent_calls,
    )
    return whole, each


def _model_info(provider: Provider, model: Model) -> ModelInfo:
    profile = profile_of(model.name)

    def known(told: bool | None, otherwise: bool) -> bool:
        return otherwise if told is None else told

    return ModelInfo(
        id=f"{provider.slug}/{model.name}",
        label=model.label or model.name,
        provider=provider.slug,
        context_tokens=model.context_tokens or profile.context_tokens,
        in_process=False,
        supports_tools=known(model.supports_tools, profile.supports_tools),
        supports_vision=known(model.supports_vision, profile.vision),
        supports_formats=known(model.supports_formats, True),
        supports_reasoning=known(
            model.supports_reasoning, profile.reasoning or profile.shows_reasoning
        ),
        via=KIND,
        source_id=provider.id,
        is_own=provider.tenant_id is not None,
        is_trusted=provider.is_trusted,
        takes=PARAMETERS - SAMPLING if profile.reasoning else PARAMETERS,
    )


def source_of_row(row: Provider) -> Source:
    """Return a provider as calls need it."""
    return Source(
        id=row.id,
        tenant_id=row.tenant_id,
        slug=row.slug,
        label=row.label,
        preset=row.preset,
        adapter=row.adapter,
        base_url=row.base_url,
        sealed_key=bytes(row.sealed_key) if row.sealed_key else None,
        simulate_failure=row.simulate_failure,
        key_refused=row.key_refused_at is not None,
        limits=Limits(
            requests_per_minute=row.requests_per_minute,
            tokens_per_minute=row.tokens_per_minute,
            concurrent_calls=row.concurrent_calls,
        ),
        version=row.updated_at.timestamp(),
    )


def _price(model: Model) -> Price | None:
    if model.input_price is None or model.output_price is None:
        return None
    cached = model.input_price if model.cached_price is None else model.cached_price
    return Price(input=model.input_price, cached=cached, output=model.output_price)


def _rule(row: Budget) -> BudgetRule:
    return BudgetRule(
        id=row.id,
        level=row.level,
        subject_id=row.subject_id,
        unit=row.unit,
        period=row.period,
        amount=row.amount,
        alert_percent=row.alert_percent,
        is_hard=row.is_hard,
    )


# -- staying current


def refresh() -> None:
    """Read anew what others changed since this process read it."""
    with _lock:
        kept = dict(_kept)
    if not kept:
        return
    versions = _versions(kept)
    moment = time.monotonic()
    for tenant_id, known in kept.items():
        if versions[tenant_id] != known.versions or moment - known.read_at > _READ_ANEW_S:
            configuration = _built(tenant_id)
            with _lock:
                if _kept.get(tenant_id) is known:
                    _kept[tenant_id] = _Kept(configuration, versions[tenant_id], moment)


upkeep.register("settings", refresh, every_s=_CHECK_EVERY_S)
