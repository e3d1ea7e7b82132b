"""Providers: setting them up, changing them, taking their keys.

A key goes in and never comes out. It belongs to the address it was given for: whoever could point
a provider elsewhere and keep its key would have the key sent to wherever they like.
"""

from collections import defaultdict
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from pydantic import ValidationError

from apps.core import http
from apps.core.clock import now
from apps.core.crypto import seal
from apps.core.errors import Conflict, InvalidInput
from apps.core.scope import Actor
from apps.providers import configuration, registry, sources
from apps.providers.domain.addresses import (
    AddressProblem,
    host_of,
    normal_address,
    origin_of,
    shape_problem,
    written_address,
)
from apps.providers.domain.presets import OTHER, PRESETS, Preset, presets_for
from apps.providers.domain.settings import (
    BUILT_IN_ADAPTER,
    RESERVED_SLUGS,
    ModelFields,
    ProviderFields,
    ProviderView,
)
from apps.providers.models import Model, Provider
from apps.providers.services import models as provider_models
from apps.providers.services.access import (
    access_provider,
    owned,
    record_setting,
    refuse_nul,
    require_administrator,
    visible,
)
from apps.providers.services.views import provider_view

PROVIDERS_MAX = 50  # of one workspace
KEY_MAX_CHARACTERS = 4000
_HINT_CHARACTERS = 4
_HINT_FROM = 12  # a shorter key would be half told by its hint
_FIXED = ("slug", "preset")
_KEY_COLUMNS = ("sealed_key", "key_hint", "key_refused_at", "updated_at")
_NULLABLE = frozenset({"requests_per_minute", "tokens_per_minute", "concurrent_calls"})


# -- reading


def list_presets(*, actor: Actor) -> tuple[Preset, ...]:
    """Return what the actor may start from here.

    Raises:
        KarenError: As `require_administrator`.
    """
    return presets_for(platform=require_administrator(actor) is None)


def list_adapters(*, actor: Actor) -> tuple[str, ...]:
    """Return the ways of speaking that a provider may have here; the usual one first.

    Raises:
        KarenError: As `require_administrator`.
    """
    return _adapters_for(require_administrator(actor))


def list_providers(*, actor: Actor) -> tuple[ProviderView, ...]:
    """Return the providers of the workspace, then those of the platform.

    Raises:
        KarenError: As `require_administrator`.
    """
    owner_id = require_administrator(actor)
    rows = sorted(
        Provider.objects.filter(visible(owner_id)),
        key=lambda row: (row.tenant_id is None, row.slug),
    )
    models: defaultdict[UUID, list[Model]] = defaultdict(list)
    for model in Model.objects.filter(provider__in=rows).order_by("position", "name"):
        models[model.provider_id].append(model)
    own = {row.slug for row in rows if row.tenant_id is not None and row.is_enabled}
    return tuple(
        provider_view(
            row,
            actor=actor,
            models=models[row.id],
            is_hidden=row.tenant_id is None and row.slug in own,
        )
        for row in rows
    )


def get_provider(*, actor: Actor, provider_id: UUID) -> ProviderView:
    """Return one provider of the workspace or the platform.

    Raises:
        ProviderNotFound: It does not exist, or is another workspace's.
        KarenError: As `require_administrator`.
    """
    return _view(access_provider(actor=actor, provider_id=provider_id, change=False), actor)


def _view(row: Provider, actor: Actor) -> ProviderView:
    models = list(Model.objects.filter(provider=row).order_by("position", "name"))
    return provider_view(row, actor=actor, models=models)


# -- changing


@sensitive_variables("key")
@transaction.atomic  # not durable: the console saves inside its own transaction
def create_provider(
    *, actor: Actor, fields: ProviderFields, key: str = "", models: tuple[str, ...] = ()
) -> ProviderView:
    """Set up a provider, with its key and first models.

    What is not given comes from the preset.

    Raises:
        InvalidInput: A field does not fit; says which and why.
        Conflict: There is one of this slug already, or there are too many.
        KarenError: As `require_administrator`.
    """
    owner_id = require_administrator(actor)
    preset = _preset(fields.preset, owner_id)
    slug = fields.slug or preset.slug
    check_slug(slug)
    if Provider.objects.filter(owned(owner_id)).count() >= PROVIDERS_MAX:
        raise Conflict(_("There are too many providers already. Delete one first."))
    given = fields.model_dump(exclude_unset=True, exclude=set(_FIXED))
    row = Provider(
        tenant_id=owner_id, slug=slug, preset="" if preset.slug == OTHER else preset.slug
    )
    _write(row, {"label": preset.label, "base_url": preset.base_url} | given, owner_id)
    row.label = row.label or preset.label
    row.updated_at = now()
    if key:
        _keep_key(row, key)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        raise Conflict(_("There is a provider of this name already.")) from None
    record_setting("provider.created", row, new={"preset": row.preset, "base_url": row.base_url})
    for position, name in enumerate(dict.fromkeys(models)):
        provider_models.insert_model(row, _named_model(name, position))
    configuration.changed()
    return _view(row, actor)


