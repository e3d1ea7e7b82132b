"""The ranking of what fits a question: its laws."""

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, strategies as st

from apps.memory.contracts import Signal
from apps.memory.domain.ranking import Asked, Postings, Things, likely, rank, signals


def things(count: int, **columns: list[float]) -> Things:
    """Return things that differ only in what is given; all of one session."""
    plain: dict[str, Any] = {
        "session": np.zeros(count, dtype=np.int64),
        "length": np.full(count, 10.0),
        "speaker": np.zeros(count, dtype=np.int64),
        **{
            name: np.zeros(count)
            for name in (
                "has_time", "asks", "by_assistant", "cohesion", "recency", "importance", "uses"
            )
        },
    }  # fmt: skip
    for name, values in columns.items():
        plain[name] = np.array(values, dtype=plain[name].dtype)
    return Things(**plain)


def holding(*at: int) -> Postings:
    return Postings(at=np.array(at, dtype=np.int64), frequency=np.ones(len(at)))


def order(found: Things, asked: Asked, k: int = 10) -> list[int]:
    return [int(each) for each in rank(found, asked, k=k).at]


def test_what_holds_the_rarer_word_comes_first() -> None:
    asked = Asked(postings=[holding(0, 1, 2), holding(1)], cosine=None)

    assert order(things(4), asked)[0] == 1


def test_what_neither_shares_a_word_nor_means_the_like_is_left_out() -> None:
    asked = Asked(postings=[holding(2)], cosine=np.array([0.6, 0.1, 0.0, 0.19]))

    assert order(things(4), asked) == [0, 2]


def test_what_has_no_vector_yet_is_found_by_its_words() -> None:
    asked = Asked(postings=[holding(1)], cosine=np.array([0.5, np.nan]))

    assert set(order(things(2), asked)) == {0, 1}


def test_a_neighbours_words_count_where_both_are_about_the_same() -> None:
    asked = Asked(postings=[holding(1)], cosine=None)

    assert order(things(3, cohesion=[0.0, 0.0, 0.0]), asked) == [1]
    assert set(order(things(3, cohesion=[0.5, 0.5, 0.5]), asked)) == {0, 1, 2}


def test_neighbours_of_another_session_are_strangers() -> None:
    asked = Asked(postings=[holding(1)], cosine=None)
    found = things(3, cohesion=[0.5, 0.5, 0.5], session=[1, 2, 3])

    assert order(found, asked) == [1]


def test_the_person_whom_the_question_names_comes_first() -> None:
    asked = Asked(postings=[holding(0, 1)], cosine=None, speaker=1)

    assert order(things(2, speaker=[0, 1]), asked) == [1, 0]


def test_a_question_for_a_time_prefers_what_names_one() -> None:
    asked = Asked(postings=[holding(0, 1)], cosine=None, asks_time=True)

    assert order(things(2, has_time=[0, 1]), asked) == [1, 0]


def test_the_assistants_words_stand_behind_the_persons() -> None:
    asked = Asked(postings=[holding(0, 1)], cosine=None)

    assert order(things(2, by_assistant=[1, 0]), asked) == [1, 0]


def test_nothing_is_ranked_where_there_is_nothing() -> None:
    assert order(things(0), Asked(postings=[], cosine=None)) == []


_COSINES = st.lists(st.floats(-1, 1), min_size=1, max_size=30)


@given(_COSINES, st.data())
def test_equal_data_give_equal_order_and_the_parts_are_the_score(
    cosines: list[float], data: st.DataObject
) -> None:
    count = len(cosines)
    places = st.lists(st.integers(0, count - 1), unique=True, min_size=1).map(sorted)
    asked = Asked(
        postings=[holding(*at) for at in data.draw(st.lists(places, max_size=4))],
        cosine=np.array(cosines),
    )
    found = things(
        count, cohesion=data.draw(st.lists(st.floats(0, 1), min_size=count, max_size=count))
    )

    one, two = rank(found, asked, k=10), rank(found, asked, k=10)

    assert one.at.tolist() == two.at.tolist()
    assert one.scores.tolist() == sorted(one.scores, reverse=True)
    assert np.allclose(one.scores, np.sum(list(one.parts.values()), axis=0))
    assert len(set(one.at.tolist())) == len(one.at) <= min(10, count)


@given(_COSINES)
def test_no_signal_leaves_its_bounds(cosines: list[float]) -> None:
    asked = Asked(postings=[holding(0)], cosine=np.array(cosines))

    parts = signals(things(len(cosines)), asked)

    assert 0 <= parts[Signal.WORDS].min() <= parts[Signal.WORDS].max() <= 0.3 + 1e-9
    assert abs(parts[Signal.MEANING]).max() <= 1 + 1e-9


@given(
    st.lists(
        st.dictionaries(st.integers(1, 40), st.integers(1, 5), min_size=1), min_size=1, max_size=4
    ),
    st.integers(1, 40),
)
def test_the_likely_places_are_those_that_hold_most_of_the_rarest_words(
    words: list[dict[int, int]], k: int
) -> None:
    held = [
        (np.array(sorted(word), dtype=np.int64), np.array([float(word[at]) for at in sorted(word)]))
        for word in words
    ]
    everywhere = {at for word in words for at in word}

    found = [int(place) for place in likely(held, 40, k)]

    def gained(place: int) -> float:
        return sum(
            float(np.log1p((40 - len(word) + 0.5) / (len(word) + 0.5)))
            * word[place] / (word[place] + 1.2)
            for word in words if place in word
        )  # fmt: skip

    assert len(found) == len(set(found)) == min(k, len(everywhere))
    left_out = everywhere - set(found)
    assert all(gained(out) <= gained(at) + 1e-9 for out in left_out for at in found)


def test_a_word_is_as_rare_as_among_all_things_not_only_among_the_likely_ones() -> None:
    common = Postings(at=np.array([0]), frequency=np.ones(1), held=900)
    rare = Postings(at=np.array([1]), frequency=np.ones(1), held=2)

    few = signals(things(3), Asked(postings=[common, rare], cosine=None))[Signal.WORDS]
    many = replace(things(3), total=1_000)
    words = signals(many, Asked(postings=[common, rare], cosine=None))[Signal.WORDS]

    assert few[0] < few[1]  # held by more than there are: `total` says nothing here
    assert words[0] < words[1] / 5
