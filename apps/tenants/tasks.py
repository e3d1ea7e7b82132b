"""Background work on the fleet."""

from apps.jobs.task import global_task
from apps.tenants import provisioning


@global_task(
    name="tenants.fill_spares", queue="default", deadline_s=120, expires_s=300, idempotency="state"
)
def fill_spares() -> None:
    """Make spare schemas up to the configured number."""
    provisioning.fill_spares()
