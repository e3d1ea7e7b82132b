"""What a worker does when it starts."""

import threading
from contextvars import copy_context

from celery.signals import worker_ready
from celery.worker.consumer import Consumer

INFERENCE_QUEUE = "gpu.inference"
CHAT_QUEUE = "chat"


@worker_ready.connect
def load_local_model(sender: Consumer, **_: object) -> None:
    """Load the local model ahead of the first question, beside the worker's own work."""
    if INFERENCE_QUEUE in sender.app.amqp.queues.consume_from:
        threading.Thread(target=copy_context().run, args=(_warm,), daemon=True).start()


@worker_ready.connect
def load_vendor_sdk(sender: Consumer, **_: object) -> None:
    """Import what reaches remote models ahead of the first turn, which would wait for it."""
    if CHAT_QUEUE in sender.app.amqp.queues.consume_from:
        threading.Thread(target=copy_context().run, args=(_warm_remote,), daemon=True).start()


def _warm_remote() -> None:
    # lint: allow function-import: Django is set up only once the worker runs
    from apps.core.errors import KarenError

    # lint: allow function-import: as above
    from apps.core.logging import get_logger

    # lint: allow function-import: as above
    from apps.providers import gateway

    gateway.warm_remote()
    gateway.warm_counter(in_process=False)
    try:
        gateway.warm_embedder()
    except KarenError as error:  # search and memory do without and say so
        get_logger(__name__).warning("embedding_model.not_loaded", reason=str(error))


def _warm() -> None:
    # lint: allow function-import: Django is set up only once the worker runs
    from apps.core.errors import KarenError

    # lint: allow function-import: as above
    from apps.core.logging import get_logger

    # lint: allow function-import: as above
    from apps.providers import gateway

    try:
        gateway.warm()
        gateway.warm_counter(in_process=True)
    except KarenError as error:  # the turn that needs the model will say it to its person
        get_logger(__name__).warning("local_model.not_loaded", reason=str(error))
