"""Trying a provider out: does it answer, with this key, this model? And which models has it?

No database connection is held while the provider is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast
from uuid import UUID

from django.db import transaction
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from apps.core.concurrency import run_async
from apps.core.crypto import UnsealError, unseal
from apps.core.errors import Conflict
from apps.core.ratelimit import Limit, enforce
from apps.core.scope import Actor
from apps.providers import configuration, pricing, sources
from apps.providers.domain.examination import (
    Ending,
    Step,
    StepReport,
    is_worth_asking,
    overall,
)
from apps.providers.domain.listings import ListedModel
from apps.providers.domain.presets import PRESETS
from apps.providers.domain.profiles import profile_of
from apps.providers.domain.settings import BUILT_IN_ADAPTER, DiscoveredModel, ModelView
from apps.providers.models import Model, Provider
from apps.providers.registry import Endpoint
from apps.providers.services import models
from apps.providers.services.access import access_provider, record_setting
from apps.providers.services.advice import advice_for, step_words

if TYPE_CHECKING:
    from collections.abc import Coroutine

_EXAMINING = "apps.providers.adapters.examining"
_examinations = Limit(name="providers.examine", burst=30, period_s=60.0)


class _Listing(Protocol):
    """What `adapters.examining` returns; it is not imported here, for the sake of its SDK."""

    @property
    def report(self) -> StepReport: ...

    @property
    def models(self) -> tuple[ListedModel, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminedStep:
    """One step of an examination, for people."""

    step: Step
    ending: Ending
    title: str
    http_status: int | None
    took_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What came out when a provider was tried.

    Attributes:
        ok: It works.
        ending: The code of what decided; stable.
        summary: What happened, one sentence.
        advice: What to do about it; empty where nothing is.
        steps: Everything that was tried, in order.
        models_listed: How many models it says it has; None where it does not say.
    """

    ok: bool
    ending: Ending
    summary: str
    advice: str
    steps: tuple[ExaminedStep, ...]
    models_listed: int | None


def examine_provider(*, actor: Actor, provider_id: UUID, model: str = "") -> Examination:
    """Ask a provider for its models and, with `model`, that one a short question.

    A provider whose key was refused before and that answers now is asked again by calls.

    Raises:
        Conflict: Its adapter lists no models, and none was added to ask.
        RateLimited: Too many examinations in a short time.
        ProviderNotFound: It does not exist, or is another workspace's.
        OfferedByPlatform: It is the platform's.
        KarenError: As `require_administrator`.
    """
    row = _row_to_examine(actor, provider_id)
    if not model and row.adapter != BUILT_IN_ADAPTER:  # there is nothing else to try
        first = Model.objects.filter(provider=row, is_enabled=True, is_embedder=False).first()
        if first is None:
            raise Conflict(_("Add a model first: there is nothing to ask yet."))
        model = first.name
    reports, listed = _reports(row, model)
    deciding = overall(reports)
    _keep_outcome(row, deciding)
    summary, advice = advice_for(deciding.ending)
    return Examination(
        ok=deciding.ending is Ending.OK,
        ending=deciding.ending,
        summary=summary,
        advice=advice,
        steps=tuple(_told(report) for report in reports),
        models_listed=listed,
    )


def discover_models(*, actor: Actor, provider_id: UUID) -> tuple[DiscoveredModel, ...]:
    """Return the models that a provider lists, with what is known of each.

    Raises:
        Conflict: It lists none; says why.
        RateLimited: Too many examinations in a short time.
        ProviderNotFound: It does not exist, or is another workspace's.
        OfferedByPlatform: It is the platform's.
        KarenError: As `require_administrator`.
    """
    row = _row_to_examine(actor, provider_id)
    if row.adapter != BUILT_IN_ADAPTER:
        raise Conflict(
            _("Providers with an adapter of their own list no models: add them by name.")
        )
    endpoint = _endpoint(row)
    ending = Ending.KEY_UNREADABLE
    if endpoint is not None:
        listing = _list(row, endpoint)
        ending = listing.report.ending
    if endpoint is None or ending is not Ending.OK:
        raise Conflict(" ".join(advice_for(ending)))
    added = set(Model.objects.filter(provider=row).values_list("name", flat=True))
    return tuple(_discovered(row, each, is_added=each.name in added) for each in listing.models)


