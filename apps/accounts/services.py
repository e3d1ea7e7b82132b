"""Changing people and memberships."""

from uuid import UUID

from allauth.account.models import EmailAddress
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from apps.accounts import entry, selectors
from apps.accounts.api_keys import (
    actor_of_credential,
    create_api_key,
    forget_keys,
    holder_of_key,
    holder_of_key_async,
    revoke_api_key,
)
from apps.accounts.contracts import SignedUp
from apps.accounts.errors import (
    AccountNotFound,
    AlreadyMember,
    EmailUnconfirmed,
    EntryTokenInvalid,
    LastOwner,
    MembershipNotFound,
    NotAMember,
    RoleNotFound,
    SignUpRefused,
)
from apps.accounts.models.memberships import Membership
from apps.accounts.models.roles import Role
from apps.accounts.models.sessions import EntryToken, Session
from apps.accounts.models.users import User, normalised_email
from apps.accounts.permissions import OWNER
from apps.accounts.sessions import stored_key
from apps.audit import services as audit
from apps.core import ratelimit, scope
from apps.core.errors import InvalidInput
from apps.core.scope import Actor, TenantRef
from apps.tenants import services as tenants

# The services of API keys live beside what checks them.
__all__ = [
    "actor_of_credential",
    "create_api_key",
    "forget_keys",
    "holder_of_key",
    "holder_of_key_async",
    "revoke_api_key",
]

_NEW_WORKSPACES = ratelimit.Limit(name="workspaces", burst=10, period_s=3600.0)


@transaction.atomic(durable=True)
def sign_up(
    *, email: str, password: str, name: str, organisation: str, slug: str | None = None
) -> SignedUp:
    """Create a person, their workspace and their ownership of it, or nothing at all.

    Raises:
        InvalidInput: Address, password or organisation do not fit.
        SignUpRefused: The address has an account already, which stays as it is.
        SlugInvalid: `slug` is not a usable host label.
        SlugTaken: Another workspace has it.
    """
    user = _checked_user(email=email, password=password, name=name)
    with scope.actor_scope(_actor(user)):
        # The workspace first: what is said about its address must not depend on whether the
        # e-mail address has an account.
        ref = _new_workspace(organisation=organisation, slug=slug)
        _store(user, confirmed=False)
        with scope.tenant_scope(ref):
            _record("account.signed_up", user)
        add_member(tenant=ref, user_id=user.pk, role=OWNER)
    return SignedUp(user_id=user.pk, tenant=ref)


@transaction.atomic(durable=True)
def create_workspace(*, user_id: UUID, organisation: str, slug: str | None = None) -> TenantRef:
    """Create one more workspace for an existing person, who becomes its owner.

    Raises:
        AccountNotFound: No such account, or it is closed.
        EmailUnconfirmed: The person has not confirmed their address yet.
        RateLimited: They created many workspaces within the hour.
        InvalidInput: `organisation` is empty.
        SlugInvalid: `slug` is not a usable host label.
        SlugTaken: Another workspace has it.
    """
    user = _active_user(user_id)
    if selectors.confirmation_is_missing(user_id):
        raise EmailUnconfirmed
    ratelimit.enforce(_NEW_WORKSPACES, str(user_id))
    with scope.tenant_scope(None), scope.actor_scope(_actor(user)):
        ref = _new_workspace(organisation=organisation, slug=slug)
        add_member(tenant=ref, user_id=user_id, role=OWNER)
    return ref


@transaction.atomic
def add_member(
    *, tenant: TenantRef, role: str, user_id: UUID | None = None, email: str | None = None
) -> None:
    """Let a person with an account into a workspace.

    Args:
        tenant: The workspace.
        role: Code of a built-in role or one of the workspace's own.
        user_id: The person; or
        email: their address.

    Raises:
        AccountNotFound: No such account, or it is closed.
        AlreadyMember: They belong to the workspace already.
        RoleNotFound: The workspace has no such role.
    """
    person = selectors.find_user_id(email) if user_id is None and email else user_id
    if person is None:
        raise AccountNotFound
    user = _active_user(person)
    wanted = _role(tenant, role)
    membership, created = Membership.objects.select_for_update().get_or_create(
        user=user, tenant_id=tenant.id, defaults={"role": wanted}
    )
    if not created:
        if membership.is_active:
            raise AlreadyMember
        Membership.objects.filter(pk=membership.pk).update(role=wanted, is_active=True)
    with scope.tenant_scope(tenant):
        _record("tenant.member_added", user, new={"role": wanted.code})


@transaction.atomic
def remove_member(*, tenant: TenantRef, user_id: UUID) -> None:
    """Take a person out of a workspace; their sessions there end at once.

    Raises:
        MembershipNotFound: They do not belong to it.
        LastOwner: Nobody else owns the workspace.
    """
    membership = _locked_membership(tenant, user_id)
    _keep_an_owner(tenant, membership)
    membership.delete()
    transaction.on_commit(forget_keys)
    Session.objects.filter(user_id=user_id, tenant_id=tenant.id).delete()
    EntryToken.objects.filter(user_id=user_id, tenant_id=tenant.id).delete()
    with scope.tenant_scope(tenant):
        _record("tenant.member_removed", membership.user, old={"role": membership.role.code})


