"""Reading the audit record."""

from uuid import UUID

from django.db.models import QuerySet

from apps.audit.models import AuditEntry


def list_entries(*, tenant_id: UUID | None) -> QuerySet[AuditEntry]:
    """Return a tenant's entries, newest first; those of the platform itself for None."""
    return AuditEntry.objects.filter(tenant_id=tenant_id)
