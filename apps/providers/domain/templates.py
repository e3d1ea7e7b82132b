r"""Templates of prompts: text with places for values. Pure, linear, and no language to program in.

`{{ name }}` is replaced by a value; `{{#name}}…{{/name}}` stands only where the value is there,
`{{^name}}…{{/name}}` only where it is not; `\{{` is two braces. That is all: no attributes, no
calls, no loops. Values are put in and never read as templates, so nobody who writes a value can
reach another one.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

TEMPLATE_CHARACTERS = 50_000
DEPTH_MAX = 8
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")

_TOKEN = re.compile(
    r"\\\{\{|\{\{[ \t]{0,4}(?P<mark>[#^/]?)[ \t]{0,4}(?P<name>[a-z][a-z0-9_]{0,62})[ \t]{0,4}\}\}"
    r"|\{\{"
)


class TemplateFault(ValueError):
    """A text that is no template; the message says where and why."""


@dataclass(frozen=True, slots=True)
class _Place:
    name: str


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    shown_if: bool
    nodes: tuple["_Node", ...]


_Node: TypeAlias = str | _Place | _Section


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template.

    Attributes:
        nodes: What it is made of.
        names: The values it refers to.
    """

    nodes: tuple[_Node, ...]
    names: frozenset[str]

    def render(self, values: Mapping[str, str]) -> str:
        """Return the text with `values` in their places; an empty value is one that is absent.

        Raises:
            KeyError: A name is not among `values`.
        """
        return "".join(_rendered(self.nodes, values))


@dataclass(slots=True)
class _Open:
    name: str
    shown_if: bool
    nodes: list[_Node]


@lru_cache(maxsize=2048)
def parse_template(text: str) -> Template:
    """Return the template that `text` is.

    Raises:
        TemplateFault: It is too long, has a place without a proper name, or a section that does
            not begin or end.
    """
    if len(text) > TEMPLATE_CHARACTERS:
        raise TemplateFault(f"longer than {TEMPLATE_CHARACTERS} characters")
    open_sections = [_Open(name="", shown_if=True, nodes=[])]
    names: set[str] = set()
    at = 0
    for token in _TOKEN.finditer(text):
        _add_text(open_sections[-1].nodes, text[at : token.start()])
        at = token.end()
        if token[0].startswith("\\"):
            _add_text(open_sections[-1].nodes, "{{")
            continue
        name = token["name"]
        if name is None:
            line = text.count("\n", 0, token.start()) + 1
            raise TemplateFault(f"line {line}: {{{{ begins no place such as {{{{ name }}}}")
        names.add(name)
        _take(open_sections, token["mark"], name)
    _add_text(open_sections[-1].nodes, text[at:])
    if len(open_sections) > 1:
        raise TemplateFault(f"the section {open_sections[-1].name} does not end")
    return Template(nodes=tuple(open_sections[0].nodes), names=frozenset(names))


def _add_text(nodes: list[_Node], text: str) -> None:
    if text:
        nodes.append(text)


def _take(open_sections: list[_Open], mark: str, name: str) -> None:
    if not mark:
        open_sections[-1].nodes.append(_Place(name))
    elif mark == "/":
        ended = open_sections[-1]
        if len(open_sections) == 1 or ended.name != name:
            raise TemplateFault(f"the section {name} ends and did not begin here")
        open_sections.pop()
        open_sections[-1].nodes.append(_Section(name, ended.shown_if, tuple(ended.nodes)))
    else:
        if len(open_sections) > DEPTH_MAX:
            raise TemplateFault(f"sections stand at most {DEPTH_MAX} deep")
        open_sections.append(_Open(name=name, shown_if=mark == "#", nodes=[]))


def _rendered(nodes: tuple[_Node, ...], values: Mapping[str, str]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, str):
            yield node
        elif isinstance(node, _Place):
            yield values[node.name]
        elif bool(values[node.name]) is node.shown_if:
            yield from _rendered(node.nodes, values)
