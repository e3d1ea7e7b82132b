"""Where a memory stands in a portrait: by its slot, its kind, its time and its words."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from apps.memory.contracts import MemoryKind, PortraitGroup
from apps.memory.domain.portrait import Sketched, about_in_words, group_of

NOW = datetime(2026, 6, 1, tzinfo=UTC)
FACT, EVENT, HOW = MemoryKind.SEMANTIC, MemoryKind.EPISODIC, MemoryKind.PROCEDURAL
ABOUT, PEOPLE = PortraitGroup.ABOUT, PortraitGroup.PEOPLE
TASTES, ORDERS = PortraitGroup.PREFERENCES, PortraitGroup.INSTRUCTIONS
PLANS = PortraitGroup.PLANS


def sketched(
    text: str = "x",
    *,
    kind: MemoryKind = FACT,
    slot: str = "",
    names: tuple[str, ...] = (),
    pinned: bool = False,
    begins: datetime | None = None,
) -> Sketched:
    return Sketched(text=text, kind=kind, slot=slot, pinned=pinned, names=names, begins=begins)


@pytest.mark.parametrize(
    "each, group",
    [
        (sketched("Lives in Berlin", slot="self.home", names=("Berlin",)), ABOUT),
        (sketched("Is tall"), ABOUT),
        (sketched("Tom lives in Rome", slot="brother:tom.home"), PEOPLE),
        (sketched("Ada studies biology", names=("Ada",)), PEOPLE),
        (sketched("Likes tea", slot="self.preference:tea"), TASTES),
        (sketched("Ada likes tea", slot="sister:ada.preference:tea"), TASTES),
        (sketched("Prefers trains to planes"), TASTES),
        (sketched("Answer in German", kind=HOW, slot="self.instruction:language"), ORDERS),
        (sketched("Before a release: check", kind=HOW, names=("Ravi",)), ORDERS),
        (sketched("In short sentences", pinned=True), ORDERS),
        (sketched("Going to Paris", kind=EVENT, slot="self.plan:travel paris"), PLANS),
        (sketched("Starts at Beta", slot="self.employer", begins=NOW + timedelta(days=9)), PLANS),
        (sketched("Sailed to Porto", kind=EVENT, names=("Porto",)), None),
        (sketched("Sails to Porto", kind=EVENT, begins=NOW + timedelta(days=1)), PLANS),
    ],
)
def test_a_memory_stands_where_people_look_for_it(
    each: Sketched, group: PortraitGroup | None
) -> None:
    assert group_of(each, at=NOW) is group


@given(
    text=st.text(max_size=40), slot=st.text(max_size=40), kind=st.sampled_from(MemoryKind),
    names=st.lists(st.text(max_size=10), max_size=3).map(tuple), pinned=st.booleans(),
)  # fmt: skip
def test_only_what_happened_stands_nowhere(
    text: str, slot: str, kind: MemoryKind, names: tuple[str, ...], pinned: bool
) -> None:
    each = sketched(text, kind=kind, slot=slot, names=names, pinned=pinned)

    assert group_of(each, at=NOW) is not None or kind is EVENT
    assert isinstance(about_in_words(slot, names), str)


@pytest.mark.parametrize(
    "slot, names, said",
    [
        ("self.home", ("Berlin",), ""),
        ("brother:tom.home", ("Rome", "Tom"), "Tom"),
        ("brother:tom.home", (), "Tom"),
        ("wife.name", ("Sara",), "Wife"),
        ("", ("Ada", "Porto"), "Ada"),
        ("", (), ""),
    ],
)
def test_whom_it_tells_of_is_said_as_people_say_it(
    slot: str, names: tuple[str, ...], said: str
) -> None:
    assert about_in_words(slot, names) == said
