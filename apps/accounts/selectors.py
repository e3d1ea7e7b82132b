"""Reading people, memberships and sessions.

What a person may do in a workspace is read from the membership each time: a removed member or a
closed account is out with the next request.
"""

from uuid import UUID

from allauth.account import app_settings as allauth_settings
from allauth.account.models import EmailAddress
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.db.models import Q, QuerySet
from django.utils.crypto import constant_time_compare

from apps.accounts.contracts import ApiKeyView, Member, WorkspaceMembership
from apps.accounts.domain import policy
from apps.accounts.errors import ApiKeyNotFound
from apps.accounts.models.api_keys import ApiKey
from apps.accounts.models.memberships import Membership
from apps.accounts.models.roles import Role
from apps.accounts.models.users import User, normalised_email
from apps.accounts.permissions import ALL
from apps.accounts.sessions import SessionStore
from apps.core import scope
from apps.core.scope import Actor, ActorKind, TenantRef
from apps.tenants import selectors as tenants

_ACTIVE_TENANT = "active"  # state of a workspace whose pages are served


def find_member(user_id: UUID, tenant: TenantRef) -> User | None:
    """Return the active user with an active membership in `tenant`, knowing who they are there.

    One query: user, membership and the role with its ancestors (`policy.LINEAGE_MAX` of them).
    """
    membership = (
        _memberships(tenant)
        .select_related("user", "role__parent__parent__parent__parent")
        .filter(user_id=user_id, user__is_active=True)
        .first()
    )
    if membership is None:
        return None
    user: User = membership.user
    user.remember_actor(
        tenant.id,
        Actor(id=user.pk, label=user.label, permissions=role_permissions(membership.role)),
    )
    return user


def actor_for(user_id: UUID, tenant: TenantRef) -> Actor | None:
    """Return who the user is in `tenant`; None for a closed account or without a membership."""
    user = find_member(user_id, tenant)
    return user.remembered_actor(tenant.id) if user else None


def find_role_id(user_id: UUID, tenant: TenantRef) -> UUID | None:
    """Return the role of an active member, or None."""
    members = _memberships(tenant).filter(user_id=user_id)
    return members.values_list("role_id", flat=True).first()


def platform_actor(user: User) -> Actor:
    """Return who the user is on the platform's own host: an operator, or just a person."""
    kind = ActorKind.OPERATOR if user.is_staff else ActorKind.USER
    return Actor(id=user.pk, label=user.label, kind=kind)


def actor_of_session(session_key: str, tenant: TenantRef) -> Actor | None:
    """Return who a session key stands for in `tenant`, or None when it is not valid there.

    Two queries. A changed password ends the session here as it does for HTTP.
    """
    with scope.tenant_scope(tenant):
        data = SessionStore(session_key).load() if session_key else {}
        user_id, session_hash = data.get(SESSION_KEY), data.get(HASH_SESSION_KEY)
        if not user_id or not session_hash:
            return None
        user = find_member(UUID(user_id), tenant)
    if user is None or not constant_time_compare(session_hash, user.get_session_auth_hash()):
        return None
    return user.remembered_actor(tenant.id)


def is_session_valid(session_key: str, tenant: TenantRef) -> bool:
    """Say whether a session key still lets somebody into `tenant`."""
    return actor_of_session(session_key, tenant) is not None


def role_permissions(role: Role) -> frozenset[str]:
    """Return every permission code `role` gives, by itself, by inheritance and by implication."""
    specs: dict[UUID, policy.RoleSpec] = {}
    step: Role | None = role
    while step is not None and step.pk not in specs:
        specs[step.pk] = step.spec()
        step = step.parent
    return policy.permissions_of(role.pk, specs, known=ALL)


def list_workspaces(user_id: UUID) -> tuple[WorkspaceMembership, ...]:
    """Return the active workspaces somebody belongs to, by name."""
    memberships = (
        Membership.objects.filter(user_id=user_id, user__is_active=True, is_active=True)
        .filter(tenant__state=_ACTIVE_TENANT)
        .select_related("tenant", "role")
        .order_by("tenant__name", "tenant__slug")
    )
    found = []
    for membership in memberships:
        tenant = membership.tenant
        ref = TenantRef(id=tenant.id, slug=tenant.slug, schema=tenant.schema_name, name=tenant.name)
        found.append(
            WorkspaceMembership(
                tenant=ref, role=membership.role.code, url=tenants.workspace_url(ref)
            )
        )
    return tuple(found)


