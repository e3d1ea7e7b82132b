"""Fixtures for all tiers: one database per run with two tenants that hold rows of equal ids.

`tests/app` needs PostgreSQL and Valkey; `make test` starts both on private sockets. Every pytest
process (xdist) has its own database and its own three Redis databases (`settings/test.py`).
"""

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
