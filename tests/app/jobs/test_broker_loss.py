"""A worker whose broker dies keeps its running work."""

from types import SimpleNamespace
from typing import Any, cast

from kombu.transport.redis import Channel

from celery_app.app import LeaseBackedQoS


def test_a_worker_survives_a_broker_that_died_with_messages_unacknowledged() -> None:
    channel = cast("Any", SimpleNamespace(connection=SimpleNamespace(client=None)))
    qos = LeaseBackedQoS.__new__(LeaseBackedQoS)
    qos.channel = channel

    qos.restore_unacked()

    assert Channel.QoS is LeaseBackedQoS
