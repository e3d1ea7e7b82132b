"""Who may set up what: the gate to providers, models, policies and settings.

Whose rows are meant follows from the scope: a workspace's inside one, the platform's outside any.
Operators may do both; everybody else needs `tenant.admin` and stays inside their workspace.
"""

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext as _
from pydantic import ValidationError

from apps.accounts.permissions import TENANT_ADMIN
from apps.audit import services as audit
from apps.core import scope
from apps.core.errors import InvalidInput, NotAuthenticated, PermissionDenied
from apps.core.scope import Actor, ActorKind
from apps.providers.errors import (
    OfferedByPlatform,
    ProviderModelNotFound,
    ProviderNotFound,
    RoutingPolicyNotFound,
)
from apps.providers.models import Model, Provider, RoutingPolicy

_STAFF = frozenset({ActorKind.OPERATOR, ActorKind.SYSTEM})


def require_administrator(actor: Actor) -> UUID | None:
    """Return whose settings the actor may change here: the workspace's id, or None: the platform's.

    Raises:
        NotAuthenticated: Nobody acts.
        PermissionDenied: They do not administer this workspace, or the platform.
    """
    tenant = scope.current()
    if actor.kind in _STAFF:
        return tenant.id if tenant else None
    if actor.id is None:
        raise NotAuthenticated
    if tenant is None or not actor.may(TENANT_ADMIN):
        raise PermissionDenied(TENANT_ADMIN)
    return tenant.id


def is_platform_private(actor: Actor, owner_id: UUID | None) -> bool:
    """Say whether a row of this owner is the platform's and its details are none of the actor's."""
    return owner_id is None and actor.kind not in _STAFF


def owned(owner_id: UUID | None) -> Q:
    """Return the condition for rows of this owner alone."""
    return Q(tenant_id=owner_id)


def visible(owner_id: UUID | None) -> Q:
    """Return the condition for rows of this owner and of the platform."""
    return Q(tenant_id=owner_id) | Q(tenant_id__isnull=True)


def access_provider(*, actor: Actor, provider_id: UUID, change: bool = True) -> Provider:
    """Return a provider that the actor may change (or, with `change` off, see); locked to change.

    Raises:
        NotAuthenticated: Nobody acts.
        PermissionDenied: They do not administer this workspace.
        ProviderNotFound: It does not exist, or is another workspace's.
        OfferedByPlatform: It is the platform's.
    """
    owner_id = require_administrator(actor)
    rows = Provider.objects.filter(visible(owner_id), pk=provider_id)
    row = (rows.select_for_update() if change else rows).first()
    if row is None:
        raise ProviderNotFound
    if change and row.tenant_id != owner_id:
        raise OfferedByPlatform
    return row


def access_model(*, actor: Actor, provider_id: UUID, model_id: UUID) -> Model:
    """Return a model that the actor may change, its provider locked.

    Raises:
        ProviderModelNotFound: The provider has no such model.
        KarenError: As `access_provider`.
    """
    provider = access_provider(actor=actor, provider_id=provider_id)
    row = Model.objects.filter(provider=provider, pk=model_id).first()
    if row is None:
        raise ProviderModelNotFound
    row.provider = provider
    return row


def access_policy(*, actor: Actor, policy_id: UUID) -> RoutingPolicy:
    """Return a routing policy that the actor may change, locked.

    Raises:
        NotAuthenticated: Nobody acts.
        PermissionDenied: They do not administer this workspace.
        RoutingPolicyNotFound: It does not exist, or is another workspace's.
        OfferedByPlatform: It is the platform's.
    """
    owner_id = require_administrator(actor)
    rows = RoutingPolicy.objects.select_for_update().filter(visible(owner_id), pk=policy_id)
    row = rows.first()
    if row is None:
        raise RoutingPolicyNotFound
    if row.tenant_id != owner_id:
        raise OfferedByPlatform
    return row


def refuse_nul(values: Mapping[str, object]) -> None:
    """Refuse the one character that PostgreSQL does not store.

    Raises:
        InvalidInput: A text holds it.
    """
    for name, value in values.items():
        if isinstance(value, str) and "\x00" in value:
            problem = _("The character NUL cannot be stored: remove it.")
            raise InvalidInput(fields={name: [problem]})


def problems_of(error: ValidationError, *, below: str = "") -> dict[str, list[str]]:
    """Return what does not fit, by the path of the value."""
    problems: dict[str, list[str]] = {}
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        path = ".".join(str(part) for part in ([below] if below else []) + list(item["loc"]))
        problems.setdefault(path, []).append(item["msg"])
    return problems


def record_setting(
    action: str,
    row: Provider | Model | RoutingPolicy,
    *,
    old: Mapping[str, object] | None = None,
    new: Mapping[str, object] | None = None,
) -> None:
    """Write down who changed what, in the transaction of the change. Keys never come here."""
    audit.record(
        action=action,
        target_type=row._meta.model_name or "",
        target_id=row.pk,
        target_label=str(row),
        old=plain(old),
        new=plain(new),
    )


def plain(values: Mapping[str, object] | None) -> dict[str, object] | None:
    """Return values as JSON has them."""
    if values is None:
        return None
    return {k: str(v) if isinstance(v, Decimal) else v for k, v in values.items()}
