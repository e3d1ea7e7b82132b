"""The names in somebody's memories as a drawing: places on a ring that a template writes into SVG.

Those that go together most stand side by side; no script, no chance, the same drawing each time.
Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, sin, sqrt

from apps.memory.contracts import EntityGraph, EntityView

WIDTH, HEIGHT = 640.0, 460.0
_RING_X, _RING_Y = 190.0, 175.0
_DOT_MIN, _DOT_MAX = 5.0, 16.0
_LABEL_GAP = 7.0
_LABEL_MAX = 18  # characters
_SHOWN = 24  # names; more are in the list


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A name: where it stands, and where its label begins."""

    name: str
    label: str
    kind: str
    memories: int
    x: float
    y: float
    radius: float
    label_x: float
    label_y: float
    anchor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Two names that stand in the same memories."""

    path: str
    strength: int  # 1 to 3
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityMap:
    """The drawing, and what it says in words."""

    dots: tuple[Dot, ...]
    lines: tuple[Line, ...]
    summary: str

    @property
    def box(self) -> str:
        """The view box of the SVG."""
        return f"0 0 {WIDTH:.0f} {HEIGHT:.0f}"


def draw_entities(graph: EntityGraph) -> EntityMap:
    """Return where each name stands and which lines join them.

    Args:
        graph: Names, those mentioned most first, and links between them.
    """
    shown = _beside_each_other(graph, graph.entities[:_SHOWN])
    most = max((entity.memories for entity in shown), default=1)
    dots = {
        entity.id: _dot(entity, number, len(shown), most) for number, entity in enumerate(shown)
    }
    strongest = max((link.memories for link in graph.links), default=1)
    lines = tuple(
        Line(
            path=_curve(dots[link.source], dots[link.target]),
            strength=1 + round(2 * (link.memories - 1) / max(strongest - 1, 1)),
            title=f"{dots[link.source].name} – {dots[link.target].name}: {link.memories}",
        )
        for link in graph.links
        if link.source in dots and link.target in dots
    )
    names = ", ".join(f"{dot.name} ({dot.memories})" for dot in list(dots.values())[:8])
    return EntityMap(dots=tuple(dots.values()), lines=lines, summary=names)


def _beside_each_other(graph: EntityGraph, shown: Sequence[EntityView]) -> list[EntityView]:
    """Order names so that each follows one that it goes together with, where there is one."""
    weight: dict[tuple[object, object], int] = {}
    for link in graph.links:
        weight[link.source, link.target] = weight[link.target, link.source] = link.memories
    left = list(shown)
    ordered: list[EntityView] = []
    while left:
        last = ordered[-1].id if ordered else None
        nearest = max(left, key=lambda each: weight.get((last, each.id), 0) if last else 0)
        left.remove(nearest)
        ordered.append(nearest)
    return ordered


def _dot(entity: EntityView, number: int, count: int, most: int) -> Dot:
    angle = 2 * pi * number / max(count, 1) - pi / 2
    radius = _DOT_MIN + (_DOT_MAX - _DOT_MIN) * sqrt(entity.memories / most)
    x, y = WIDTH / 2 + _RING_X * cos(angle), HEIGHT / 2 + _RING_Y * sin(angle)
    side = cos(angle)
    anchor = "middle" if abs(side) < 0.2 else ("start" if side > 0 else "end")
    out = radius + _LABEL_GAP
    label_y = y + (out * sin(angle) + (6 if sin(angle) > 0 else -2) if anchor == "middle" else 0)
    name = entity.name
    return Dot(
        name=name,
        label=name if len(name) <= _LABEL_MAX else f"{name[: _LABEL_MAX - 1].rstrip()}…",
        kind=entity.kind.value,
        memories=entity.memories,
        x=x,
        y=y,
        radius=radius,
        label_x=x if anchor == "middle" else x + (out if side > 0 else -out),
        label_y=label_y,
        anchor=anchor,
    )


def _curve(one: Dot, other: Dot) -> str:
    """Return a line that bends towards the middle, so that neighbours' lines can be told apart."""
    middle_x = (one.x + other.x) / 2 + (WIDTH / 2 - (one.x + other.x) / 2) * 0.35
    middle_y = (one.y + other.y) / 2 + (HEIGHT / 2 - (one.y + other.y) / 2) * 0.35
    return f"M{one.x:.1f} {one.y:.1f}Q{middle_x:.1f} {middle_y:.1f} {other.x:.1f} {other.y:.1f}"