@transaction.atomic
def change_role(*, tenant: TenantRef, user_id: UUID, role: str) -> None:
    """Give a member another role; it holds from their next request.

    Raises:
        MembershipNotFound: They do not belong to the workspace.
        RoleNotFound: The workspace has no such role.
        LastOwner: Nobody else owns the workspace.
    """
    wanted = _role(tenant, role)
    membership = _locked_membership(tenant, user_id)
    if membership.role_id == wanted.pk:
        return
    if wanted.code != OWNER:
        _keep_an_owner(tenant, membership)
    Membership.objects.filter(pk=membership.pk).update(role=wanted)
    transaction.on_commit(forget_keys)
    with scope.tenant_scope(tenant):
        _record(
            "tenant.role_changed",
            membership.user,
            old={"role": membership.role.code},
            new={"role": wanted.code},
        )


@transaction.atomic
def issue_entry_token(*, user_id: UUID, tenant: TenantRef) -> str:
    """Return a ticket that signs the person in on the workspace's host, once, within 60 seconds.

    Raises:
        NotAMember: They do not belong to the workspace, or their account is closed.
        EmailUnconfirmed: They have not confirmed their address yet.
    """
    if selectors.find_member(user_id, tenant) is None:
        raise NotAMember
    if selectors.confirmation_is_missing(user_id):
        raise EmailUnconfirmed
    return entry.make_token(user_id=user_id, tenant_id=tenant.id)


@transaction.atomic
def redeem_entry_token(token: str) -> UUID:
    """Use up a ticket in the workspace in scope and return who may be signed in.

    Raises:
        EntryTokenInvalid: It was used, has expired, or is for another workspace or a former member.
        NoTenantInScope: Called outside any workspace.
    """
    tenant = scope.require()
    user_id = entry.take_token(token, tenant_id=tenant.id)
    if user_id is None or selectors.find_member(user_id, tenant) is None:
        raise EntryTokenInvalid
    return user_id


@transaction.atomic
def create_operator(*, email: str, password: str, name: str = "") -> UUID:
    """Create an operator of the platform, who may use its admin.

    Raises:
        InvalidInput: Address or password do not fit.
        SignUpRefused: The address has an account already.
    """
    user = _checked_user(email=email, password=password, name=name)
    user.is_staff = user.is_superuser = True
    _store(user, confirmed=True)
    _record("operator.created", user)
    return user.pk


@transaction.atomic
def end_sessions(*, user_id: UUID, keep: str | None = None) -> int:
    """End a person's sessions on all hosts, such as after a new password.

    Args:
        user_id: The person.
        keep: Key of the one session that goes on.

    Returns:
        How many ended.
    """
    sessions = Session.objects.filter(user_id=user_id)
    if keep is not None:
        sessions = sessions.exclude(session_key=stored_key(keep))
    ended, _by_model = sessions.delete()
    EntryToken.objects.filter(user_id=user_id).delete()
    return ended


def _checked_user(*, email: str, password: str, name: str) -> User:
    user = User(email=normalised_email(email), name=name.strip()[:120])
    _check_credentials(user, password)
    # Hashed before anything is looked up: a taken address must not answer faster than a free one.
    user.set_password(password)
    return user


def _store(user: User, *, confirmed: bool) -> None:
    try:
        with transaction.atomic():
            user.save(force_insert=True)
            EmailAddress.objects.create(
                user=user, email=user.email, primary=True, verified=confirmed
            )
    except IntegrityError as error:
        raise SignUpRefused from error


def _check_credentials(user: User, password: str) -> None:
    fields: dict[str, list[str]] = {}
    try:
        validate_email(user.email)
    except ValidationError as error:
        fields["email"] = list(error.messages)
    try:
        validate_password(password, user)
    except ValidationError as error:
        fields["password"] = list(error.messages)
    if fields:
        raise InvalidInput(fields=fields)


def _new_workspace(*, organisation: str, slug: str | None) -> TenantRef:
    if not organisation.strip():
        raise InvalidInput(fields={"organisation": [_("Say what your organisation is called.")]})
    return tenants.provision_tenant(name=organisation, slug=slug or None)


def _actor(user: User) -> Actor:
    return Actor(id=user.pk, label=user.label)


def _active_user(user_id: UUID) -> User:
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        raise AccountNotFound
    return user


def _role(tenant: TenantRef, code: str) -> Role:
    # A workspace's own role goes before the built-in one of the same code.
    roles = Role.objects.filter(code=code)
    role = roles.filter(tenant_id=tenant.id).first() or roles.filter(tenant=None).first()
    if role is None:
        raise RoleNotFound
    return role


def _locked_membership(tenant: TenantRef, user_id: UUID) -> Membership:
    # All owners are locked as well: two of them leaving at once must not both succeed.
    members = Membership.objects.select_for_update(of=("self",)).filter(
        tenant_id=tenant.id, is_active=True
    )
    list(members.filter(role__code=OWNER).order_by("pk"))
    membership = members.select_related("user", "role").filter(user_id=user_id).first()
    if membership is None:
        raise MembershipNotFound
    return membership


def _keep_an_owner(tenant: TenantRef, membership: Membership) -> None:
    if membership.role.code != OWNER:
        return
    others = Membership.objects.filter(
        tenant_id=tenant.id, is_active=True, user__is_active=True, role__code=OWNER
    ).exclude(pk=membership.pk)
    if not others.exists():
        raise LastOwner


def _record(
    action: str,
    user: User,
    *,
    old: dict[str, object] | None = None,
    new: dict[str, object] | None = None,
) -> None:
    audit.record(
        action=action,
        target_type="user",
        target_id=user.pk,
        target_label=user.email,
        old=old,
        new=new,
    )
