"""The Celery application.

Time limits stand in three places that must agree (decisions.md, trap 8): a task's own deadline
(seconds to minutes), the hard limit of 900 s and the broker's visibility timeout of 1800 s.
Nothing waits for the latter: leases and the reaper recover dead work within seconds.
"""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from kombu.transport.redis import Channel, QoS
from typing_extensions import override

from celery_app.queues import TASK_QUEUES, route
from celery_app.schedule import SCHEDULE

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "karen_site.settings.dev")

HARD_LIMIT_S = 900
VISIBILITY_TIMEOUT_S = 1800


class LeaseBackedQoS(QoS):
    """Gives unfinished messages back when a worker closes its connection, where there is one.

    When the broker itself died, the library stumbles over the missing connection and ends the
    worker with all its running work. Leases bring that work back; the worker must live.
    """

    @override
    def restore_unacked(self, client: Any = None) -> None:
        """Put unacknowledged messages back into their queues."""
        transport = self.channel.connection
        if getattr(transport, "client", None) is not None:
            super().restore_unacked(client)


Channel.QoS = LeaseBackedQoS

app = Celery("karen")
app.config_from_object("karen_site.celery_options")
app.conf.update(
    task_queues=TASK_QUEUES,
    task_default_queue="default",
    task_routes=(route,),
    task_create_missing_queues=False,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_time_limit=HARD_LIMIT_S,
    worker_prefetch_multiplier=1,
    worker_soft_shutdown_timeout=10,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    broker_transport_options={
        "visibility_timeout": VISIBILITY_TIMEOUT_S,
        "socket_keepalive": True,
        # Publishing happens in a request: a broker that is away must say so within seconds. The
        # outbox keeps what was not published.
        "socket_connect_timeout": 2,
        "socket_timeout": 15,
        "max_retries": 1,
        "interval_start": 0,
        "connect_retries_timeout": 2,
    },
    result_backend_transport_options={"visibility_timeout": VISIBILITY_TIMEOUT_S},
    visibility_timeout=VISIBILITY_TIMEOUT_S,
    broker_connection_retry_on_startup=True,
    beat_schedule=SCHEDULE,
    accept_content=["json"],
    task_serializer="json",
    timezone="UTC",
)
app.autodiscover_tasks()


@setup_logging.connect
def keep_logging_as_configured(**_: object) -> None:
    """Leave logging to the settings: without a receiver Celery sets the root level by itself."""
