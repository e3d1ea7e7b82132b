"""Reaching configured providers: their addresses, their keys, the adapters that speak to them."""

from uuid import UUID

from apps.core.crypto import derive_key, unseal
from apps.providers import configuration, registry
from apps.providers.configuration import Source
from apps.providers.contracts import ChatAdapter, ModelInfo
from apps.providers.errors import ConfigurationError, ModelNotFound
from apps.tenants import selectors as tenants

_adapters: dict[UUID, tuple[float, ChatAdapter]] = {}


def place_of_key(provider_id: UUID) -> str:
    """Return where a provider's key is sealed to."""
    return f"providers_provider|sealed_key|{provider_id}"


def sealing_key(tenant_id: UUID | None) -> bytes:
    """Return the key under which a provider's key is sealed; blocking for a workspace's."""
    if tenant_id is None:
        return derive_key("provider-keys", tenant_id=None)
    return tenants.data_key_of(tenant_id)


def endpoint_of(source: Source) -> registry.Endpoint:
    """Return where a provider is reached, with its key opened. Blocking for a workspace's."""
    api_key = ""
    if source.sealed_key is not None:
        opened = unseal(
            source.sealed_key,
            key=sealing_key(source.tenant_id),
            place=place_of_key(source.id),
        )
        api_key = opened.decode()
    return registry.Endpoint(
        base_url=source.base_url,
        api_key=api_key,
        allow_private=not source.is_own,
        label=source.label,
    )


def source_of(model: ModelInfo) -> Source | None:
    """Return the configured provider of a model, or None for one of the installation."""
    return configuration.current().sources.get(model.source_id) if model.source_id else None


def known_adapter(model: ModelInfo) -> ChatAdapter | None:
    """Return the adapter of a configured model if this process built it already."""
    source = source_of(model)
    kept = _adapters.get(source.id) if source else None
    if source is None or kept is None or kept[0] != source.version:
        return None
    return kept[1]


def build_adapter(model: ModelInfo) -> ChatAdapter:
    """Return the adapter of a configured model. Blocking at its first use.

    Raises:
        ModelNotFound: The provider is gone.
        ConfigurationError: Nothing installed speaks its language.
    """
    source = source_of(model)
    if source is None:
        raise ModelNotFound(model=model.id)
    build = registry.wire(source.adapter)
    if build is None:
        raise ConfigurationError(f"no installed adapter is called {source.adapter}")
    adapter = build(endpoint_of(source))
    _adapters[source.id] = (source.version, adapter)
    return adapter


def forget() -> None:
    """Drop the adapters; the next use builds them anew."""
    _adapters.clear()
