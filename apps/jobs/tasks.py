"""Canaries: one tiny task per queue proves that a worker takes work from it."""

from apps.jobs import services
from apps.jobs.task import global_task


@global_task(
    name="jobs.beat_heartbeat", queue="default", deadline_s=5, expires_s=30, idempotency="overwrite"
)
def beat_heartbeat(*, queue: str) -> None:
    """Note that `queue` is served; beat sends one into each queue."""
    services.beat_heartbeat(queue=queue)