def _named_model(name: str, position: int) -> ModelFields:
    try:
        return ModelFields(name=name, position=position)
    except ValidationError as error:
        problem = _("“%(name)s” cannot be the name of a model.") % {"name": name[:60]}
        raise InvalidInput(fields={"models": [problem]}) from error


@transaction.atomic  # not durable: the console saves inside its own transaction
def change_provider(*, actor: Actor, provider_id: UUID, fields: ProviderFields) -> ProviderView:
    """Change the given fields; another address or adapter forgets the key.

    Raises:
        InvalidInput: A field does not fit; says which and why.
        ProviderNotFound: It does not exist, or is another workspace's.
        OfferedByPlatform: It is the platform's.
        KarenError: As `require_administrator`.
    """
    row = access_provider(actor=actor, provider_id=provider_id)
    given = fields.model_dump(exclude_unset=True)
    for name in _FIXED:
        if given.pop(name, getattr(row, name)) != getattr(row, name):
            problem = _("This cannot be changed: the ids of its models go by it.")
            raise InvalidInput(fields={name: [problem]})
    old = {name: getattr(row, name) for name in given}
    before = (origin_of(row.base_url), row.adapter)
    _write(row, given, row.tenant_id)
    changed = {name: value for name, value in old.items() if getattr(row, name) != value}
    if not changed:
        return _view(row, actor)
    if (origin_of(row.base_url), row.adapter) != before:
        _forget_key(row)
    row.updated_at = now()
    row.save(update_fields=[*changed, *_KEY_COLUMNS])
    new = {name: getattr(row, name) for name in changed}
    record_setting("provider.changed", row, old=changed, new=new)
    configuration.changed()
    return _view(row, actor)


@transaction.atomic  # not durable: the console saves inside its own transaction
def delete_provider(*, actor: Actor, provider_id: UUID) -> None:
    """Delete a provider with its key and models; calls under way end as they would have.

    Raises:
        ProviderNotFound: It does not exist, or is another workspace's.
        OfferedByPlatform: It is the platform's.
        KarenError: As `require_administrator`.
    """
    row = access_provider(actor=actor, provider_id=provider_id)
    record_setting("provider.deleted", row, old={"base_url": row.base_url})
    row.delete()
    configuration.changed()


@sensitive_variables("key")
@transaction.atomic  # not durable: the console saves inside its own transaction
def set_provider_key(*, actor: Actor, provider_id: UUID, key: str) -> ProviderView:
    """Keep a key, sealed; it replaces the one before and is asked with from the next call on.

    Raises:
        InvalidInput: It cannot be a key.
        ProviderNotFound: The provider does not exist, or is another workspace's.
        OfferedByPlatform: It is the platform's.
        KarenError: As `require_administrator`.
    """
    row = access_provider(actor=actor, provider_id=provider_id)
    _keep_key(row, key)
    _save_key(row)
    record_setting("provider.key_set", row)
    configuration.changed()
    return _view(row, actor)


@transaction.atomic  # not durable: the console saves inside its own transaction
def remove_provider_key(*, actor: Actor, provider_id: UUID) -> ProviderView:
    """Forget a provider's key; a repeat changes nothing.

    Raises:
        ProviderNotFound: The provider does not exist, or is another workspace's.
        OfferedByPlatform: It is the platform's.
        KarenError: As `require_administrator`.
    """
    row = access_provider(actor=actor, provider_id=provider_id)
    if row.sealed_key is not None:
        _forget_key(row)
        _save_key(row)
        record_setting("provider.key_removed", row)
        configuration.changed()
    return _view(row, actor)


def _save_key(row: Provider) -> None:
    row.updated_at = now()
    row.save(update_fields=_KEY_COLUMNS)


