"""What is learnt from a sentence, and from which nothing is."""

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from apps.memory.contracts import EntityKind, MemoryKind, Namespace
from apps.memory.domain.clauses import clauses_in, written_out
from apps.memory.domain.extraction import Candidate, Setting, candidates_in, neutral
from apps.memory.domain.likeness import says_the_same
from apps.memory.domain.slots import Holds
from apps.memory.domain.weighing import confidence_of, importance_of, proven

SAID_ON = date(2024, 11, 5)  # a Tuesday
LINES: list[tuple[str, str]] = [
    tuple(line)
    for line in json.loads(
        (Path(__file__).parents[2] / "app/memory/chat_lines.json").read_text("utf-8")
    )
]


def read(text: str, speaker: str = "", **known: str) -> list[Candidate]:
    setting = Setting(said_on=SAID_ON, speaker=speaker, known=known, names={})
    return candidates_in(text, setting)


def texts(text: str, speaker: str = "", **known: str) -> list[str]:
    return [each.text for each in read(text, speaker, **known)]


@pytest.mark.parametrize(
    "said, kept",
    [
        ("I live in Rome.", ["Lives in Rome."]),
        ("i live in berlin now", ["Lives in berlin."]),
        ("I moved to Berlin last month.", ["Lives in Berlin (since October 2024)."]),
        ("I've lived in Toronto for six years.", ["Lives in Toronto."]),
        ("I work as a nurse at Charité.", ["Works at Charité.", "Works as a nurse."]),
        ("I live in Rome and work as a cook.", ["Lives in Rome.", "Works as a cook."]),
        ("My name is Ann.", ["Is called Ann."]),
        ("Please call me Max.", ["Is called Max."]),
        ("My wife is called Sara.", ["Has a wife called Sara."]),
        ("My dog is called Rex.", ["Has a dog called Rex."]),
        ("I'm allergic to peanuts and shellfish.",
         ["Is allergic to peanuts.", "Is allergic to shellfish."]),
        ("My birthday is on 5 May.", ["Has their birthday on 5 May."]),
        ("I love hiking, tea and jazz.", ["Loves hiking.", "Loves tea.", "Loves jazz."]),
        ("I don't like coffee.", ["Does not like coffee."]),
        ("I can't stand loud music.", ["Dislikes loud music."]),
        ("I prefer tea to coffee.", ["Prefers tea to coffee."]),
        ("My favorite colour is green.", ["Has green as their favourite colour."]),
        ("I'm vegetarian.", ["Is vegetarian."]),
        ("I'm going to Paris in June.", ["Plans going to Paris in June 2025."]),
        ("We decided to paint the kitchen green.", ["Decided to paint the kitchen green."]),
        ("I painted a lake sunrise last year.", ["Painted a lake sunrise in 2023."]),
        ("Yesterday I ran a half marathon.", ["Ran a half marathon on 4 November 2024."]),
        ("My interview is on Friday.", ["Has their interview on 8 November 2024."]),
        ("Always answer in German.", ["Always answer in German."]),
        ("When I ask for code, give me tests too.",
         ["When they ask for code, give them tests too."]),
        ("Remember that the wifi box is in the cellar.", ["The wifi box is in the cellar."]),
        ("Btw, I'm a teacher, what should I read?", ["Works as a teacher."]),
    ],
)  # fmt: skip
def test_what_somebody_states_is_kept_in_the_third_person(said: str, kept: list[str]) -> None:
    assert texts(said) == kept


def test_relatives_are_told_apart_by_their_names() -> None:
    found = read("My brother Tom lives in Rome.")

    assert [(each.text, each.slot) for each in found] == [
        ("Has a brother called Tom.", "brother:tom.name"),
        ("Brother Tom lives in Rome.", "brother:tom.home"),
    ]


def test_a_known_name_and_a_known_relation_mean_the_same_person() -> None:
    known = {"tom": "brother:tom", "brother": "brother:tom"}

    by_name, by_relation = (
        read("Tom moved to Oslo.", **known),
        read("My brother moved to Oslo.", **known),
    )

    assert by_name[0].slot == by_relation[0].slot == "brother:tom.home"
    assert by_name[0].text == by_relation[0].text == "Brother Tom lives in Oslo."


def test_nobody_knows_a_stranger() -> None:
    assert texts("Tom moved to Oslo.") == []


def test_what_a_named_speaker_says_is_about_them() -> None:
    assert texts("I live in Rome.", "Ann") == ["Ann lives in Rome."]
    assert texts("My brother Tom lives in Rome.", "Ann")[-1] == "Ann's brother Tom lives in Rome."


@pytest.mark.parametrize(
    "said, text, holds",
    [
        ("I no longer work at Acme.", "No longer works at Acme.", Holds.ENDED),
        ("I don't work at Acme any more.", "No longer works at Acme.", Holds.ENDED),
        ("I left my job at Acme.", "No longer works at Acme.", Holds.ENDED),
        ("I used to live in Paris.", "Used to live in Paris.", Holds.PAST),
        ("I lived in Paris until 2019.", "Used to live in Paris (until 2019).", Holds.PAST),
    ],
)
def test_what_is_over_is_told_from_what_holds(said: str, text: str, holds: Holds) -> None:
    (found,) = read(said)

    assert (found.text, found.holds) == (text, holds)


