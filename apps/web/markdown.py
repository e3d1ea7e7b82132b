"""Markdown of people and models as HTML that is safe to show, for pages made on the server.

The same rules as the chat's own renderer (`static/web/js/markdown.js`): raw HTML is shown as text,
images become links (loading one would tell a stranger's server that it was read), links go to
http, https and mailto only. What is made here still passes through nh3.
"""

import re
from collections.abc import Sequence
from typing import Any

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from typing_extensions import override

_SAFE_LINK = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_TAGS = {
    "a", "b", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr",
    "li", "ol", "p", "pre", "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_ATTRIBUTES = {"a": {"href"}, "ol": {"start"}}
_DEEPEST = 20


class _Renderer(RendererHTML):
    """Writes images as links, and links elsewhere than to http, https and mailto as text."""

    @override
    def image(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """Write a link to the picture instead of the picture."""
        token = tokens[idx]
        label = nh3.clean_text(token.content or str(token.attrs.get("title", "")) or "image")
        source = str(token.attrs.get("src", ""))
        if not _SAFE_LINK.match(source):
            return label
        return f'<a href="{nh3.clean_text(source)}">{label}</a>'


_markdown = MarkdownIt(
    "commonmark", {"html": False, "maxNesting": _DEEPEST}, renderer_cls=_Renderer
).enable(["table", "strikethrough"])


def safe_html(text: str) -> SafeString:
    """Return `text`, written in Markdown, as HTML without anything that runs, loads or spies."""
    cleaned = nh3.clean(
        _markdown.render(text),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    return mark_safe(cleaned)  # lint: allow mark-safe: nh3 has just cleaned it