def _keep_key(row: Provider, key: str) -> None:
    text = check_key(key)
    row.sealed_key = seal(
        text.encode(),
        key=sources.sealing_key(row.tenant_id),
        place=sources.place_of_key(row.id),
    )
    row.key_hint = text[-_HINT_CHARACTERS:] if len(text) >= _HINT_FROM else ""
    row.key_refused_at = None


def _forget_key(row: Provider) -> None:
    row.sealed_key, row.key_hint, row.key_refused_at = None, "", None


# -- what may be written


def _write(row: Provider, given: dict[str, object], owner_id: UUID | None) -> None:
    refuse_nul(given)
    for name, value in given.items():
        if value is None and name not in _NULLABLE:
            raise InvalidInput(fields={name: [_("This cannot be empty.")]})
        setattr(row, name, " ".join(str(value).split()) if name == "label" else value)
    check_adapter(row.adapter, owner_id=owner_id)
    if {"base_url", "adapter"} & set(given):
        row.base_url = normal_address(row.base_url)
        check_address(row.base_url, owner_id=owner_id, required=row.adapter == BUILT_IN_ADAPTER)


def check_slug(slug: str) -> None:
    """Refuse a slug that Karen's own models have.

    Raises:
        InvalidInput: It is one.
    """
    if slug in RESERVED_SLUGS or slug in _installed_kinds():
        problem = _("This name is taken by Karen's own models. Choose another one.")
        raise InvalidInput(fields={"slug": [problem]})


def check_adapter(name: str, *, owner_id: UUID | None) -> None:
    """Refuse a way of speaking that is not installed, or not allowed to workspaces.

    Raises:
        InvalidInput: It is not.
    """
    if name not in _adapters_for(owner_id):
        raise InvalidInput(fields={"adapter": [_("No adapter of this name may be used here.")]})


def check_key(key: str) -> str:
    """Return a key without blanks around it.

    Raises:
        InvalidInput: It cannot be a key.
    """
    text = key.strip()
    # It travels in a header: a blank or a line break inside would be refused there, or worse.
    is_plain = text.isascii() and text.isprintable() and " " not in text
    if not text or len(text) > KEY_MAX_CHARACTERS or not is_plain:
        problem = _("This cannot be a key: paste it as the provider shows it, without blanks.")
        raise InvalidInput(fields={"key": [problem]})
    return text


def check_address(url: str, *, owner_id: UUID | None, required: bool = True) -> None:
    """Refuse an address that may not be set up; a workspace's must be public and https.

    Raises:
        InvalidInput: It may not; says why.
    """
    if not url and not required:
        return
    problem = shape_problem(url, private_allowed=owner_id is None)
    if problem is None:
        reach = http.Reach.PRIVATE_TOO if owner_id is None else http.Reach.PUBLIC
        written = written_address(host_of(url))
        if written is None or http.may_reach(written, reach):
            return
        problem = AddressProblem.PRIVATE
    raise InvalidInput(fields={"base_url": [_address_words(problem)]})


def _address_words(problem: AddressProblem) -> str:
    match problem:
        case AddressProblem.MISSING:
            return _("Say where the provider is, such as https://api.example.com/v1.")
        case AddressProblem.SHAPE:
            return _("This is no address of an API. It looks like https://api.example.com/v1.")
        case AddressProblem.HTTPS:
            return _("Keys travel to this address: it must begin with https://.")
        case AddressProblem.PRIVATE:
            return _("This address may not be contacted. Use a public one.")


def _preset(slug: str, owner_id: UUID | None) -> Preset:
    preset = PRESETS.get(slug or OTHER)
    if preset is None:
        raise InvalidInput(fields={"preset": [_("There is no such preset.")]})
    if preset.platform_only and owner_id is not None:
        problem = _("Servers with private addresses are set up by the platform's operators.")
        raise InvalidInput(fields={"preset": [problem]})
    return preset


def _installed_kinds() -> frozenset[str]:
    # `openai` is both the installation's endpoint and what everybody calls their own.
    return frozenset(each.kind for each in registry.providers()) - {"openai"}


def _adapters_for(owner_id: UUID | None) -> tuple[str, ...]:
    installed = [name for name in registry.wire_names() if name != BUILT_IN_ADAPTER]
    if owner_id is not None:
        allowed = {name.strip() for name in settings.WORKSPACE_ADAPTERS.split(",")}
        installed = [name for name in installed if name in allowed]
    return (BUILT_IN_ADAPTER, *installed)
