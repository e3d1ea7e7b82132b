"""Queue declarations and the route of each task."""

from kombu import Queue

from apps.jobs.registry import QUEUES, find_task

__all__ = ["QUEUES", "TASK_QUEUES", "route"]

TASK_QUEUES = tuple(Queue(name, routing_key=name) for name in QUEUES)


def route(name: str, *_call: object, **_options: object) -> dict[str, str] | None:
    """Return the queue that a task declared (Celery's `task_routes`)."""
    spec = find_task(name)
    return {"queue": spec.queue} if spec is not None else None
