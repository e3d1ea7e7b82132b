"""What the resolver really serves."""

from collections.abc import Iterator, Sequence

from django.urls import URLPattern, URLResolver, get_resolver

_URLCONFS = {"platform": "karen_site.urls_public", "workspace": "karen_site.urls_tenant"}


def _walk(patterns: Sequence[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    for entry in patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _walk(entry.url_patterns, route)
        else:
            yield route


def routes_of(host: str) -> frozenset[str]:
    """Return every route of a kind of host, as the resolver spells it."""
    return frozenset(_walk(get_resolver(_URLCONFS[host]).url_patterns))
