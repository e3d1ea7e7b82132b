"""Background work on accounts."""

from apps.accounts.sessions import SessionStore
from apps.jobs.task import global_task


@global_task(
    name="accounts.clear_expired",
    queue="default",
    deadline_s=120,
    expires_s=3600,
    idempotency="state",
)
def clear_expired() -> None:
    """Remove sessions that have expired."""
    SessionStore.clear_expired()
