"""A workspace's settings of the gateway, and the platform's, which hold where it has none."""

from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from apps.audit import services as audit
from apps.core.clock import now
from apps.core.errors import InvalidInput
from apps.core.scope import Actor
from apps.providers import configuration, selectors
from apps.providers.domain.settings import GatewayFields, GatewayView
from apps.providers.models import GatewaySettings
from apps.providers.services.access import owned, refuse_nul, require_administrator

_NAMES = tuple(GatewayFields.model_fields)
_NULLABLE = frozenset(_NAMES) - {"default_model", "cache_ttl_s"}


def get_gateway_settings(*, actor: Actor) -> GatewayView:
    """Return the settings that hold here.

    Raises:
        KarenError: As `require_administrator`.
    """
    owner_id = require_administrator(actor)
    own = GatewaySettings.objects.filter(owned(owner_id)).first()
    return _view(own or _inherited(owner_id), is_own=own is not None)


@transaction.atomic  # not durable: the console saves inside its own transaction
def change_gateway_settings(*, actor: Actor, fields: GatewayFields) -> GatewayView:
    """Change the given settings; the first change of a workspace begins from the platform's.

    Raises:
        InvalidInput: A value does not fit; says which and why.
        KarenError: As `require_administrator`.
    """
    owner_id = require_administrator(actor)
    given = fields.model_dump(exclude_unset=True)
    refuse_nul(given)
    for name, value in given.items():
        if value is None and name not in _NULLABLE:
            raise InvalidInput(fields={name: [_("This cannot be empty.")]})
    if given.get("default_model") and selectors.find_model(given["default_model"]) is None:
        raise InvalidInput(fields={"default_model": [_("There is no such model here.")]})
    row = _own_row(owner_id)
    old = {name: getattr(row, name) for name in given}
    for name, value in given.items():
        setattr(row, name, value)
    changed = {name: value for name, value in old.items() if getattr(row, name) != value}
    if changed:
        row.updated_at = now()
        row.save(update_fields=[*changed, "updated_at"])
        audit.record(
            action="gateway.settings_changed",
            target_type="gatewaysettings",
            target_id=row.pk,
            target_label=str(row),
            old=changed,
            new={name: getattr(row, name) for name in changed},
        )
        configuration.changed()
    return _view(row, is_own=True)


def _own_row(owner_id: UUID | None) -> GatewaySettings:
    inherited = _inherited(owner_id)
    mine = GatewaySettings.objects.filter(owned(owner_id))
    if not mine.exists():
        # Two first changes at once: the second finds the row of the first, and waits for its lock.
        values = {name: getattr(inherited, name) for name in _NAMES}
        row = GatewaySettings(tenant_id=owner_id, **values)
        GatewaySettings.objects.bulk_create([row], ignore_conflicts=True)
    return mine.select_for_update().get()


def _inherited(owner_id: UUID | None) -> GatewaySettings:
    platform = None
    if owner_id is not None:
        platform = GatewaySettings.objects.filter(tenant_id__isnull=True).first()
    return platform or GatewaySettings()


def _view(row: GatewaySettings, *, is_own: bool) -> GatewayView:
    return GatewayView(is_own=is_own, **{name: getattr(row, name) for name in _NAMES})
