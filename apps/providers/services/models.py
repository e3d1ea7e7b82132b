"""Models of providers: adding, changing, ordering."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from apps.core.errors import Conflict, InvalidInput
from apps.core.scope import Actor
from apps.providers import configuration
from apps.providers.domain.settings import (
    DiscoveredModel,
    ModelFields,
    ModelView,
)
from apps.providers.models import Model, Provider
from apps.providers.services.access import (
    access_model,
    access_provider,
    record_setting,
    refuse_nul,
)
from apps.providers.services.views import model_view

MODELS_MAX = 500  # of one provider
_PRICES = ("input_price", "cached_price", "output_price")
_NULLABLE = frozenset(
    {
        *_PRICES,
        "context_tokens",
        "supports_tools",
        "supports_vision",
        "supports_formats",
        "supports_reasoning",
    }
)


@transaction.atomic  # not durable: the console saves inside its own transaction
def add_model(*, actor: Actor, provider_id: UUID, fields: ModelFields) -> ModelView:
    """Add a model to a provider.

    Raises:
        InvalidInput: A field does not fit; says which and why.
        Conflict: The provider has it already, or has too many.
        KarenError: As `access_provider`.
    """
    provider = access_provider(actor=actor, provider_id=provider_id)
    row = insert_model(provider, fields)
    configuration.changed()
    return model_view(provider, row)


@transaction.atomic  # not durable: the console saves inside its own transaction
def add_discovered(
    *, actor: Actor, provider_id: UUID, found: Sequence[DiscoveredModel]
) -> tuple[ModelView, ...]:
    """Add models that a provider listed, with what it told of them; what is there stays.

    Raises:
        Conflict: The provider would have too many.
        KarenError: As `access_provider`.
    """
    provider = access_provider(actor=actor, provider_id=provider_id)
    known = set(Model.objects.filter(provider=provider).values_list("name", flat=True))
    added = []
    for each in found:
        if each.name in known:
            continue
        told = {name: getattr(each, name) for name in each.told}
        fields = ModelFields(name=each.name, is_embedder=each.is_embedder, **told)
        added.append(insert_model(provider, fields))
    if added:
        configuration.changed()
    return tuple(model_view(provider, row) for row in added)


@transaction.atomic  # not durable: the console saves inside its own transaction
def change_model(
    *, actor: Actor, provider_id: UUID, model_id: UUID, fields: ModelFields
) -> ModelView:
    """Change the given fields of a model.

    Raises:
        InvalidInput: A field does not fit; says which and why.
        Conflict: The provider has another one of this name.
        ProviderModelNotFound: The provider has no such model.
        KarenError: As `access_provider`.
    """
    row = access_model(actor=actor, provider_id=provider_id, model_id=model_id)
    given = fields.model_dump(exclude_unset=True)
    old = {name: getattr(row, name) for name in given}
    _write(row, given)
    changed = {name: value for name, value in old.items() if getattr(row, name) != value}
    if changed:
        _save(row)
        new = {name: getattr(row, name) for name in changed}
        record_setting("provider.model_changed", row, old=changed, new=new)
        configuration.changed()
    return model_view(row.provider, row)


@transaction.atomic  # not durable: the console saves inside its own transaction
def delete_model(*, actor: Actor, provider_id: UUID, model_id: UUID) -> None:
    """Take a model away; what asks for it is told that there is none.

    Raises:
        ProviderModelNotFound: The provider has no such model.
        KarenError: As `access_provider`.
    """
    row = access_model(actor=actor, provider_id=provider_id, model_id=model_id)
    record_setting("provider.model_deleted", row)
    row.delete()
    configuration.changed()


@transaction.atomic  # not durable: the console saves inside its own transaction
def order_models(
    *, actor: Actor, provider_id: UUID, model_ids: Sequence[UUID]
) -> tuple[ModelView, ...]:
    """Put the models of a provider into this order; the first is its best.

    Raises:
        InvalidInput: It does not name each of its models once.
        KarenError: As `access_provider`.
    """
    provider = access_provider(actor=actor, provider_id=provider_id)
    rows = {row.pk: row for row in Model.objects.filter(provider=provider)}
    if len(model_ids) != len(rows) or set(model_ids) != set(rows):
        problem = _("Name each model of the provider once. Reload and try again.")
        raise InvalidInput(fields={"models": [problem]})
    for position, model_id in enumerate(model_ids):
        rows[model_id].position = position
    Model.objects.bulk_update(rows.values(), ["position"])
    ordered = [rows[model_id] for model_id in model_ids]
    names = {"models": [row.name for row in ordered]}
    record_setting("provider.models_ordered", provider, new=names)
    configuration.changed()
    return tuple(model_view(provider, row) for row in ordered)


def insert_model(provider: Provider, fields: ModelFields) -> Model:
    """Add a model in the caller's transaction, the provider being the caller's to change.

    Raises:
        InvalidInput: A field does not fit; says which and why.
        Conflict: The provider has it already, or has too many.
    """
    if Model.objects.filter(provider=provider).count() >= MODELS_MAX:
        raise Conflict(_("The provider has too many models already. Delete one first."))
    row = Model(provider=provider)
    _write(row, fields.model_dump(exclude_unset=True))
    _save(row, insert=True)
    record_setting("provider.model_added", row)
    return row


def _save(row: Model, *, insert: bool = False) -> None:
    try:
        with transaction.atomic():
            row.save(force_insert=insert, force_update=not insert)
    except IntegrityError:
        raise Conflict(_("The provider has a model of this name already.")) from None


def _write(row: Model, given: dict[str, object]) -> None:
    refuse_nul(given)
    for name, value in given.items():
        if value is None and name not in _NULLABLE:
            raise InvalidInput(fields={name: [_("This cannot be empty.")]})
        setattr(row, name, value)
    if not row.name:
        raise InvalidInput(fields={"name": [_("Say what the provider calls the model.")]})
    _check_prices(row)


def _check_prices(row: Model) -> None:
    read, cached, written = (getattr(row, name) for name in _PRICES)
    if (read is None) != (written is None):
        problem = _("Give both prices, for what is read and for what is written, or neither.")
        raise InvalidInput(fields={"output_price" if written is None else "input_price": [problem]})
    if cached is not None and read is None:
        problem = _("A price for cached tokens needs the two others.")
        raise InvalidInput(fields={"cached_price": [problem]})
    if isinstance(cached, Decimal) and cached > read:
        problem = _("What comes from a cache does not cost more than what is read anew.")
        raise InvalidInput(fields={"cached_price": [problem]})
