"""Routing policies: written as JSON, refused where they do not say what routing understands."""

import json
from collections.abc import Mapping
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from pydantic import ValidationError

from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput
from apps.core.scope import Actor
from apps.providers import configuration
from apps.providers.domain.routing_rules import Conditions, Fallbacks, Policy, Routes
from apps.providers.domain.settings import PolicyFields, PolicyView
from apps.providers.errors import RoutingPolicyNotFound
from apps.providers.models import RoutingPolicy
from apps.providers.services.access import (
    access_policy,
    owned,
    problems_of,
    record_setting,
    refuse_nul,
    require_administrator,
    visible,
)
from apps.providers.services.views import is_of_scope, origin_of_row

POLICIES_MAX = 100  # of one workspace
PART_MAX_CHARACTERS = 20_000
_PARTS = ("conditions", "routes", "fallbacks")


def list_routing_policies(*, actor: Actor) -> tuple[PolicyView, ...]:
    """Return the policies in the order in which they are asked: the workspace's, the platform's.

    Raises:
        KarenError: As `require_administrator`.
    """
    rows = RoutingPolicy.objects.filter(visible(require_administrator(actor)))
    ordered = sorted(rows, key=lambda row: (row.tenant_id is None, row.position, row.name))
    return tuple(_view(row) for row in ordered)


def get_routing_policy(*, actor: Actor, policy_id: UUID) -> PolicyView:
    """Return one policy.

    Raises:
        RoutingPolicyNotFound: It does not exist, or is another workspace's.
        KarenError: As `require_administrator`.
    """
    rows = RoutingPolicy.objects.filter(visible(require_administrator(actor)), pk=policy_id)
    row = rows.first()
    if row is None:
        raise RoutingPolicyNotFound
    return _view(row)


@transaction.atomic  # not durable: the console saves inside its own transaction
def create_routing_policy(*, actor: Actor, fields: PolicyFields) -> PolicyView:
    """Add a policy.

    Raises:
        InvalidInput: Something in it does not fit; says where.
        Conflict: There is one of this name, or there are too many.
        KarenError: As `require_administrator`.
    """
    owner_id = require_administrator(actor)
    if RoutingPolicy.objects.filter(owned(owner_id)).count() >= POLICIES_MAX:
        raise Conflict(_("There are too many policies already. Delete one first."))
    row = RoutingPolicy(tenant_id=owner_id)
    _write(row, fields)
    _save(row, insert=True)
    record_setting("routing_policy.created", row, new=_told(row))
    configuration.changed()
    return _view(row)


@transaction.atomic  # not durable: the console saves inside its own transaction
def change_routing_policy(*, actor: Actor, policy_id: UUID, fields: PolicyFields) -> PolicyView:
    """Change the given fields of a policy; each of its three parts is replaced as a whole.

    Raises:
        InvalidInput: Something in it does not fit; says where.
        Conflict: There is another one of this name.
        RoutingPolicyNotFound: It does not exist, or is another workspace's.
        OfferedByPlatform: It is the platform's.
        KarenError: As `require_administrator`.
    """
    row = access_policy(actor=actor, policy_id=policy_id)
    old = _told(row)
    _write(row, fields)
    if _told(row) != old:
        _save(row, insert=False)
        record_setting("routing_policy.changed", row, old=old, new=_told(row))
        configuration.changed()
    return _view(row)


@transaction.atomic  # not durable: the console saves inside its own transaction
def delete_routing_policy(*, actor: Actor, policy_id: UUID) -> None:
    """Delete a policy.

    Raises:
        RoutingPolicyNotFound: It does not exist, or is another workspace's.
        OfferedByPlatform: It is the platform's.
        KarenError: As `require_administrator`.
    """
    row = access_policy(actor=actor, policy_id=policy_id)
    record_setting("routing_policy.deleted", row, old=_told(row))
    row.delete()
    configuration.changed()


