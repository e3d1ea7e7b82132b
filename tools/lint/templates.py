"""Templates that parse, keep the strict Content Security Policy and link only to what exists.

The policy allows no inline code, so a `<script>` with a body, a `style=` or an `on…=` attribute
would be silently dead in the browser: here it is an error before it gets there.
"""

import os
import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path

import django
from django.template import Template, TemplateSyntaxError, engines
from django.template.base import FilterExpression
from django.template.defaulttags import URLNode
from django.urls import URLResolver, get_resolver
from typing_extensions import override

from tools.lint.source import REPOSITORY, Allowance, Finding, allowances, silence

URLCONFS = ("karen_site.urls_public", "karen_site.urls_tenant")
PLACES = ("templates", "apps/*/templates")
KINDS = frozenset({".html", ".txt", ".xml", ".svg"})

DJANGO_COMMENT = re.compile(r"\{#.*?#\}|\{%\s*comment\b.*?%\}.*?\{%\s*endcomment\s*%\}", re.DOTALL)
DJANGO_CODE = re.compile(r"\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
UNSAFE = re.compile(
    r"\|\s*safe(?:seq)?\b|\{%\s*autoescape\s+off\s*%\}|\{%\s*filter\b[^%]*\bsafe\b[^%]*%\}"
)
DATA_BLOCKS = frozenset({"application/json", "application/ld+json", "importmap", "text/template"})
SCRIPTED_URL = re.compile(r"\s*(javascript|vbscript)\s*:", re.IGNORECASE)
SCRIPTED_HTMX = re.compile(r"\s*(js|javascript)\s*:", re.IGNORECASE)

Hit = tuple[int, str, str]  # line, rule, message


def check_text(text: str) -> list[Hit]:
    """What is wrong with a template's source, without asking Django."""
    bare = DJANGO_COMMENT.sub(_blank, text)
    unsafe = [
        (_line_of(bare, match.start()), "template-safe", "escaping is off: sanitise in Python")
        for match in UNSAFE.finditer(bare)
    ]
    page = _InlineCode()
    page.feed(DJANGO_CODE.sub(_blank, bare))
    page.close()
    return sorted([*unsafe, *page.hits])


class _InlineCode(HTMLParser):
    """Collects what the Content Security Policy refuses."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.hits: list[Hit] = []
        self._script_is_code = False

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "script":
            self._script_is_code = given.get("type", "") not in DATA_BLOCKS
        if tag == "style":
            self._add("template-style", "no <style>: write it in static/")
        for name, value in given.items():
            if problem := _attribute_problem(name, value):
                self._add(*problem)

    @override
    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script" and self._script_is_code and data.strip():
            self._add("template-script", "no inline <script>: write a module in static/")

    def _add(self, rule: str, message: str) -> None:
        self.hits.append((self.getpos()[0], rule, message))


def _attribute_problem(name: str, value: str) -> tuple[str, str] | None:
    if name == "style":
        return "template-style", "no style=: use a class"
    if name.startswith(("on", "hx-on", "data-hx-on")):
        return "template-script", f"no {name}=: bind the event in a module"
    if name in {"href", "src", "action", "formaction"} and SCRIPTED_URL.match(value):
        return "template-script", f"no script in {name}="
    if name in {"hx-vals", "hx-headers"} and SCRIPTED_HTMX.match(value):
        return "template-script", f"{name}= with js: needs eval, which the policy refuses"
    return None


def check_with_django(text: str, *, known_urls: frozenset[str]) -> Iterator[Hit]:
    """What Django says about a template's source: unknown tags, filters and routes."""
    engine = engines["django"]
    try:
        template = engine.from_string(text)
    except TemplateSyntaxError as error:
        token = getattr(error, "token", None)
        yield getattr(token, "lineno", 1) or 1, "template-syntax", str(error)
        return
    inner = getattr(template, "template", None)
    assert isinstance(inner, Template)
    for node in inner.nodelist.get_nodes_by_type(URLNode):
        name = _constant(node.view_name) if isinstance(node, URLNode) else None
        if name is not None and name not in known_urls:
            line = node.token.lineno if node.token is not None else 1
            yield line or 1, "template-url", f"no route is named {name!r}"


def _constant(expression: FilterExpression) -> str | None:
    value = expression.var
    return str(value) if isinstance(value, str) and not expression.filters else None


def route_names(urlconfs: Iterable[str] = URLCONFS) -> frozenset[str]:
    """Every route name that `{% url %}` may use, with its namespaces."""
    existing = [name for name in urlconfs if find_spec(name) is not None]
    return frozenset(name for conf in existing for name in _names(get_resolver(conf), ""))


def _names(resolver: URLResolver, prefix: str) -> Iterator[str]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            namespace = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
            yield from _names(pattern, namespace)
        elif pattern.name:
            yield f"{prefix}{pattern.name}"


def template_allowances(text: str) -> list[Allowance]:
    """The `{# lint: allow … #}` comments of a template."""
    lines = list(enumerate(text.splitlines(), start=1))
    alone = frozenset(number for number, line in lines if line.strip().startswith("{#"))
    return allowances(lines, alone=alone)


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match.group())


def _line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def check_template(path: str, text: str, *, known_urls: frozenset[str]) -> list[Finding]:
    """Every finding in one template that no comment allows. Django must be set up."""
    hits = [*check_text(text), *check_with_django(text, known_urls=known_urls)]
    findings = [Finding(path, line, rule, message) for line, rule, message in hits]
    return silence(findings, template_allowances(text), path)


def check_templates(*, root: Path = REPOSITORY) -> list[Finding]:
    """Every finding in all templates of the repository."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "karen_site.settings.test")
    django.setup()
    known_urls = route_names()
    files = sorted(
        file
        for place in PLACES
        for folder in root.glob(place)
        for file in folder.rglob("*")
        if file.suffix in KINDS
    )
    return [
        finding
        for file in files
        for finding in check_template(
            file.relative_to(root).as_posix(),
            file.read_text(encoding="utf-8"),
            known_urls=known_urls,
        )
    ]
