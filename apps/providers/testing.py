"""What tests need of the gateway beside its public parts."""

from apps.providers import breaker, cache, configuration, health, ledger, sources, upkeep
from apps.providers.configuration import Configuration
from apps.providers.services import budgets


def forget_gateway() -> None:
    """Drop what this process keeps of settings, adapters, running calls and unwritten rows."""
    configuration.forget()
    sources.forget()
    ledger.forget_calls()
    budgets.forget_reservations()
    breaker.forget()
    health.forget()
    cache.forget()


def without_tables() -> None:
    """Take it that nothing is set up, for tests without a database."""
    configuration.assume(Configuration())


def write_ledger() -> None:
    """Write the rows that wait, as the gateway does by itself several times a second."""
    upkeep.do("ledger")
