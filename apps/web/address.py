"""The address a new workspace would have, while somebody is still typing."""

from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _

from apps.tenants import selectors as tenants


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressSuggestion:
    """What the address field shows.

    Attributes:
        slug: The label in front of the base domain.
        url: The whole address as people write it; empty while there is nothing to show.
        problem: Why a typed slug cannot be had, naming one that can.
    """

    slug: str = ""
    url: str = ""
    problem: str = ""


def address_for_name(organisation: str) -> AddressSuggestion:
    """Return the address made from an organisation's name; empty for an empty name."""
    if not organisation.strip():
        return AddressSuggestion()
    slug = tenants.suggest_slug(organisation)
    return AddressSuggestion(slug=slug, url=_address(slug))


def address_for_slug(slug: str) -> AddressSuggestion:
    """Say whether a typed slug can be had; empty for an empty slug."""
    wanted = slug.strip().lower()
    if not wanted:
        return AddressSuggestion()
    possible = tenants.suggest_slug(wanted)
    if possible == wanted:
        return AddressSuggestion(slug=wanted, url=_address(wanted))
    return AddressSuggestion(
        slug=wanted,
        problem=_("This one cannot be had. “%(slug)s” is free.") % {"slug": possible},
    )


def _address(slug: str) -> str:
    return f"{slug}.{settings.BASE_DOMAIN}{settings.LINK_PORT}"
