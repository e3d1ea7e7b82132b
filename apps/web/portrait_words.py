"""How a portrait is laid out and said: groups with headings, lines by whom they tell of. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _, gettext_lazy

from apps.memory.contracts import PortraitGroup, PortraitLine, PortraitSection

_TITLES = {
    PortraitGroup.ABOUT: gettext_lazy("Who you are"),
    PortraitGroup.PEOPLE: gettext_lazy("People and places"),
    PortraitGroup.PREFERENCES: gettext_lazy("What you like"),
    PortraitGroup.INSTRUCTIONS: gettext_lazy("How Karen should answer and work"),
    PortraitGroup.PLANS: gettext_lazy("Plans"),
}
_ATTRIBUTES = {
    "employer": gettext_lazy("Works at"),
    "job": gettext_lazy("Job"),
    "birthplace": gettext_lazy("Comes from"),
    "status": gettext_lazy("Relationship"),
    "origin": gettext_lazy("Comes from"),
}
_UNNAMED = {"instruction", "plan", "preference"}  # what they are about stands in the words
_FIRST = ("name", "nickname", "home", "job", "employer", "birthday")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownLine:
    """A line, and what it is: `Home`; empty where the words say it all."""

    label: str
    line: PortraitLine


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownParty:
    """Lines about one person, place or thing; `name` is empty for those about oneself."""

    name: str
    lines: tuple[ShownLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSection:
    """A group of a portrait."""

    key: str
    title: str
    parties: tuple[ShownParty, ...]
    more: int

    @property
    def is_labelled(self) -> bool:
        """Whether something stands beside the lines."""
        return any(
            party.name or any(shown.label for shown in party.lines) for party in self.parties
        )


def shown_portrait(sections: Sequence[PortraitSection]) -> tuple[ShownSection, ...]:
    """Return a portrait as a page shows it."""
    return tuple(
        ShownSection(
            key=section.group.value,
            title=str(_TITLES[section.group]),
            parties=_parties(section),
            more=section.more,
        )
        for section in sections
    )


def _parties(section: PortraitSection) -> tuple[ShownParty, ...]:
    """Return the lines, in the group of people and places by whom they tell of."""
    by_name: dict[str, list[PortraitLine]] = {}
    for line in section.lines:
        name = line.about if section.group is PortraitGroup.PEOPLE else ""
        by_name.setdefault(name, []).append(line)
    return tuple(
        ShownParty(name=name, lines=tuple(map(_shown, sorted(lines, key=_rank))))
        for name, lines in by_name.items()
    )


def _rank(line: PortraitLine) -> int:
    return _FIRST.index(line.attribute) if line.attribute in _FIRST else len(_FIRST)


def _shown(line: PortraitLine) -> ShownLine:
    return ShownLine(label=attribute_in_words(line.attribute), line=line)


def attribute_in_words(attribute: str) -> str:
    """Return what people call what a slot is about; empty for what needs no name."""
    family, _colon, what = attribute.partition(":")
    if not attribute or family in _UNNAMED:
        return ""
    if family == "favourite" and what:
        return _("Favourite %(what)s") % {"what": what}
    return str(_ATTRIBUTES.get(attribute, attribute.replace(":", " ").capitalize()))
