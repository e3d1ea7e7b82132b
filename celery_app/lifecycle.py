"""What a worker does when it starts."""

import threading
from contextvars import copy_context

from celery.signals import worker_ready
from celery.worker.consumer import Consumer

INFERENCE_QUEUE = "gpu.inference"
CHAT_QUEUE = "chat"


@worker_ready.connect
def load_models(sender: Consumer, **_: object) -> None:
    """Load what the first question needs ahead of it, beside the worker's own work."""
    queues = sender.app.amqp.queues.consume_from
    if INFERENCE_QUEUE in queues or CHAT_QUEUE in queues:
        threading.Thread(
            target=copy_context().run, args=(_warm, INFERENCE_QUEUE in queues), daemon=True
        ).start()


def _warm(inference: bool) -> None:
    # lint: allow function-import: Django is set up only once the worker runs
    from apps.core.errors import KarenError

    # lint: allow function-import: as above
    from apps.core.logging import get_logger

    # lint: allow function-import: as above
    from apps.providers import gateway

    try:
        if inference:
            gateway.warm()
        gateway.warm_counter()
    except KarenError as error:  # the turn that needs the model will say it to its person
        get_logger(__name__).warning("local_model.not_loaded", reason=str(error))
