"""Rows of settings as their administrators see them; never a key."""

from uuid import UUID

from apps.core import scope
from apps.core.scope import Actor
from apps.providers import pricing
from apps.providers.domain.profiles import profile_of
from apps.providers.domain.settings import ModelView, ProviderView
from apps.providers.models import Model, Provider
from apps.providers.services.access import is_platform_private

WORKSPACE, PLATFORM = "workspace", "platform"
_FACTS = (
    "context_tokens",
    "supports_tools",
    "supports_vision",
    "supports_formats",
    "supports_reasoning",
)


def origin_of_row(owner_id: UUID | None) -> str:
    """Say whose a row is."""
    return PLATFORM if owner_id is None else WORKSPACE


def is_of_scope(owner_id: UUID | None) -> bool:
    """Say whether a row of this owner is changed where we are."""
    tenant = scope.current()
    return owner_id == (tenant.id if tenant else None)


def provider_view(
    row: Provider, *, actor: Actor, models: list[Model], is_hidden: bool = False
) -> ProviderView:
    """Map a provider with its models; of a platform's a workspace sees no more than it needs."""
    private = is_platform_private(actor, row.tenant_id)
    return ProviderView(
        id=row.id,
        slug=row.slug,
        label=row.label,
        preset=row.preset,
        adapter=row.adapter,
        base_url="" if private else row.base_url,
        origin=origin_of_row(row.tenant_id),
        is_editable=is_of_scope(row.tenant_id),
        is_enabled=row.is_enabled,
        is_trusted=row.is_trusted,
        simulate_failure=row.simulate_failure,
        has_key=False if private else row.sealed_key is not None,
        key_hint="" if private else row.key_hint,
        key_refused_at=None if private else row.key_refused_at,
        requests_per_minute=row.requests_per_minute,
        tokens_per_minute=row.tokens_per_minute,
        concurrent_calls=row.concurrent_calls,
        is_hidden=is_hidden,
        models=tuple(model_view(row, model) for model in models),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def model_view(provider: Provider, row: Model) -> ModelView:
    """Map a model, its unwritten facts filled in from what is known of its name."""
    profile = profile_of(row.name)
    reasoning = profile.reasoning or profile.shows_reasoning
    listed = None
    if row.input_price is None:
        listed = pricing.listed_price(
            name=row.price_key or row.name, preset=provider.preset, base_url=provider.base_url
        )
    source = pricing.OWN if row.input_price is not None else pricing.LIST
    return ModelView(
        id=row.id,
        model=f"{provider.slug}/{row.name}",
        name=row.name,
        label=row.label or row.name,
        position=row.position,
        is_enabled=row.is_enabled,
        context_tokens=row.context_tokens or profile.context_tokens,
        supports_tools=_told(row.supports_tools, profile.supports_tools),
        supports_vision=_told(row.supports_vision, profile.vision),
        supports_formats=_told(row.supports_formats, True),
        supports_reasoning=_told(row.supports_reasoning, reasoning),
        is_embedder=row.is_embedder,
        stated=tuple(name for name in _FACTS if getattr(row, name) is not None),
        price_key=row.price_key,
        input_price=row.input_price if listed is None else listed[0],
        cached_price=row.cached_price,
        output_price=row.output_price if listed is None else listed[1],
        price_source=source if row.input_price is not None or listed else pricing.UNKNOWN,
    )


def _told(stated: bool | None, otherwise: bool) -> bool:
    return otherwise if stated is None else stated
