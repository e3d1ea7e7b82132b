"""What a call costs: own prices first, then the packaged snapshot of `genai-prices`.

Amounts are US dollars as `Decimal`. Models that run here cost nothing; a model whose price nobody
knows costs None, never 0, so that no budget takes it for free.
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from importlib import import_module
from types import ModuleType

from apps.core.logging import get_logger
from apps.providers import configuration, registry
from apps.providers.catalogue import installed_endpoint
from apps.providers.configuration import Price
from apps.providers.contracts import ModelInfo, Usage

logger = get_logger(__name__)

_MILLION = Decimal(1_000_000)
FREE, OWN, LIST, UNKNOWN = "runs here", "own price", "genai-prices", "unknown"

# Where the price list calls a provider otherwise than its preset does.
_LISTED = {"gemini": "google"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """Everything needed to price calls of one model, also outside any workspace's scope.

    Attributes:
        is_free: It runs here, or only plays.
        own: The price that its row states.
        name: Its name in the price list.
        provider: Its provider's name there, where the preset tells.
        base_url: Otherwise its provider's address, by which the list knows it.
    """

    is_free: bool
    own: Price | None
    name: str
    provider: str
    base_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """An amount and where it comes from; the amount is None where nobody knows."""

    amount: Decimal | None
    source: str


def tariff_of(model: ModelInfo) -> Tariff:
    """Return how calls of `model` are priced in the workspace in scope."""
    known = configuration.current()
    source = known.sources.get(model.source_id) if model.source_id else None
    preset = source.preset if source else ""
    return Tariff(
        is_free=model.in_process or registry.is_free(model),
        own=known.prices.get(model.id),
        name=known.price_keys.get(model.id) or model.id.partition("/")[2],
        provider=_LISTED.get(preset, preset),
        base_url=source.base_url if source else installed_endpoint(),
    )


def embedding_tariff(model: str, *, is_free: bool) -> Tariff:
    """Return how an embedding model of the installation's own endpoint is priced."""
    return Tariff(
        is_free=is_free,
        own=None,
        name=model.partition("/")[2],
        provider="",
        base_url=installed_endpoint(),
    )


def cost_of(tariff: Tariff, usage: Usage) -> Cost:
    """Return what `usage` costs, never less than nothing, whatever the provider reported.

    Reads the price list at its first use (half a second).
    """
    usage = _plausible(usage)
    if tariff.is_free:
        return Cost(amount=Decimal(0), source=FREE)
    if tariff.own is not None:
        return Cost(amount=_own_cost(tariff.own, usage), source=OWN)
    amount = _listed_cost(tariff, usage)
    return Cost(amount=amount, source=LIST if amount is not None else UNKNOWN)


def _plausible(usage: Usage) -> Usage:
    prompt = max(usage.prompt_tokens, 0)
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=max(usage.completion_tokens, 0),
        estimated=usage.estimated,
        cached_tokens=min(max(usage.cached_tokens, 0), prompt),
    )


def _own_cost(price: Price, usage: Usage) -> Decimal:
    fresh = usage.prompt_tokens - usage.cached_tokens
    total = (
        price.input * fresh
        + price.cached * usage.cached_tokens
        + price.output * usage.completion_tokens
    )
    return total / _MILLION


def _listed_cost(tariff: Tariff, usage: Usage) -> Decimal | None:
    # A name alone is not enough: a server of one's own may call its model like a cloud's.
    if tariff.provider:
        where = {"provider_id": tariff.provider}
    elif tariff.base_url:
        where = {"provider_api_url": tariff.base_url}
    else:
        return None
    prices = _price_list()
    told = prices.Usage(
        input_tokens=usage.prompt_tokens,
        cache_read_tokens=usage.cached_tokens,
        output_tokens=usage.completion_tokens,
    )
    try:
        return Decimal(prices.calc_price(told, model_ref=tariff.name, **where).total_price)
    except LookupError:  # neither this provider nor this model is in the list
        _note_unknown(tariff.name, tariff.provider or tariff.base_url)
        return None


@lru_cache(maxsize=4096)
def listed_price(*, name: str, preset: str, base_url: str) -> tuple[Decimal, Decimal] | None:
    """Return US dollars for a million tokens read and written, by the price list; None: unknown.

    Of a short question: some models cost more for long ones.
    """
    tariff = Tariff(
        is_free=False,
        own=None,
        name=name,
        provider=_LISTED.get(preset, preset),
        base_url=base_url,
    )
    asked = Usage(prompt_tokens=1000, completion_tokens=0, estimated=False)
    answered = Usage(prompt_tokens=0, completion_tokens=1000, estimated=False)
    read, written = _listed_cost(tariff, asked), _listed_cost(tariff, answered)
    return None if read is None or written is None else (read * 1000, written * 1000)


@lru_cache(maxsize=1)
def _price_list() -> ModuleType:
    # Its tables take 0.4 s to import and most installations never need them.
    return import_module("genai_prices")


@lru_cache(maxsize=1024)
def _note_unknown(name: str, provider: str) -> None:
    logger.warning("price.unknown", model=name, provider=provider)
