"""Health and metrics: who is told what."""

import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client

from apps.core import health
from apps.core.health import Check, Outcome
from apps.core.redis import RedisRole, redis_url
from apps.core.scope import TenantRef
from apps.jobs import services as jobs
from apps.jobs.registry import QUEUES
from tests.fixtures.database import World
from tests.fixtures.people import PASSWORD, People

BrowserOf = Callable[[UUID, TenantRef | None], Client]


@pytest.fixture
def board(committed: World) -> Iterator[health.Board]:
    """A board of our own with the real checks, forgetting its answers between two looks."""
    board = health.Board(checks=dict(health.board().checks), kept_s=0.0)
    yield board
    health.board().answer = None


def test_liveness_needs_no_known_host_and_no_database() -> None:
    for host in ("localhost", "10.1.2.3", "nobody.example"):
        answer = Client(HTTP_HOST=host).get("/health/live")

        assert answer.status_code == 200
        assert answer.json() == {"status": "ok"}


def test_readiness_answers_on_any_host(committed: World) -> None:
    for host in ("localhost", "acme.localhost", "10.1.2.3"):
        answer = Client(HTTP_HOST=host).get("/health/ready")

        assert answer.status_code == 200
        assert set(answer.json()["checks"]) == {
            "database",
            "redis_broker",
            "redis_streams",
            "redis_cache",
            "workers",
            "models",
        }


def test_workers_that_never_beat_are_starting_not_missing(board: health.Board) -> None:
    answer = board.readiness()

    assert answer["status"] == "degraded"
    assert answer["checks"]["workers"]["ok"] is False
    assert answer["checks"]["workers"]["detail"].startswith("starting: chat")


def test_all_is_well_once_every_queue_has_beaten(board: health.Board) -> None:
    for queue in QUEUES:
        jobs.beat_heartbeat(queue=queue)

    answer = board.readiness()

    assert answer["status"] == "ok"
    assert all(check["ok"] for check in answer["checks"].values())


def test_a_required_part_that_is_away_makes_us_unavailable(board: health.Board) -> None:
    def away() -> Outcome:
        raise ConnectionRefusedError("10.0.0.7:5432 password=hunter2")

    board.checks["database"] = Check(name="database", run=away, required=True)

    answer = board.readiness()

    assert answer["status"] == "unavailable"
    assert answer["checks"]["database"] == {"ok": False, "ms": 0, "detail": "not reachable"}


def test_a_part_that_is_not_required_only_degrades(board: health.Board) -> None:
    for queue in QUEUES:
        jobs.beat_heartbeat(queue=queue)
    board.checks["models"] = Check(name="models", run=lambda: Outcome(ok=False, detail="none"))

    assert board.readiness()["status"] == "degraded"


def test_a_check_that_hangs_is_reported_and_not_started_twice() -> None:
    released = threading.Event()
    starts: list[int] = []

    def hang() -> Outcome:
        starts.append(1)
        released.wait(10)
        return Outcome(ok=True)

    board = health.Board(
        checks={"slow": Check(name="slow", run=hang, required=True)}, deadline_s=0.05, kept_s=0.0
    )
    try:
        first, second = board.readiness(), board.readiness()
    finally:
        released.set()

    assert first["status"] == second["status"] == "unavailable"
    assert first["checks"]["slow"]["detail"] == "no answer in time"
    assert len(starts) == 1


def test_a_flood_of_probes_costs_one_round_of_checks() -> None:
    looks: list[int] = []

    def look() -> Outcome:
        looks.append(1)
        return Outcome(ok=True)

    board = health.Board(checks={"one": Check(name="one", run=look)}, kept_s=60.0)
    for _ in range(50):
        board.readiness()

    assert len(looks) == 1


def test_draining_sends_load_balancers_away() -> None:
    board = health.Board(checks={"one": Check(name="one", run=lambda: Outcome(ok=True))})
    assert board.readiness()["status"] == "ok"

    board.begin_drain()

    assert board.readiness()["status"] == "unavailable"


def test_the_public_answer_names_no_server(committed: World) -> None:
    text = Client(HTTP_HOST="localhost").get("/health/ready").content.decode()

    database = settings.DATABASES["default"]
    secrets = [database["NAME"], database["PASSWORD"], database["HOST"]]
    secrets += [redis_url(role) for role in RedisRole]
    assert [value for value in secrets if value and value in text] == []


@pytest.mark.parametrize(
    "caller,status",
    [
        ({"REMOTE_ADDR": "127.0.0.1"}, 200),
        ({"REMOTE_ADDR": "::1"}, 200),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.9"}, 404),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=203.0.113.9"}, 404),
        ({"REMOTE_ADDR": "203.0.113.9"}, 404),
        ({"REMOTE_ADDR": ""}, 404),
    ],
)
def test_metrics_are_for_this_machine(
    committed: World, caller: dict[str, Any], status: int
) -> None:
    answer = Client(HTTP_HOST="localhost", **caller).get("/metrics")

    assert answer.status_code == status
    assert (b"karen_errors_total" in answer.content) is (status == 200)


def test_metrics_are_for_operators_and_not_for_other_people(
    committed: World, people: People, browser_of: BrowserOf
) -> None:
    operator = get_user_model().objects.create_superuser("op@karen.example", PASSWORD)
    try:
        away: dict[str, Any] = {"REMOTE_ADDR": "203.0.113.9"}
        allowed = browser_of(UUID(str(operator.pk)), None).get("/metrics", **away)
        refused = browser_of(people.ann, None).get("/metrics", **away)
    finally:
        operator.delete()

    assert allowed.status_code == 200
    assert refused.status_code == 404
