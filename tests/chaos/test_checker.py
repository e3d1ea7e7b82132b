"""The checker itself: a clean run is clean, and each kind of damage is found."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from tests.chaos.checker import COUNTS, Observed, StoredMessage, StoredTurn, check
from tests.chaos.clients import Turn
from tests.chaos.fire import GRACE_S, went_on

SLUGS = ("fire", "water")
Books = tuple[list[Observed], list[StoredMessage], list[StoredTurn]]


def books(lengths: list[int]) -> Books:
    """A run in which nothing was lost: one conversation of so many questions for each number."""
    observed: list[Observed] = []
    messages: list[StoredMessage] = []
    turns: list[StoredTurn] = []
    for index, length in enumerate(lengths):
        slug, thread, parent = SLUGS[index % 2], f"c{index}", ""
        for number in range(1, length + 1):
            name = f"{thread}-{number}"
            question = StoredMessage(
                slug=slug,
                id=f"q-{name}",
                conversation_id=thread,
                parent_id=parent,
                role="user",
                text=f"text {name}",
                client_message_id=f"client-{name}",
            )
            answer = replace(
                question,
                id=f"a-{name}",
                parent_id=question.id,
                role="assistant",
                text=f"answer {name}",
                client_message_id="",
            )
            turn = StoredTurn(
                slug=slug,
                id=f"t-{name}",
                user_message_id=question.id,
                answer_id=answer.id,
                state="completed",
                attempt=1,
            )
            observed.append(
                Observed(
                    slug=slug,
                    thread=thread,
                    number=number,
                    client_message_id=question.client_message_id,
                    text=question.text,
                    expected=answer.text,
                    accepted=True,
                    conversation_id=thread,
                    turn_id=turn.id,
                    answer=answer.text,
                    state="done",
                    terminals=1,
                )
            )
            messages += [question, answer]
            turns.append(turn)
            parent = answer.id
    return observed, messages, turns


lengths = st.lists(st.integers(1, 4), min_size=1, max_size=5)


@given(lengths, st.randoms(use_true_random=False))
def test_a_run_without_losses_is_clean_in_whatever_order_it_is_read(
    sizes: list[int], random: st.DataObject
) -> None:
    observed, messages, turns = books(sizes)
    for rows in (observed, messages, turns):
        random.shuffle(rows)  # type: ignore[attr-defined]  # hypothesis' own Random

    verdict = check(observed, messages, turns)

    assert verdict.clean, verdict.details


def _pick(data: st.DataObject, run: Books) -> int:
    return int(data.draw(st.integers(0, len(run[0]) - 1)))


def _lose(run: Books, at: int) -> None:
    run[1].remove(next(m for m in run[1] if m.text == run[0][at].text))


def _change(run: Books, at: int) -> None:
    place = next(i for i, m in enumerate(run[1]) if m.text == run[0][at].text)
    run[1][place] = replace(run[1][place], text="something else")


def _store_twice(run: Books, at: int) -> None:
    twin = next(m for m in run[1] if m.text == run[0][at].text)
    run[1].append(replace(twin, id="twin"))


def _answer_twice(run: Books, at: int) -> None:
    twin = next(m for m in run[1] if m.text == run[0][at].expected)
    run[1].append(replace(twin, id="twin"))


def _leave_open(run: Books, at: int) -> None:
    run[2][at] = replace(run[2][at], state="running")


def _fail(run: Books, at: int) -> None:
    run[2][at] = replace(run[2][at], state="failed")
    run[0][at].state = "error"


def _lose_a_word(run: Books, at: int) -> None:
    run[0][at].answer = run[0][at].answer[1:]


def _miss_the_end(run: Books, at: int) -> None:
    run[0][at].state = ""


def _mix_up(run: Books, at: int) -> None:
    run[0][at].expected = "what another question gets"


def _swap(run: Books, at: int) -> None:
    place = next(i for i, m in enumerate(run[1]) if m.text == run[0][at].text)
    run[1][place] = replace(run[1][place], parent_id="elsewhere")


def _cross(run: Books, at: int) -> None:
    run[0][at].slug = SLUGS[run[0][at].slug == SLUGS[0]]


def _double(run: Books, at: int) -> None:
    run[0][at].doubled = 1


def _end_twice(run: Books, at: int) -> None:
    run[0][at].terminals = 2


def _never_accept(run: Books, at: int) -> None:
    run[0][at].accepted = False


@pytest.mark.parametrize(
    "damage,kind",
    [
        (_lose, "lost_messages"),
        (_change, "lost_messages"),
        (_store_twice, "duplicate_messages"),
        (_answer_twice, "duplicate_answers"),
        (_leave_open, "open_turns"),
        (_fail, "not_completed"),
        (_lose_a_word, "text_differs"),
        (_miss_the_end, "text_differs"),
        (_mix_up, "wrong_answers"),
        (_swap, "order_broken"),
        (_cross, "crossed_tenants"),
        (_double, "doubled_events"),
        (_end_twice, "extra_terminals"),
        (_never_accept, "unaccepted_messages"),
    ],
)
@given(sizes=lengths, data=st.data())
def test_every_kind_of_damage_is_found(
    damage: Callable[[Books, int], None], kind: str, sizes: list[int], data: st.DataObject
) -> None:
    run = books(sizes)
    damage(run, _pick(data, run))

    verdict = check(*run)

    assert kind in COUNTS
    assert verdict.counts[kind] >= 1, verdict.details


# -- who is taken for stuck


def a_turn(*, moved: list[float], over_at: float | None = None) -> Turn:
    observed = Observed(
        slug="fire", thread="c0", number=1, client_message_id="m", text="?", expected="!",
        conversation_id="",
    )  # fmt: skip
    turn = Turn(observed, 0.0, progress=list(moved))
    if over_at is not None:
        turn.over_at = over_at
        turn.progress.append(over_at)
        turn.over.set()
    return turn


STRUCK = 100.0


def test_what_was_under_way_when_a_fault_struck_proves_nothing() -> None:
    assert went_on(a_turn(moved=[99.9, STRUCK + GRACE_S / 2]), STRUCK) is None


def test_what_moves_later_went_on() -> None:
    later = STRUCK + GRACE_S + 1

    assert went_on(a_turn(moved=[STRUCK + GRACE_S / 2, later]), STRUCK) == later


def test_nobody_waits_for_a_turn_that_ended_while_the_fault_struck() -> None:
    ended = STRUCK + GRACE_S / 2

    assert went_on(a_turn(moved=[99.9], over_at=ended), STRUCK) == ended
