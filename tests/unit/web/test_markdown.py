"""Markdown on pages made by the server: nothing in it runs, loads or spies."""

import re

import pytest
from hypothesis import given, strategies as st

from apps.web.markdown import safe_html

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:msgbox)",
    "![x](javascript:alert(1))",
    "![x](https://evil.example/spy.png)",
    "![x](https://evil.example/\"onerror=\"alert(1))",
    "![\"><script>alert(1)</script>](https://evil.example/a.png)",
    "<a href='x' onclick='alert(1)'>x</a>",
    "<style>*{background:url(https://evil.example)}</style>",
    "<form action=https://evil.example><input></form>",
    "```\n</code></pre><script>alert(1)</script>\n```",
    "```html onload=alert(1)\nx\n```",
    "<https://evil.example/\"><script>alert(1)</script>>",
    "[x]: javascript:alert(1)\n\n[x]",
    "| a |\n|---|\n| <script>alert(1)</script> |",
)  # fmt: skip
_TAG = re.compile(r"<\s*([a-zA-Z0-9]+)([^>]*)>")
_ALLOWED = {
    "a", "b", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr",
    "li", "ol", "p", "pre", "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


def assert_harmless(html: str) -> None:
    for name, attributes in _TAG.findall(html):
        assert name in _ALLOWED, html
        named = set(re.findall(r'([a-zA-Z-]+)="', attributes))
        assert named <= {"href", "rel", "target", "start"}, html
        for address in re.findall(r'href="([^"]*)"', attributes):
            assert re.match(r"(https?://|mailto:)", address, re.IGNORECASE), html


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_markdown_is_harmless(text: str) -> None:
    assert_harmless(safe_html(text))


@given(st.lists(st.sampled_from(HOSTILE) | st.text(max_size=20)).map("".join))
def test_so_is_any_mixture_of_it(text: str) -> None:
    assert_harmless(safe_html(text))


def test_what_people_write_is_shown_as_they_meant_it() -> None:
    html = safe_html("# Plan\n\n- **one**\n- `two`\n\n3. three\n\n| a |\n|---|\n| ~~b~~ |\n")

    for piece in ("<h1>Plan</h1>", "<strong>one</strong>", "<code>two</code>", '<ol start="3">'):
        assert piece in html
    assert "<td><s>b</s></td>" in html


def test_an_image_becomes_a_link_and_links_give_nothing_away() -> None:
    html = safe_html("![a cat](https://cats.example/cat.png)")

    assert 'href="https://cats.example/cat.png"' in html
    assert 'rel="noopener noreferrer nofollow"' in html
    assert ">a cat</a>" in html


def test_nesting_without_end_is_no_way_to_hang_the_server() -> None:
    assert_harmless(safe_html("> " * 5000 + "x"))
    assert_harmless(safe_html("[" * 5000))
