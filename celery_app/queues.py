"""Queue declarations.

`chat` waits on remote models, `gpu.inference` owns the in-process model, `gpu.embedding` and
`gpu.consolidation` are bulk work, `default` is the rest.
"""

from kombu import Queue

from apps.jobs.registry import find_task

QUEUES = ("chat", "gpu.inference", "gpu.embedding", "gpu.consolidation", "default")

TASK_QUEUES = tuple(Queue(name, routing_key=name) for name in QUEUES)


def route(name: str, *_call: object, **_options: object) -> dict[str, str] | None:
    """Return the queue that a task declared (Celery's `task_routes`)."""
    spec = find_task(name)
    return {"queue": spec.queue} if spec is not None else None
