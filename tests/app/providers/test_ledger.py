"""The ledger of calls: one row for each, whatever became of it."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.db import Error, connection
from pytest_django.fixtures import Settings

from apps.core.clock import now
from apps.providers import ledger, upkeep
from apps.providers.contracts import Usage
from apps.providers.models import Call
from apps.providers.tasks import tend_ledger
from tests.app.providers.money import FREE, UNPRICED, at_once, call, turn_origin, write
from tests.fixtures.database import World


def partitions() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits"
            " WHERE inhparent = 'public.providers_call'::regclass"
        )
        return {str(name).removeprefix("public.") for (name,) in cursor.fetchall()}


@pytest.fixture
def no_months(committed: World) -> None:
    """Start with the default partition alone: other tests may have made months."""
    ledger.drop_old_partitions(before=date(9000, 1, 1))


def test_a_call_is_written_with_everything_that_is_known_of_it(committed: World) -> None:
    usage = Usage(
        prompt_tokens=1000,
        completion_tokens=200,
        estimated=True,
        cached_tokens=400,
        reasoning_tokens=50,
    )
    write(call(committed.acme, usage=usage, origin=turn_origin(committed.acme.id, step=2)))
    row = Call.objects.get()
    assert (row.tenant_id, row.step, row.attempt) == (committed.acme.id, 2, 1)
    assert (row.prompt_tokens, row.cached_tokens, row.reasoning_tokens) == (1000, 400, 50)
    assert row.is_estimated
    assert row.cost == Decimal("0.00144")  # 600 fresh, 400 cached, 200 written
    assert row.price_source == "own price"


def test_a_price_nobody_knows_is_empty_and_not_nothing(committed: World) -> None:
    write(call(committed.acme, tariff=UNPRICED), call(committed.acme, tariff=FREE))
    assert {(row.cost, row.price_source) for row in Call.objects.all()} == {
        (None, "unknown"),
        (Decimal(0), "runs here"),
    }


def test_an_answer_from_the_cache_costs_nothing(committed: World) -> None:
    write(call(committed.acme, is_cached=True))
    row = Call.objects.get()
    assert (row.price_source, row.prompt_tokens) == ("cache", 1000)
    assert row.cost == 0


def test_a_call_that_never_reached_a_model_is_a_row_as_well(committed: World) -> None:
    write(call(committed.acme, status="provider_timeout", usage=None, tariff=None, first_ms=None))
    row = Call.objects.get()
    assert (row.status, row.prompt_tokens, row.cost) == ("provider_timeout", None, None)


@pytest.mark.parametrize("of_a_turn", [True, False])
def test_a_record_that_is_written_twice_counts_once(committed: World, of_a_turn: bool) -> None:
    record = call(committed.acme, **({"origin": turn_origin()} if of_a_turn else {}))
    write(record)
    write(record, record)
    ledger.record_call(record)
    ledger.flush_calls()
    assert Call.objects.count() == 1


def test_the_steps_and_attempts_of_a_turn_are_rows_of_their_own(committed: World) -> None:
    origin, moment = turn_origin(), now()
    again = turn_origin(attempt=2)
    write(
        call(committed.acme, origin=origin, started_at=moment),
        call(committed.acme, origin=origin, started_at=moment),  # the end of the turn, repeated
        call(committed.acme, origin=again, started_at=moment),
        call(committed.globex, origin=turn_origin(), started_at=moment),
    )
    assert Call.objects.count() == 3


def test_what_waits_is_written_together(committed: World) -> None:
    def end_many_calls(_place: int) -> None:
        for _ in range(100):
            ledger.record_call(call(committed.acme))

    assert at_once(8, end_many_calls) == [None] * 8
    assert not Call.objects.exists()
    at_once(3, lambda _: ledger.flush_calls())
    assert Call.objects.count() == 800


def test_a_database_that_is_away_keeps_the_rows_waiting(committed: World) -> None:
    ledger.record_call(call(committed.acme))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE public.providers_call RENAME TO providers_elsewhere")
    try:
        assert not upkeep.do("ledger")
        with pytest.raises(Error):
            ledger.flush_calls()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE public.providers_elsewhere RENAME TO providers_call")
    assert not Call.objects.exists()
    assert upkeep.do("ledger")
    assert Call.objects.count() == 1


def test_numbers_no_column_holds_are_cut_and_cost_no_less_than_nothing(committed: World) -> None:
    absurd = Usage(
        prompt_tokens=10**12, completion_tokens=-5, estimated=False, cached_tokens=10**13
    )
    write(call(committed.acme, usage=absurd), call(committed.acme))
    row = Call.objects.get(completion_tokens=0)
    assert row.prompt_tokens == row.cached_tokens == 2**31 - 1
    assert row.cost is not None
    assert row.cost >= 0


def test_a_row_that_does_not_fit_keeps_no_other_row_waiting(committed: World) -> None:
    ledger.record_call(call(committed.acme))
    ledger.record_call(call(committed.acme, status="null\x00byte"))
    ledger.record_call(call(committed.acme, total_ms=-1))
    ledger.record_call(call(committed.globex))
    ledger.flush_calls()
    assert Call.objects.count() == 2


# -- months


def test_the_months_ahead_get_partitions_once(no_months: None, committed: World) -> None:
    made = ledger.ensure_partitions(today=date(2031, 11, 30))
    assert made == [f"providers_call_{m}" for m in ("2031_11", "2031_12", "2032_01", "2032_02")]
    assert ledger.ensure_partitions(today=date(2031, 11, 1)) == []
    assert ledger.ensure_partitions(today=date(2031, 12, 1)) == ["providers_call_2032_03"]
    edge = datetime(2032, 1, 31, 23, 59, 59, 999999, tzinfo=UTC)
    write(call(committed.acme, started_at=edge))
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM public.providers_call_2032_01")
        assert cursor.fetchone() == (1,)


def test_a_month_that_began_without_its_partition_is_left_to_the_default_one(
    no_months: None, committed: World
) -> None:
    write(call(committed.acme, started_at=datetime(2031, 11, 5, tzinfo=UTC)))
    made = ledger.ensure_partitions(today=date(2031, 11, 30))
    assert "providers_call_2031_11" not in made
    assert len(made) == 3
    write(call(committed.acme, started_at=datetime(2031, 11, 6, tzinfo=UTC)))
    assert Call.objects.count() == 2


def test_old_months_are_dropped_with_their_rows_and_later_ones_stay(
    no_months: None, committed: World
) -> None:
    write(call(committed.acme, started_at=datetime(2031, 10, 5, tzinfo=UTC)))  # in the default one
    ledger.ensure_partitions(today=date(2031, 11, 30))
    for month in (11, 12):
        write(call(committed.acme, started_at=datetime(2031, month, 30, tzinfo=UTC)))
    assert ledger.drop_old_partitions(before=date(2031, 12, 15)) == ["providers_call_2031_11"]
    assert [row.started_at.month for row in Call.objects.all()] == [12]
    assert "providers_call_default" in partitions()
    assert ledger.drop_old_partitions(before=date(2031, 12, 15)) == []


@pytest.mark.parametrize("kept,left", [(25, 2), (2, 1), (0, 3)])
def test_tending_keeps_so_many_whole_months(
    no_months: None, committed: World, settings: Settings, kept: int, left: int
) -> None:
    settings.LEDGER_KEEP_MONTHS = kept
    this = now().replace(day=15)
    months_ago = [1, 3, 30]
    for months in months_ago:
        ordinal = this.year * 12 + this.month - 1 - months
        then = this.replace(year=ordinal // 12, month=ordinal % 12 + 1)
        ledger.ensure_partitions(today=then.date())
        write(call(committed.acme, started_at=then))
    tend_ledger()
    tend_ledger()
    assert Call.objects.count() == left
    assert f"providers_call_{this:%Y_%m}" in partitions()
