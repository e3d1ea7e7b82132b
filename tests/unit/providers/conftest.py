"""Unit tests of the gateway have no tables: nothing is set up but what the settings name."""

from collections.abc import Iterator

import pytest

from apps.providers.testing import forget_gateway, without_tables


@pytest.fixture(autouse=True)
def nothing_set_up() -> Iterator[None]:
    without_tables()
    yield
    forget_gateway()
