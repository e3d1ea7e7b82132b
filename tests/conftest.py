"""Fixtures for all tiers: one database per run with two tenants that hold rows of equal ids.

`tests/app` needs PostgreSQL and Valkey; `make test` starts both on private sockets. Every pytest
process (xdist) has its own database and its own three Redis databases (`settings/test.py`).
"""

import os

import hypothesis
import pytest

# How long an example takes says how busy the machine is. For many more: HYPOTHESIS_EXAMPLES=1000.
hypothesis.settings.register_profile(
    "karen", deadline=None, max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "50"))
)
hypothesis.settings.load_profile("karen")

pytest_plugins = [
    "tests.fixtures.database",
    "tests.fixtures.people",
    "tests.fixtures.ann",
    "tests.fixtures.live",
    "tests.fixtures.v1",
    "tests.fixtures.work",
    "tests.fixtures.budgets",
    "tests.fixtures.elastic",
    "tests.fixtures.scribe",
]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the modules that take minutes; in each, tests with a running worker come last.

    Otherwise the order is random. Whatever takes longest must not begin last, when nobody is left
    to share the rest with. The worker lives as long as its module; beside it a test that runs
    turns by itself would find them taken.
    """
    modules: dict[str, int] = {}
    for item in items:
        modules.setdefault(_module_of(item), len(modules))
    items.sort(
        key=lambda item: (
            -_minutes_of(item),
            modules[_module_of(item)],
            "worker_process" in getattr(item, "fixturenames", ()),
        )
    )


def _module_of(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def _minutes_of(item: pytest.Item) -> float:
    marker = item.get_closest_marker("minutes")
    return 0.0 if marker is None else float(marker.args[0])
