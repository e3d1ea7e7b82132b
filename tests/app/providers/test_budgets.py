"""Budgets: what calls set aside before they ask, and count when they end."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from apps.core import scope
from apps.core.clock import now
from apps.core.ids import new_id
from apps.jobs.models import OutboxEntry
from apps.providers import metrics
from apps.providers.contracts import Origin
from apps.providers.domain.periods import Period, next_period_start
from apps.providers.errors import BudgetExceeded, PriceUnknown
from apps.providers.models import Budget, BudgetUse, Reservation
from apps.providers.services import budgets
from apps.providers.services.budgets import Held, settle_budget
from tests.app.providers.money import at_once, make_budget, reserve, rules_of, use_of
from tests.fixtures.database import World

CALLS, ROOM = 100, 10


def held_and_refused(outcomes: list[object]) -> tuple[list[Held], list[BudgetExceeded]]:
    held = [each for each in outcomes if isinstance(each, Held)]
    refused = [each for each in outcomes if isinstance(each, BudgetExceeded)]
    assert len(held) + len(refused) == len(outcomes), outcomes
    return held, refused


# -- a limit that neither leaks nor blocks falsely


@pytest.mark.parametrize("unit,amount", [("money", 10), ("tokens", 1000)])
def test_of_a_hundred_calls_at_once_exactly_the_ten_pass_for_which_there_is_room(
    committed: World, unit: str, amount: int
) -> None:
    budget = make_budget(committed.acme, unit=unit, amount=amount)
    rules = rules_of(committed.acme)
    outcomes = at_once(CALLS, lambda _: reserve(committed.acme, rules=rules))
    held, _refused = held_and_refused(outcomes)
    assert len(held) == ROOM
    assert use_of(budget) == (0, amount)
    for each in held:
        settle_budget(each, tokens=100, cost=Decimal(1))
    assert use_of(budget) == (amount, 0)
    assert not Reservation.objects.exists()


def test_at_several_levels_at_once_the_tightest_decides_and_refusals_leave_nothing_behind(
    committed: World,
) -> None:
    group, key = new_id(), new_id()
    whole = make_budget(committed.acme, amount=50)
    of_group = make_budget(committed.acme, level="group", subject_id=group, amount=10)
    each_member = make_budget(committed.acme, level="member", amount=4)
    of_key = make_budget(
        committed.acme, level="key", subject_id=key, unit="tokens", amount=700, period="day"
    )
    people = [new_id() for _ in range(4)]
    rules = rules_of(committed.acme)

    def ask(place: int) -> Held | None:
        origin = Origin(user_id=people[place % 4], key_id=key)
        return reserve(committed.acme, rules=rules, origin=origin, group_id=group)

    held, refused = held_and_refused(at_once(CALLS, ask))
    assert len(held) == 7  # the key's tokens are the least
    assert {each.level for each in refused} <= {"group", "member", "key"}
    assert use_of(whole) == (0, 7)
    assert use_of(of_group) == (0, 7)
    assert use_of(of_key) == (0, 700)
    members = BudgetUse.objects.filter(budget=each_member).values_list("reserved", flat=True)
    assert sum(members) == 7
    assert max(members) <= 4
    for each in held:
        settle_budget(each, tokens=100, cost=Decimal("0.5"))
    assert use_of(whole) == (Decimal("3.5"), 0)
    assert use_of(of_key) == (700, 0)


def test_calls_that_begin_and_end_at_once_neither_leak_nor_wait_for_each_other_in_a_circle(
    committed: World,
) -> None:
    member = make_budget(committed.acme, level="member", amount=1000)
    whole = make_budget(committed.acme, amount=1000)
    tokens = make_budget(committed.acme, unit="tokens", period="day", amount=10**6)
    rules, people = rules_of(committed.acme), [new_id() for _ in range(3)]

    def call_twice(place: int) -> None:
        for turn in range(4):
            origin = Origin(user_id=people[(place + turn) % 3])
            held = reserve(committed.acme, rules=rules, origin=origin)
            assert held is not None
            if turn == 3:  # its process dies; the sweep runs beside the others
                Reservation.objects.filter(id=held.id).update(until=now() - timedelta(seconds=1))
                budgets.release_expired()
            else:
                settle_budget(held, tokens=10, cost=Decimal("0.25"))

    assert at_once(24, call_twice) == [None] * 24
    budgets.release_expired()
    assert use_of(whole) == (18, 0)
    assert use_of(tokens) == (720, 0)
    uses = BudgetUse.objects.filter(budget=member)
    assert (sum(u.used for u in uses), sum(u.reserved for u in uses)) == (18, 0)


def test_what_is_settled_makes_room_for_others(committed: World) -> None:
    make_budget(committed.acme, amount=1)
    first = reserve(committed.acme)
    assert first is not None
    with pytest.raises(BudgetExceeded):
        reserve(committed.acme)
    settle_budget(first, tokens=1, cost=Decimal("0.25"))
    with pytest.raises(BudgetExceeded):
        reserve(committed.acme)
    assert reserve(committed.acme, cost="0.75") is not None


def test_a_call_larger_than_the_whole_budget_is_refused_at_its_first_use(committed: World) -> None:
    make_budget(committed.acme, amount=1)
    with pytest.raises(BudgetExceeded):
        reserve(committed.acme, cost="1.000001")
    assert not BudgetUse.objects.exists()
    assert reserve(committed.acme, cost="1") is not None


def test_a_refusal_says_whose_budget_it_is_and_when_it_begins_anew(committed: World) -> None:
    make_budget(committed.acme, level="member", unit="tokens", period="week", amount=50)
    with pytest.raises(BudgetExceeded) as refused:
        reserve(committed.acme, origin=Origin(user_id=new_id()))
    assert refused.value.details() == {
        "level": "member",
        "unit": "tokens",
        "period": "week",
        "limit": "50",
        "resets_on": next_period_start(Period.WEEK, now().date()).isoformat(),
    }
    assert "50" in refused.value.message()


def test_a_call_that_costs_nothing_passes_a_budget_of_money_that_was_overspent(
    committed: World,
) -> None:
    budget = make_budget(committed.acme, amount=1)
    held = reserve(committed.acme)
    assert held is not None
    settle_budget(held, tokens=1, cost=Decimal(3))  # more than it had set aside
    assert use_of(budget) == (3, 0)
    with pytest.raises(BudgetExceeded):
        reserve(committed.acme, cost="0.01")
    assert reserve(committed.acme, cost="0") is not None


def test_a_budget_of_nothing_stops_everything_but_what_is_free(committed: World) -> None:
    make_budget(committed.acme, amount=0)
    with pytest.raises(BudgetExceeded):
        reserve(committed.acme, cost="0.000001")
    assert reserve(committed.acme, cost="0") is not None


def test_without_budgets_nothing_is_set_aside(committed: World) -> None:
    assert reserve(committed.acme) is None
    assert not Reservation.objects.exists()


# -- settling


def test_settling_twice_counts_once(committed: World) -> None:
    budget = make_budget(committed.acme)
    held = reserve(committed.acme)
    assert held is not None
    settle_budget(held, tokens=1, cost=Decimal(2))
    settle_budget(held, tokens=1, cost=Decimal(2))
    assert use_of(budget) == (2, 0)


def test_what_a_dead_process_had_set_aside_is_given_back_once(committed: World) -> None:
    budget = make_budget(committed.acme)
    reserve(committed.acme)
    other = reserve(committed.acme, cost="2")
    assert other is not None
    Reservation.objects.exclude(id=other.id).update(until=now() - timedelta(seconds=1))
    assert sum(int(str(n)) for n in at_once(4, lambda _: budgets.release_expired())) == 1
    assert use_of(budget) == (0, 2)
    assert budgets.release_expired() == 0


def test_a_running_call_keeps_its_reservation(committed: World) -> None:
    budget = make_budget(committed.acme)
    reserve(committed.acme)
    Reservation.objects.update(until=now() - timedelta(seconds=1))
    budgets.renew_reservations()
    assert budgets.release_expired() == 0
    assert use_of(budget) == (0, 1)


def test_a_call_that_outlived_its_reservation_counts_what_it_used_and_gives_nothing_back(
    committed: World,
) -> None:
    budget = make_budget(committed.acme)
    held, other = reserve(committed.acme, cost="3"), reserve(committed.acme, cost="4")
    assert held is not None
    assert other is not None
    Reservation.objects.filter(id=held.id).update(until=now() - timedelta(seconds=1))
    budgets.release_expired()
    settle_budget(held, tokens=1, cost=Decimal(2))
    assert use_of(budget) == (2, 4)


def test_a_database_that_is_away_when_a_call_ends_delays_the_settling(committed: World) -> None:
    budget = make_budget(committed.acme)
    held = reserve(committed.acme, cost="3")
    assert held is not None
    with connection.cursor() as cursor:  # an error of the database, whichever it is
        cursor.execute("ALTER TABLE public.providers_reservation RENAME TO providers_elsewhere")
    try:
        settle_budget(held, tokens=7, cost=Decimal(2))
        settle_budget(held, tokens=7, cost=Decimal(2))
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE public.providers_elsewhere RENAME TO providers_reservation")
    assert use_of(budget) == (0, 3)
    budgets.renew_reservations()
    budgets.settle_owed()
    budgets.settle_owed()
    assert use_of(budget) == (2, 0)


def test_a_provider_that_reports_negative_use_gives_nobody_more_room(committed: World) -> None:
    money = make_budget(committed.acme)
    tokens = make_budget(committed.acme, unit="tokens", amount=10_000)
    held = reserve(committed.acme)
    assert held is not None
    settle_budget(held, tokens=-50, cost=Decimal(-5))
    assert use_of(money) == (0, 0)
    assert use_of(tokens) == (0, 0)


def test_a_cost_that_turns_out_to_be_unknown_counts_as_nothing_in_money_and_fully_in_tokens(
    committed: World,
) -> None:
    money = make_budget(committed.acme, is_hard=False)
    tokens = make_budget(committed.acme, unit="tokens", amount=10_000)
    held = reserve(committed.acme, cost=None)
    assert held is not None
    settle_budget(held, tokens=120, cost=None)
    assert use_of(money) == (0, 0)
    assert use_of(tokens) == (120, 0)


# -- which budgets


def test_a_price_nobody_knows_is_refused_by_a_hard_budget_of_money_only(committed: World) -> None:
    budget = make_budget(committed.acme, is_hard=False)
    make_budget(committed.acme, unit="tokens", amount=10_000)
    assert reserve(committed.acme, cost=None) is not None
    make_budget(committed.acme, level="member")
    with pytest.raises(PriceUnknown):
        reserve(committed.acme, cost=None, origin=Origin(user_id=new_id()))
    assert use_of(budget) == (0, 0)
    assert Reservation.objects.count() == 1  # of the refused call nothing stayed


def test_a_soft_budget_lets_everything_through_and_counts_it(committed: World) -> None:
    budget = make_budget(committed.acme, amount=1, is_hard=False)
    for _ in range(3):
        held = reserve(committed.acme, cost="5")
        assert held is not None
        settle_budget(held, tokens=1, cost=Decimal(5))
    assert use_of(budget) == (15, 0)


def test_a_member_has_an_allowance_inside_the_pool_of_his_group(committed: World) -> None:
    group, other_group = new_id(), new_id()
    pool = make_budget(committed.acme, level="group", subject_id=group, amount=5)
    make_budget(committed.acme, level="member", amount=3)
    first, second, stranger = new_id(), new_id(), new_id()

    def spend(person: UUID, cost: str, member_of: UUID = group) -> None:
        origin = Origin(user_id=person)
        held = reserve(committed.acme, origin=origin, group_id=member_of, cost=cost)
        assert held is not None
        settle_budget(held, tokens=1, cost=Decimal(cost))

    spend(first, "3")
    with pytest.raises(BudgetExceeded) as own:
        spend(first, "1")
    assert own.value.level == "member"
    spend(second, "2")
    with pytest.raises(BudgetExceeded) as shared:
        spend(second, "1")
    assert shared.value.level == "group"
    spend(stranger, "3", member_of=other_group)
    assert use_of(pool) == (5, 0)


def test_a_members_own_budget_replaces_the_one_of_each_member(committed: World) -> None:
    generous, other = new_id(), new_id()
    make_budget(committed.acme, level="member", amount=1)
    make_budget(committed.acme, level="member", amount=100, unit="tokens")
    own = make_budget(committed.acme, level="member", subject_id=generous, amount=50)
    assert reserve(committed.acme, origin=Origin(user_id=generous), cost="20") is not None
    assert use_of(own) == (0, 20)
    with pytest.raises(BudgetExceeded):
        reserve(committed.acme, origin=Origin(user_id=other), cost="20")
    with pytest.raises(BudgetExceeded) as of_tokens:  # another unit: that one still holds
        reserve(committed.acme, origin=Origin(user_id=generous), tokens=101)
    assert of_tokens.value.unit == "tokens"


def test_a_call_of_nobody_counts_for_the_workspace_alone(committed: World) -> None:
    whole = make_budget(committed.acme)
    make_budget(committed.acme, level="member", amount=0)
    make_budget(committed.acme, level="key", subject_id=new_id(), amount=0)
    assert reserve(committed.acme) is not None
    assert use_of(whole) == (0, 1)


def test_two_workspaces_never_share_a_budget(committed: World) -> None:
    person, group = new_id(), new_id()
    scarce = make_budget(committed.acme, level="member", amount=1)
    plenty = make_budget(committed.globex, level="member", amount=1)
    assert rules_of(committed.acme) != rules_of(committed.globex)
    origin = Origin(user_id=person)
    assert reserve(committed.acme, origin=origin, group_id=group) is not None
    with pytest.raises(BudgetExceeded):
        reserve(committed.acme, origin=origin, group_id=group)
    assert reserve(committed.globex, origin=origin, group_id=group) is not None
    assert use_of(scarce) == use_of(plenty) == (0, 1)


def test_a_new_period_begins_with_nothing_used(committed: World) -> None:
    budget = make_budget(committed.acme, amount=1, period="day")
    held = reserve(committed.acme)
    assert held is not None
    settle_budget(held, tokens=1, cost=Decimal(1))
    with pytest.raises(BudgetExceeded):
        reserve(committed.acme)
    BudgetUse.objects.update(period_start=now().date() - timedelta(days=1))  # a day passes
    assert reserve(committed.acme) is not None
    uses = BudgetUse.objects.filter(budget=budget).order_by("period_start")
    assert [(int(use.used), int(use.reserved)) for use in uses] == [(1, 0), (0, 1)]


def test_a_call_that_runs_over_midnight_counts_for_the_day_on_which_it_began(
    committed: World,
) -> None:
    budget = make_budget(committed.acme, amount=1, period="day")
    held = reserve(committed.acme)
    BudgetUse.objects.update(period_start=now().date() - timedelta(days=1))
    assert held is not None
    settle_budget(held, tokens=1, cost=Decimal(1))
    row = BudgetUse.objects.get(budget=budget)
    assert (row.period_start, int(row.used)) == (now().date() - timedelta(days=1), 1)


def test_a_call_goes_on_beside_the_deletion_of_its_budget(committed: World) -> None:
    gone = make_budget(committed.acme)
    kept = make_budget(committed.acme, unit="tokens", amount=10_000)
    rules = rules_of(committed.acme)
    before = reserve(committed.acme, rules=rules)
    with scope.tenant_scope(committed.acme):
        Budget.objects.get(id=gone.id).delete()
    after = reserve(committed.acme, rules=rules)  # this process has not heard of it yet
    assert before is not None
    assert after is not None
    settle_budget(before, tokens=10, cost=Decimal(1))
    settle_budget(after, tokens=10, cost=Decimal(1))
    assert use_of(kept) == (20, 0)


# -- warning


def test_people_are_warned_once_when_a_budget_passes_its_alert_share(
    committed: World, settings: Settings
) -> None:
    settings.MAIL_IS_SENT = True
    budget = make_budget(committed.acme, amount=10, alert_percent=80)

    def spend(cost: str) -> None:
        held = reserve(committed.acme, cost=cost)
        assert held is not None
        settle_budget(held, tokens=1, cost=Decimal(cost))

    spend("7.9")
    assert BudgetUse.objects.get(budget=budget).alerted_at is None
    spend("0.1")
    warned = BudgetUse.objects.get(budget=budget).alerted_at
    assert warned is not None
    spend("1")
    assert BudgetUse.objects.get(budget=budget).alerted_at == warned
    assert OutboxEntry.objects.filter(task=budgets.WARNING_TASK).count() <= 1


def test_calls_that_end_together_warn_once(committed: World, settings: Settings) -> None:
    settings.MAIL_IS_SENT = True
    make_budget(committed.acme, amount=10, alert_percent=10)
    held = [reserve(committed.acme, cost="1") for _ in range(10)]
    before = metrics.BUDGET_ALERTS.labels("tenant", "money")._value.get()

    def end(place: int) -> None:
        each = held[place]
        assert each is not None
        settle_budget(each, tokens=1, cost=Decimal(1))

    assert at_once(10, end) == [None] * 10
    assert metrics.BUDGET_ALERTS.labels("tenant", "money")._value.get() == before + 1
