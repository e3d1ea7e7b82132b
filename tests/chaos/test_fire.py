"""Every process is killed once while 40 answers are being written; the long fire: `make chaos`."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.chaos.fire import Plan, burn
from tests.chaos.stack import Target, running_target

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.system,
    pytest.mark.minutes(3),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with running_target(tmp_path_factory.mktemp("fire"), people=4) as started:
        yield started


EVERYTHING_ONCE = Plan(
    model="stub/ttft=200,itl=100,len=40",
    conversations=40,
    faults=("kill web", "kill worker", "kill valkey", "kill postgres", "stop worker", "reset"),
    calm_s=0.5,
)
SCENARIOS = {
    # 1,000 deltas while the web process is paused; then web, worker and reader in turn.
    "paused": Plan(
        model="stub/itl=12,len=1000",
        conversations=4,
        faults=("stop web", "kill web", "break readers", "kill worker"),
        calm_s=0.2,
    ),
    "disconnects": Plan(
        model="stub/itl=40,len=50",
        conversations=24,
        faults=("disconnect", "reset", "disconnect"),
        calm_s=0.2,
    ),
    "burst": Plan(model="stub/len=20", conversations=80, turns=1, faults=()),
    "long chat": Plan(model="stub/len=10", conversations=2, turns=25, faults=()),
    "big messages": Plan(model="stub/len=20", conversations=8, turns=2, size=9_800, faults=()),
    "slow tools": Plan(
        model="stub/ttft=700,itl=10,len=20,tools=2",
        conversations=8,
        turns=1,
        faults=("reset",),
        calm_s=0.2,
    ),
}


def test_nothing_is_lost_when_every_process_is_killed_while_40_turns_are_in_flight(
    target: Target,
) -> None:
    report = asyncio.run(burn(target, EVERYTHING_ONCE))

    print(report.text())  # noqa: T201  # shown with -s and when it fails
    assert report.whole, report.text()
    assert all(fault.in_flight >= 30 for fault in report.faults), report.text()


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_lost_in_the_scenario(target: Target, name: str) -> None:
    report = asyncio.run(burn(target, SCENARIOS[name]))

    print(name, report.text(), sep="\n")  # noqa: T201  # as above
    assert report.whole, report.text()
