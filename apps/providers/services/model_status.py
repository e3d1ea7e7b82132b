"""How every model does now: for people who ask one, who administer a workspace, who operate."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from apps.accounts.permissions import CHAT_USER, TENANT_ADMIN
from apps.core import scope
from apps.core.errors import NotAuthenticated, PermissionDenied
from apps.core.scope import Actor, ActorKind
from apps.providers import breaker, health, selectors
from apps.providers.contracts import ModelInfo
from apps.providers.domain.routing import Health

_STAFF = frozenset({ActorKind.OPERATOR, ActorKind.SYSTEM})

Origin = Literal["workspace", "platform"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFigures:
    """What the last five minutes showed of a model.

    How many calls there were of the platform's models, other workspaces' among them, is told to
    operators alone.

    Attributes:
        first_p50_ms: Median time to the first word.
        first_p95_ms: 95th percentile of it.
        tokens_per_s: Tokens written a second once it writes.
        error_share: Share of the calls that failed, 0 to 1; None without calls.
        calls: How many there were.
        rate_limited: How many were refused with 429.
        open_for_s: Seconds for which it is not asked, because it failed too often.
    """

    first_p50_ms: float | None
    first_p95_ms: float | None
    tokens_per_s: float | None
    error_share: float | None
    calls: int | None
    rate_limited: int | None
    open_for_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStatus:
    """Whether a model can be asked now.

    Attributes:
        model: Its id.
        label: Its name for people.
        provider: First part of its id.
        origin: Whose it is.
        state: Up, degraded or down.
        why: Why it is not up, in words.
        figures: What calls showed; None for who does not administer.
    """

    model: str
    label: str
    provider: str
    origin: Origin
    state: Health
    why: str
    figures: ModelFigures | None


def list_model_status(*, actor: Actor) -> tuple[ModelStatus, ...]:
    """Return how each model does that can be asked here, the best first.

    Raises:
        NotAuthenticated: Nobody asks.
        PermissionDenied: They may not ask models.
    """
    is_staff = actor.kind in _STAFF
    if not is_staff and actor.id is None:
        raise NotAuthenticated
    administers = is_staff or actor.may(TENANT_ADMIN)
    if not administers and not actor.may(CHAT_USER):
        raise PermissionDenied(CHAT_USER)
    if not is_staff:
        scope.require()
    models = selectors.list_models()
    health.look(models)
    return tuple(
        _status(
            model,
            with_figures=administers,
            with_counts=is_staff or (administers and model.is_own),
        )
        for model in models
    )


def troubled_models(status: Collection[ModelStatus]) -> tuple[ModelStatus, ...]:
    """Return those that are not up, the worst first."""
    worst = sorted(status, key=lambda each: each.state is not Health.DOWN)
    return tuple(each for each in worst if each.state is not Health.UP)


def _status(model: ModelInfo, *, with_figures: bool, with_counts: bool) -> ModelStatus:
    state, why = health.health_of(model)
    return ModelStatus(
        model=model.id,
        label=model.label,
        provider=model.provider,
        origin="workspace" if model.is_own else "platform",
        state=state,
        why=why,
        figures=_figures(model, with_counts=with_counts) if with_figures else None,
    )


def _figures(model: ModelInfo, *, with_counts: bool) -> ModelFigures:
    known = health.measured(model)
    return ModelFigures(
        first_p50_ms=known.first_p50_ms,
        first_p95_ms=known.first_p95_ms,
        tokens_per_s=known.tokens_per_s,
        error_share=known.error_rate if known.calls else None,
        calls=known.calls if with_counts else None,
        rate_limited=known.rate_limited if with_counts else None,
        open_for_s=breaker.open_for_s(health.place_of(model)),
    )
