"""A worker whose broker dies keeps its running work."""

from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from celery.exceptions import Reject
from django.db import OperationalError
from kombu.transport.redis import Transport

from apps.conversations.tasks import run_turn
from apps.core.ids import new_id
from apps.core.scope import TenantRef
from apps.jobs import task
from celery_app.app import LeaseBackedQoS, app as celery


def test_a_worker_survives_a_broker_that_died_with_messages_unacknowledged() -> None:
    channel = cast("Any", SimpleNamespace(connection=SimpleNamespace(client=None)))
    qos = LeaseBackedQoS.__new__(LeaseBackedQoS)
    qos.channel = channel

    qos.restore_unacked()

    assert Transport.Channel.QoS is LeaseBackedQoS


@pytest.mark.parametrize("end", ["ack", "reject"])
def test_a_task_that_ends_after_its_broker_died_ends_no_worker(end: str) -> None:
    with celery.connection_for_write() as connection:
        channel: Any = connection.channel()
        qos = LeaseBackedQoS(channel)
        qos.append(message(), "tag")
        channel.close()  # as the worker does when it loses its connection
        assert channel.connection is None

        getattr(qos, end)("tag")

        assert "tag" in (qos._dirty or ())


def test_a_message_is_kept_until_it_is_confirmed() -> None:
    with celery.connection_for_write() as connection:
        channel: Any = connection.channel()
        qos = LeaseBackedQoS(channel)
        qos.append(message(), "tag")
        assert channel._kept.hexists(channel.unacked_key, "tag")

        qos.ack("tag")

        assert not channel._kept.hexists(channel.unacked_key, "tag")
        assert channel._kept.zscore(channel.unacked_index_key, "tag") is None


def message() -> Any:
    """Return what a queue gave, as the library keeps it."""
    info = {"exchange": "", "routing_key": "chat"}
    return SimpleNamespace(delivery_info=info, _raw={"body": "{}"})


def test_a_task_whose_database_is_away_goes_back_to_its_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(_tenant_id: UUID) -> TenantRef | None:
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(task, "resolve_tenant", away)
    monkeypatch.setattr(task, "_database_answers", lambda: False)
    run_turn.push_request(headers={task.TENANT_HEADER: str(new_id())})
    try:
        with pytest.raises(Reject) as rejected:
            run_turn(turn_id=str(new_id()))
    finally:
        run_turn.pop_request()

    assert cast("Any", rejected.value).requeue is True


def test_a_channel_keeps_its_client_for_as_long_as_its_connections() -> None:
    with celery.connection_for_write() as connection:
        channel: Any = connection.default_channel
        with channel.conn_or_acquire() as first, channel.conn_or_acquire() as second:
            assert first is second
        with channel.conn_or_acquire("given") as given:
            assert given == "given"

        channel._disconnect_pools()

        with channel.conn_or_acquire() as renewed:
            assert renewed is not first
            assert renewed.ping()