def test_an_end_with_a_date_has_that_date() -> None:
    (found,) = read("I lived in Paris until 2019.")

    assert found.until == date(2019, 12, 31)


@pytest.mark.parametrize(
    "said",
    [
        "Where do I live?",
        "Do you think I should move to Spain?",
        "If I lived in Rome, I would eat pasta all day.",
        "I wish I lived in Rome.",
        "Imagine I live on a ship.",
        'She said "I live in Rome".',
        "Translate this into German: I live in Rome.",
        "Proofread the following text:\nI live in Rome. I work at Acme.",
        "> I live in Rome\nIs this sentence right?",
        "```\nI live in Rome\n```",
        "Write a poem about how I live in Rome.",
        "I want you to write a poem.",
        "I have a question.",
        "I like that.",
        "I love it!",
        "I'm a bit tired.",
        "I'm getting a 404 error.",
        "Thanks, that helps!",
        "Hello!",
        "",
        "My password is [password left out]",
    ],
)
def test_what_states_nothing_teaches_nothing(said: str) -> None:
    assert texts(said) == []


def test_the_quote_is_letter_by_letter() -> None:
    said = "Well — I’m allergic to peanuts! What's for lunch?"
    (found,) = read(said)

    assert found.quote == "Well — I’m allergic to peanuts!"
    assert found.quote in said


def test_standing_instructions_and_the_profile_last() -> None:
    (instruction,) = read("From now on, answer in English.")
    (home,) = read("I live in Rome.")

    assert (instruction.kind, instruction.namespace) == (
        MemoryKind.PROCEDURAL,
        Namespace.PERSISTENT,
    )
    assert (home.kind, home.namespace) == (MemoryKind.SEMANTIC, Namespace.LONG_TERM)


def test_names_are_kept_with_their_kinds() -> None:
    (found,) = read("I live in Rome.")

    assert found.names == (("Rome", EntityKind.PLACE),)


def test_a_plan_that_is_taken_back_names_the_family_it_replaces() -> None:
    (found,) = read("We're going to Rome instead of Paris in June.")

    assert (found.slot, found.replaces) == ("self.plan:travel rome", "self.plan:travel ")
    assert found.text == "Plans going to Rome in June 2025."


def test_lines_of_a_chat_teach_what_they_state_and_little_else() -> None:
    """187 lines written for this; a seventh of them state something."""
    telling = [text for key, text in LINES if key]
    idle = [text for key, text in LINES if not key]

    assert len(LINES) >= 150
    assert len(telling) * 3 <= len(LINES)
    assert [text for text in telling if not read(text)] == []
    assert [text for text in idle if read(text)] == []


def test_hedges_and_hearsay_are_believed_less() -> None:
    sure = confidence_of("I live in Rome.", confirmed=False, about_self=True)
    hedged = confidence_of("Maybe I live in Rome.", confirmed=False, about_self=True)
    of_others = confidence_of("My sister lives in Rome.", confirmed=False, about_self=False)

    assert hedged < of_others < sure < proven(sure) < 1


@given(st.floats(min_value=0, max_value=1))
def test_a_proof_never_makes_less_sure(confidence: float) -> None:
    assert confidence <= proven(confidence) <= 1 or confidence > 0.99


@given(
    st.sampled_from(["allergy", "home", "event", "nothing"]), st.sampled_from(Holds), st.booleans()
)
def test_importance_is_a_whole_number_from_1_to_10(weight: str, holds: Holds, told: bool) -> None:
    assert 1 <= importance_of(weight, holds=holds, told=told) <= 10


def test_the_same_meaning_with_another_number_or_name_is_something_else() -> None:
    assert says_the_same("Ran a race in May.", "Ran a race in May.", 0.95)
    assert not says_the_same("Went to Rome in May.", "Went to Oslo in May.", 0.95)
    assert not says_the_same("Ran 5 km.", "Ran 10 km.", 0.99)
    assert not says_the_same("Eats meat.", "Does not eat meat.", 0.99)
    assert not says_the_same("Ran a race.", "Ran a race.", 0.9)


def test_contractions_are_written_out() -> None:
    assert (
        written_out("I’m here and I can't  go, he's late")
        == "I am here and I cannot go, he is late"
    )
    assert neutral("I am with my sister") == "they are with their sister"


@given(st.text(max_size=300))
def test_no_text_is_too_odd(text: str) -> None:
    assert len(read(text)) <= 12
    assert all(clause.quote in text for clause in clauses_in(text) if "\n" not in clause.quote)


@given(st.text(alphabet="I live n Rome.?!,\"'\n", max_size=200))
def test_reading_is_deterministic(text: str) -> None:
    assert read(text) == read(text)
