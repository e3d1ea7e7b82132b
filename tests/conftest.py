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
    "tests.fixtures.live",
    "tests.fixtures.v1",
    "tests.fixtures.work",
    "tests.fixtures.budgets",
    "tests.fixtures.elastic",
    "tests.fixtures.scribe",
]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the tests with a running worker come last in their module, whatever the random order.

    The worker lives as long as the module; beside it a test that runs turns by itself would find
    them taken.
    """
    modules: dict[str, int] = {}
    for item in items:
        modules.setdefault(item.nodeid.partition("::")[0], len(modules))
    items.sort(
        key=lambda item: (
            modules[item.nodeid.partition("::")[0]],
            "worker_process" in getattr(item, "fixturenames", ()),
        )
    )