def list_members(tenant: TenantRef) -> tuple[Member, ...]:
    """Return the people of a workspace, by address."""
    memberships = _memberships(tenant).select_related("user", "role").order_by("user__email", "id")
    return tuple(
        Member(user_id=m.user_id, email=m.user.email, name=m.user.name, role=m.role.code)
        for m in memberships
    )


def list_roles(tenant: TenantRef) -> dict[UUID, str]:
    """Return the names of the roles that members of a workspace may have: built-in and its own."""
    roles = Role.objects.filter(Q(tenant_id=tenant.id) | Q(tenant_id__isnull=True))
    return dict(roles.values_list("id", "name"))


def list_key_names(tenant: TenantRef) -> dict[UUID, str]:
    """Return what the API keys of a workspace are called, revoked ones included."""
    keys = ApiKey.objects.filter(tenant_id=tenant.id).select_related("user").order_by("id")
    return {key.pk: f"{key.name} ({key.user.label})" for key in keys}


def list_addresses_who_may(tenant: TenantRef, permission: str) -> tuple[str, ...]:
    """Return the e-mail addresses of the active members whose role gives `permission`."""
    memberships = (
        _memberships(tenant)
        .select_related("user", "role__parent__parent__parent__parent")
        .filter(user__is_active=True)
        .order_by("user__email")
    )
    return tuple(m.user.email for m in memberships if permission in role_permissions(m.role))


def list_people_who_may(tenant: TenantRef, permission: str) -> tuple[tuple[UUID, str], ...]:
    """Return (id, label) of the active members whose role gives `permission`, by label.

    The label is the person's name, or the part of the address before the `@`: whoever may choose
    people need not learn their addresses.
    """
    memberships = (
        _memberships(tenant)
        .select_related("user", "role__parent__parent__parent__parent")
        .filter(user__is_active=True)
    )
    people = [
        (membership.user_id, membership.user.name or membership.user.email.partition("@")[0])
        for membership in memberships
        if permission in role_permissions(membership.role)
    ]
    return tuple(sorted(people, key=lambda person: (person[1].lower(), person[0])))


def find_user_id(email: str) -> UUID | None:
    """Return the id of the active account with this address."""
    address = normalised_email(email)
    return User.objects.filter(email=address, is_active=True).values_list("pk", flat=True).first()


def confirmation_is_mandatory() -> bool:
    """Say whether people must prove that their address is theirs; only where mail is sent."""
    methods = allauth_settings.EmailVerificationMethod
    return bool(allauth_settings.EMAIL_VERIFICATION == methods.MANDATORY)


def confirmation_is_missing(user_id: UUID) -> bool:
    """Say whether the person must still confirm an address before they may go on."""
    if not confirmation_is_mandatory():
        return False
    return not EmailAddress.objects.filter(user_id=user_id, verified=True).exists()


def list_api_keys(*, actor: Actor) -> QuerySet[ApiKey]:
    """Return the actor's own keys to the workspace in scope that were not revoked, newest first."""
    return _own_keys(actor)


def access_api_key(*, actor: Actor, key_id: UUID) -> ApiKey:
    """Return one of the actor's own keys to the workspace in scope.

    Raises:
        ApiKeyNotFound: There is none, it is somebody else's, or it was revoked.
    """
    key = _own_keys(actor).filter(pk=key_id).first()
    if key is None:
        raise ApiKeyNotFound
    return key


def api_key_view(key: ApiKey) -> ApiKeyView:
    """Return what a key's owner sees of it."""
    return ApiKeyView(
        id=key.pk,
        name=key.name,
        prefix=key.prefix,
        scopes=tuple(key.scopes),
        expires_at=key.expires_at,
        last_used_at=key.last_used_at,
        created_at=key.created_at,
    )


def _own_keys(actor: Actor) -> QuerySet[ApiKey]:
    if actor.id is None:
        return ApiKey.objects.none()
    return ApiKey.objects.filter(tenant_id=scope.require().id, user_id=actor.id, revoked_at=None)


def _memberships(tenant: TenantRef) -> QuerySet[Membership]:
    return Membership.objects.filter(tenant_id=tenant.id, is_active=True)