def adopt_models(*, actor: Actor, provider_id: UUID, names: Sequence[str]) -> tuple[ModelView, ...]:
    """Ask a provider for its models and add those of these names, with what it tells of them.

    Raises:
        KarenError: As `discover_models` and `models.add_discovered`.
    """
    wanted = set(names)
    found = discover_models(actor=actor, provider_id=provider_id)
    chosen = [each for each in found if each.name in wanted]
    return models.add_discovered(actor=actor, provider_id=provider_id, found=chosen)


def _row_to_examine(actor: Actor, provider_id: UUID) -> Provider:
    with transaction.atomic(durable=True):
        row = access_provider(actor=actor, provider_id=provider_id)
    enforce(_examinations, str(row.tenant_id or "platform"))
    return row


def _endpoint(row: Provider) -> Endpoint | None:
    key = ""
    if row.sealed_key is not None:
        place = sources.place_of_key(row.id)
        try:
            sealing = sources.sealing_key(row.tenant_id)
            key = unseal(bytes(row.sealed_key), key=sealing, place=place).decode()
        except UnsealError:
            return None
    private = row.tenant_id is None
    return Endpoint(base_url=row.base_url, api_key=key, allow_private=private, label=row.label)


def _reports(row: Provider, model: str) -> tuple[tuple[StepReport, ...], int | None]:
    endpoint = _endpoint(row)
    if endpoint is None:
        return (StepReport(step=Step.PREPARE, ending=Ending.KEY_UNREADABLE),), None
    reports: list[StepReport] = []
    listed = None
    if row.adapter == BUILT_IN_ADAPTER:
        listing = _list(row, endpoint)
        reports.append(listing.report)
        if listing.report.ending is Ending.OK:
            listed = len(listing.models)
        if not is_worth_asking(listing.report):
            return tuple(reports), listed
    if model:
        ask = import_string(f"{_EXAMINING}.ask_shortly")
        asking = ask(endpoint, row.adapter, model_id=f"{row.slug}/{model}")
        reports.append(run_async(cast("Coroutine[Any, Any, StepReport]", asking)))
    return tuple(reports), listed


def _list(row: Provider, endpoint: Endpoint) -> _Listing:
    # By dotted path: the SDK beside it takes half a second to import.
    fetch = import_string(f"{_EXAMINING}.fetch_models")
    preset = PRESETS.get(row.preset)
    prefix = preset.listed_prefix if preset else ""
    return run_async(cast("Coroutine[Any, Any, _Listing]", fetch(endpoint, prefix=prefix)))


def _told(report: StepReport) -> ExaminedStep:
    return ExaminedStep(
        step=report.step,
        ending=report.ending,
        title=step_words(report.step),
        http_status=report.http_status,
        took_ms=report.took_ms,
    )


@transaction.atomic(durable=True)
def _keep_outcome(row: Provider, deciding: StepReport) -> None:
    if deciding.ending is Ending.OK and row.key_refused_at is not None:
        # Only of the key that was tried: another one may have been set meanwhile.
        cleared = Provider.objects.filter(pk=row.pk, updated_at=row.updated_at)
        if cleared.update(key_refused_at=None):
            configuration.changed()
    record_setting("provider.examined", row, new={"ending": str(deciding.ending)})


def _discovered(row: Provider, listed: ListedModel, *, is_added: bool) -> DiscoveredModel:
    profile = profile_of(listed.name)
    facts = ("context_tokens", "supports_tools", "supports_vision", "supports_reasoning")
    prices = pricing.listed_price(name=listed.name, preset=row.preset, base_url=row.base_url)
    known = {
        "context_tokens": profile.context_tokens,
        "supports_tools": profile.supports_tools,
        "supports_vision": profile.vision,
        "supports_reasoning": profile.reasoning or profile.shows_reasoning,
    }
    told = {name: getattr(listed, name) for name in facts if getattr(listed, name) is not None}
    return DiscoveredModel(
        name=listed.name,
        label=listed.name,
        **{**known, **told},
        is_embedder=listed.is_embedder or False,
        told=tuple(told),
        price_source=pricing.LIST if prices else pricing.UNKNOWN,
        input_price=prices[0] if prices else None,
        output_price=prices[1] if prices else None,
        is_added=is_added,
    )
