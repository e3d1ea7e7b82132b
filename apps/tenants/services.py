"""Changing the book of tenants."""

from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from apps.audit import services as audit
from apps.core import crypto, scope
from apps.core.clock import now
from apps.core.errors import NotFound
from apps.core.ids import new_id
from apps.core.scope import TenantRef
from apps.jobs import services as jobs
from apps.tenants import provisioning, selectors
from apps.tenants.domain.slugs import slug_problem
from apps.tenants.domain.states import TenantState, can_become
from apps.tenants.errors import SlugInvalid, SlugTaken, TenantNotFound, TenantStateConflict
from apps.tenants.models import Domain, Plan, Tenant
from apps.tenants.resolver import forget_hosts, ref_of


@transaction.atomic
def provision_tenant(*, name: str, slug: str | None = None) -> TenantRef:
    """Create an active workspace with its schema, host name and data key, or nothing at all.

    Args:
        name: What people call the organisation.
        slug: The wanted label of its host; made from `name` and numbered when None.

    Raises:
        SlugInvalid: `slug` is not a usable host label or is reserved.
        SlugTaken: Another workspace has it.
    """
    wanted = selectors.suggest_slug(name) if slug is None else slug.strip().lower()
    problem = slug_problem(wanted)
    if problem is not None:
        raise SlugInvalid(problem)
    schema, version = provisioning.take_schema()
    tenant_id = new_id()
    try:
        with transaction.atomic():
            tenant = Tenant(
                id=tenant_id,
                slug=wanted,
                name=name.strip()[:120] or wanted,
                schema_name=schema,
                schema_version=version,
                state=TenantState.PROVISIONING,
                wrapped_data_key=crypto.new_wrapped_data_key(tenant_id),
                created_at=now(),
            )
            tenant.save(force_insert=True)
            Domain.objects.create(
                domain=f"{wanted}.{settings.BASE_DOMAIN}", tenant=tenant, is_primary=True
            )
    except IntegrityError as error:
        raise SlugTaken from error
    ref = ref_of(tenant)
    with scope.tenant_scope(ref):
        _move(tenant, TenantState.ACTIVE, action="tenant.provisioned")
    jobs.enqueue_on_commit("tenants.fill_spares")
    return ref


@transaction.atomic
def suspend_tenant(*, tenant_id: UUID) -> None:
    """Close a workspace to its people; nothing is lost.

    Raises:
        TenantNotFound: No such tenant.
        TenantStateConflict: It is not active.
    """
    _move(_locked(tenant_id), TenantState.SUSPENDED, action="tenant.suspended")


@transaction.atomic
def resume_tenant(*, tenant_id: UUID) -> None:
    """Open a suspended workspace again.

    Raises:
        TenantNotFound: No such tenant.
        TenantStateConflict: It is not suspended.
    """
    _move(_locked(tenant_id), TenantState.ACTIVE, action="tenant.resumed")


@transaction.atomic
def put_on_plan(*, tenant_id: UUID, plan_id: UUID | None) -> None:
    """Give a workspace the limits of a plan, or the installation's defaults.

    Raises:
        TenantNotFound: No such tenant.
        NotFound: No such plan.
    """
    tenant = _locked(tenant_id)
    if plan_id is not None and not Plan.objects.filter(pk=plan_id).exists():
        raise NotFound
    old = tenant.plan_id
    Tenant.objects.filter(pk=tenant_id).update(plan_id=plan_id)
    audit.record(
        action="tenant.plan_changed",
        target_type="tenant",
        target_id=tenant_id,
        target_label=tenant.slug,
        old={"plan": str(old) if old else None},
        new={"plan": str(plan_id) if plan_id else None},
    )
    transaction.on_commit(selectors.forget_limits)


def _locked(tenant_id: UUID) -> Tenant:
    tenant: Tenant | None = Tenant.objects.select_for_update().filter(pk=tenant_id).first()
    if tenant is None:
        raise TenantNotFound
    return tenant


def _move(tenant: Tenant, wanted: TenantState, *, action: str) -> None:
    present = TenantState(tenant.state)
    if not can_become(present, wanted):
        raise TenantStateConflict
    Tenant.objects.filter(pk=tenant.pk).update(state=wanted)
    audit.record(
        action=action,
        target_type="tenant",
        target_id=tenant.pk,
        target_label=tenant.slug,
        old={"state": present.value},
        new={"state": wanted.value},
    )
    transaction.on_commit(forget_hosts)
