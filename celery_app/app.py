"""The Celery application.

Time limits stand in three places that must agree (decisions.md, trap 8): a task's own deadline
(seconds to minutes), the hard limit of 900 s and the broker's visibility timeout of 1800 s.
Nothing waits for the latter: leases and the reaper recover dead work within seconds.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from kombu.transport.redis import Channel, QoS, Transport
from redis import Redis
from redis.client import Pipeline
from typing_extensions import override

from celery_app.queues import TASK_QUEUES, route
from celery_app.schedule import SCHEDULE

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "karen_site.settings.dev")

HARD_LIMIT_S = 900
VISIBILITY_TIMEOUT_S = 1800


class LeaseBackedQoS(QoS):
    """Confirms messages and gives them back only while there is a connection to do it over.

    When the broker itself died, the library stumbles over the missing connection and ends the
    worker with all its running work: when it gives back what it had taken, and when a task ends
    that it took before. Leases bring work back, and what was not confirmed may come again; the
    worker must live.
    """

    @override
    def ack(self, delivery_tag: str) -> None:
        """Confirm a message, if the connection it came over is still there."""
        if self._is_connected():
            super().ack(delivery_tag)
        else:
            super(QoS, self).ack(delivery_tag)  # only this process's own book of what is open

    @override
    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Refuse a message, if the connection it came over is still there."""
        if self._is_connected():
            super().reject(delivery_tag, requeue=requeue)
        else:
            super(QoS, self).ack(delivery_tag)

    def _is_connected(self) -> bool:
        return getattr(self.channel.connection, "client", None) is not None

    @override
    @contextmanager
    def pipe_or_acquire(
        self, pipe: Pipeline | None = None, client: Redis | None = None
    ) -> Iterator[Pipeline]:
        """Yield `pipe`, or one that is no transaction: two commands for a message, not four."""
        if pipe is not None:
            yield pipe
            return
        channel: Any = self.channel  # a FrugalChannel; the stubs know only the library's base
        with channel.conn_or_acquire(client) as one:
            yield one.pipeline(transaction=False)

    @override
    def restore_unacked(self, client: Any = None) -> None:
        """Put unacknowledged messages back into their queues."""
        if self._is_connected():
            super().restore_unacked(client)


class FrugalChannel(Channel):
    """Keeps one client for everything but waiting.

    The library makes a client for each message it takes and each it confirms, over the same pool of
    connections: with redis-py 8 that costs more than the commands.
    """

    QoS = LeaseBackedQoS

    _kept: Redis | None = None

    @override
    @contextmanager
    def conn_or_acquire(self, client: Redis | None = None) -> Iterator[Redis]:
        """Yield `client`, or the one that is kept; safe between threads, as all of them are."""
        if client is None:
            client = self._kept
            if client is None or client.connection_pool is not self.pool:
                made: Redis = self._create_client()  # type: ignore[attr-defined]  # not in the stubs
                self._kept = client = made
        yield client


Transport.Channel = FrugalChannel

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
