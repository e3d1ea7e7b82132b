"""What people may write about providers, models and the gateway, and how they see it. Pure."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

# Names that Karen's own models have, or that would read like a keyword in a policy.
RESERVED_SLUGS = frozenset(
    {
        "auto",
        "configured",
        "default",
        "echo",
        "embedding",
        "karen",
        "local",
        "none",
        "platform",
        "router",
        "stub",
    }
)

BUILT_IN_ADAPTER = "openai_compatible"
SLUG_PATTERN = r"^[a-z0-9][a-z0-9_-]*$"
NAME_PATTERN = r"^\S+$"  # a path where a server of one's own names models by file

_COUNT_MAX = 1_000_000_000
_PRICE_MAX = Decimal(100_000)


class _Fields(BaseModel):
    """Only what was given counts: `model_fields_set` tells it apart from the defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ProviderFields(_Fields):
    """What is written about a provider; its key goes another way."""

    slug: str = Field(default="", max_length=40, pattern=SLUG_PATTERN)
    label: str = Field(default="", max_length=80)
    preset: str = Field(default="", max_length=40)
    adapter: str = Field(default=BUILT_IN_ADAPTER, max_length=60)
    base_url: str = Field(default="", max_length=400)
    is_enabled: bool = True
    is_trusted: bool = False
    simulate_failure: bool = False
    requests_per_minute: int | None = Field(default=None, ge=1, le=_COUNT_MAX)
    tokens_per_minute: int | None = Field(default=None, ge=1, le=_COUNT_MAX)
    concurrent_calls: int | None = Field(default=None, ge=1, le=100_000)


class ModelFields(_Fields):
    """What is written about a model; empty facts are taken from what is known of its name."""

    # With its provider's slug it must fit where ids of models are kept.
    name: str = Field(default="", max_length=150, pattern=NAME_PATTERN)
    label: str = Field(default="", max_length=120)
    position: int = Field(default=100, ge=0, le=32_767)
    is_enabled: bool = True
    context_tokens: int | None = Field(default=None, ge=1, le=_COUNT_MAX)
    supports_tools: bool | None = None
    supports_vision: bool | None = None
    supports_formats: bool | None = None
    supports_reasoning: bool | None = None
    is_embedder: bool = False
    price_key: str = Field(default="", max_length=160)
    input_price: Decimal | None = Field(default=None, ge=0, le=_PRICE_MAX, decimal_places=6)
    cached_price: Decimal | None = Field(default=None, ge=0, le=_PRICE_MAX, decimal_places=6)
    output_price: Decimal | None = Field(default=None, ge=0, le=_PRICE_MAX, decimal_places=6)


class GatewayFields(_Fields):
    """What a workspace decides about the gateway as a whole."""

    default_model: str = Field(default="", max_length=200)
    cache_ttl_s: int = Field(default=0, ge=0, le=3600)
    requests_per_minute: int | None = Field(default=None, ge=1, le=_COUNT_MAX)
    tokens_per_minute: int | None = Field(default=None, ge=1, le=_COUNT_MAX)
    concurrent_calls: int | None = Field(default=None, ge=1, le=100_000)
    user_requests_per_minute: int | None = Field(default=None, ge=1, le=_COUNT_MAX)
    user_concurrent_calls: int | None = Field(default=None, ge=1, le=100_000)


class PolicyFields(_Fields):
    """A routing policy as it is written; `routing_rules` says what its three parts may hold."""

    name: str = Field(default="", max_length=80)
    position: int = Field(default=100, ge=0, le=32_767)
    is_enabled: bool = True
    conditions: dict[str, Any] = Field(default_factory=dict)
    routes: dict[str, Any] = Field(default_factory=dict)
    fallbacks: dict[str, Any] = Field(default_factory=dict)


def price_words(read: Decimal | None, written: Decimal | None) -> str:
    """Return two prices as people write them, such as `$0.15 / $0.6`; empty for unknown ones."""
    if read is None or written is None:
        return ""
    return f"{_dollars(read)} / {_dollars(written)}"


def _dollars(price: Decimal) -> str:
    return "$" + f"{price:.4f}".rstrip("0").rstrip(".")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelView:
    """A model as its administrators see it.

    Attributes:
        model: The id by which it is asked for.
        context_tokens: As written, or what is known of its name.
        stated: Facts that were written; the others are known or guessed.
        price_source: `own price`, `genai-prices` or `unknown`.
    """

    id: UUID
    model: str
    name: str
    label: str
    position: int
    is_enabled: bool
    context_tokens: int
    supports_tools: bool
    supports_vision: bool
    supports_formats: bool
    supports_reasoning: bool
    is_embedder: bool
    stated: tuple[str, ...]
    price_key: str
    input_price: Decimal | None
    cached_price: Decimal | None
    output_price: Decimal | None
    price_source: str

    @property
    def prices(self) -> str:
        """What a million tokens cost, read and written; empty where nobody knows."""
        return price_words(self.input_price, self.output_price)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderView:
    """A provider as its administrators see it; never its key.

    Of a platform's provider a workspace sees neither the address nor anything about the key.

    Attributes:
        origin: `workspace` or `platform`.
        is_editable: Whoever asked may change it.
        has_key: A key is kept.
        key_hint: The key's last characters.
        key_refused_at: Since when the provider refuses it.
        is_hidden: The workspace's own provider of the same name comes before it.
    """

    id: UUID
    slug: str
    label: str
    preset: str
    adapter: str
    base_url: str
    origin: str
    is_editable: bool
    is_enabled: bool
    is_trusted: bool
    simulate_failure: bool
    has_key: bool
    key_hint: str
    key_refused_at: datetime | None
    requests_per_minute: int | None
    tokens_per_minute: int | None
    concurrent_calls: int | None
    is_hidden: bool
    models: tuple[ModelView, ...]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyView:
    """A routing policy as it is kept."""

    id: UUID
    name: str
    origin: str
    is_editable: bool
    position: int
    is_enabled: bool
    conditions: dict[str, Any]
    routes: dict[str, Any]
    fallbacks: dict[str, Any]
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayView:
    """The gateway's settings as they hold in a workspace; `is_own` once it decided something."""

    is_own: bool
    default_model: str
    cache_ttl_s: int
    requests_per_minute: int | None
    tokens_per_minute: int | None
    concurrent_calls: int | None
    user_requests_per_minute: int | None
    user_concurrent_calls: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveredModel:
    """A model that a provider says it has.

    Attributes:
        told: Facts that the provider told; the others are known of its name or guessed.
        price_source: `genai-prices` or `unknown`.
        is_added: It is set up already.
    """

    name: str
    label: str
    context_tokens: int
    supports_tools: bool
    supports_vision: bool
    supports_reasoning: bool
    is_embedder: bool
    told: tuple[str, ...]
    price_source: str
    input_price: Decimal | None
    output_price: Decimal | None
    is_added: bool

    @property
    def prices(self) -> str:
        """What a million tokens cost, read and written; empty where nobody knows."""
        return price_words(self.input_price, self.output_price)