def parse_parts(texts: dict[str, str]) -> dict[str, object]:
    """Return the parts of a policy that were written as JSON texts; an empty one says nothing.

    Raises:
        InvalidInput: One is no JSON object; says which and where.
    """
    parts: dict[str, object] = {}
    for name, text in texts.items():
        try:
            parts[name] = json.loads(text) if text.strip() else {}
        except (json.JSONDecodeError, RecursionError) as error:
            where = getattr(error, "lineno", 1), getattr(error, "colno", 1)
            problem = _("This is no JSON: look at line %(line)d, column %(column)d.")
            raise InvalidInput(
                fields={name: [problem % {"line": where[0], "column": where[1]}]}
            ) from error
        if not isinstance(parts[name], dict):
            raise InvalidInput(fields={name: [_("Write an object in braces, such as {}.")]})
    return parts


def check_parts(parts: Mapping[str, object]) -> None:
    """Refuse parts of a policy that routing does not understand.

    Raises:
        InvalidInput: Something in them does not fit; says where.
    """
    row = RoutingPolicy(name="?")
    try:
        fields = PolicyFields.model_validate({"name": "?", **parts})
    except ValidationError as error:
        raise InvalidInput(fields=problems_of(error)) from error
    _write(row, fields)


def _write(row: RoutingPolicy, fields: PolicyFields) -> None:
    given = fields.model_dump(exclude_unset=True)
    refuse_nul(given)
    for name, value in given.items():
        setattr(row, name, " ".join(value.split()) if name == "name" else value)
    if not row.name:
        raise InvalidInput(fields={"name": [_("Give the policy a name.")]})
    _check_sizes(row)
    problems: dict[str, list[str]] = {}
    shapes: dict[str, type[Conditions | Routes | Fallbacks]] = {
        "conditions": Conditions,
        "routes": Routes,
        "fallbacks": Fallbacks,
    }
    for name, shape in shapes.items():
        try:
            kept = shape.model_validate(getattr(row, name))
        except ValidationError as error:
            problems |= problems_of(error, below=name)
        else:
            setattr(row, name, kept.model_dump(mode="json", exclude_defaults=True))
    if problems:
        raise InvalidInput(fields=problems)
    policy = Policy.from_stored(row.name, row.conditions, row.routes, row.fallbacks)
    problems = _nonsense(policy)
    if "\\u0000" in json.dumps([row.conditions, row.routes, row.fallbacks]):
        problems["routes"] = [_("The character NUL cannot be stored: remove it.")]
    if problems:
        raise InvalidInput(fields=problems)


def _check_sizes(row: RoutingPolicy) -> None:
    for name in _PARTS:
        try:
            size = len(json.dumps(getattr(row, name)))
        except RecursionError:
            size = PART_MAX_CHARACTERS + 1
        if size > PART_MAX_CHARACTERS:
            raise InvalidInput(fields={name: [_("This is too long for one policy.")]})


def _nonsense(policy: Policy) -> dict[str, list[str]]:
    """Return what has the right shape and can never hold, by its place."""
    problems: dict[str, list[str]] = {}
    conditions, routes = policy.conditions, policy.routes
    if conditions.hours is not None and not all(0 <= hour <= 24 for hour in conditions.hours):
        problems["conditions.hours"] = [_("Hours go from 0 to 24.")]
    if not all(0 <= day <= 6 for day in conditions.weekdays):
        problems["conditions.weekdays"] = [_("Days go from 0 (Monday) to 6 (Sunday).")]
    least, most = conditions.min_tokens, conditions.max_tokens
    if least is not None and most is not None and least > most:
        problems["conditions.max_tokens"] = [_("This is less than min_tokens.")]
    if routes.targets and not any(target.weight for target in routes.targets):
        problems["routes.targets"] = [_("At least one target needs a weight above 0.")]
    return problems


def _save(row: RoutingPolicy, *, insert: bool) -> None:
    row.updated_at = now()
    try:
        with transaction.atomic():
            row.save(force_insert=insert, force_update=not insert)
    except IntegrityError:
        raise Conflict(_("There is a policy of this name already.")) from None


def _told(row: RoutingPolicy) -> dict[str, object]:
    names = ("name", "position", "is_enabled", *_PARTS)
    return {name: getattr(row, name) for name in names}


def _view(row: RoutingPolicy) -> PolicyView:
    return PolicyView(
        id=row.id,
        name=row.name,
        origin=origin_of_row(row.tenant_id),
        is_editable=is_of_scope(row.tenant_id),
        position=row.position,
        is_enabled=row.is_enabled,
        conditions=row.conditions,
        routes=row.routes,
        fallbacks=row.fallbacks,
        updated_at=row.updated_at,
    )
