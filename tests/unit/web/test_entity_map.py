"""The drawing of names: inside its frame, the same each time, joined by what they share."""

from uuid import UUID

from hypothesis import given, strategies as st

from apps.memory.contracts import EntityGraph, EntityKind, EntityLink, EntityView
from apps.web.entity_map import HEIGHT, WIDTH, draw_entities


def a_graph(sizes: list[int], pairs: list[tuple[int, int]]) -> EntityGraph:
    entities = tuple(
        EntityView(id=UUID(int=number), name=f"Name {number}", kind=EntityKind.PERSON, memories=n)
        for number, n in enumerate(sizes)
    )
    links = tuple(
        EntityLink(source=entities[one % len(sizes)].id, target=entities[two % len(sizes)].id,
                   memories=1 + one)
        for one, two in pairs
        if sizes
    )  # fmt: skip
    return EntityGraph(entities=entities, links=links)


@given(
    st.lists(st.integers(1, 500), max_size=60),
    st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)), max_size=20),
)
def test_every_name_stands_inside_the_frame_and_twice_the_same(
    sizes: list[int], pairs: list[tuple[int, int]]
) -> None:
    drawn = draw_entities(a_graph(sizes, pairs))

    assert drawn == draw_entities(a_graph(sizes, pairs))
    for dot in drawn.dots:
        assert dot.radius <= dot.x <= WIDTH - dot.radius
        assert dot.radius <= dot.y <= HEIGHT - dot.radius
        assert 0 < dot.label_x < WIDTH
        assert 0 < dot.label_y < HEIGHT
    assert all(1 <= line.strength <= 3 for line in drawn.lines)


def test_names_that_go_together_stand_side_by_side() -> None:
    drawn = draw_entities(a_graph([9, 8, 7, 6], [(0, 3)]))

    assert [dot.name for dot in drawn.dots][:2] == ["Name 0", "Name 3"]
    assert drawn.lines[0].title == "Name 0 – Name 3: 1"
