"""Every process is killed once while 40 answers are being written; the long fire: `make chaos`."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.chaos.fire import Plan, burn
from tests.chaos.stack import Target, running_target

pytestmark = [pytest.mark.chaos, pytest.mark.system, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with running_target(tmp_path_factory.mktemp("fire"), people=4) as started:
        yield started


def test_nothing_is_lost_when_every_process_is_killed_while_40_turns_are_in_flight(
    target: Target,
) -> None:
    plan = Plan(
        model="stub/ttft=200,itl=50,len=60",
        conversations=40,
        faults=("kill web", "kill worker", "kill valkey", "kill postgres", "stop worker", "reset"),
        calm_s=0.5,
    )

    report = asyncio.run(burn(target, plan))

    print(report.text())  # noqa: T201  # shown with -s and when it fails
    assert report.clean, report.text()
    assert all(fault.in_flight >= 30 for fault in report.faults), report.text()
