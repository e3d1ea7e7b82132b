import idna
import pytest
from hypothesis import given, strategies as st

from apps.tenants.domain.slugs import (
    RESERVED,
    SLUG_MAX,
    numbered,
    slug_from_name,
    slug_problem,
)


@pytest.mark.parametrize(
    "name,slug",
    [
        ("Acme", "acme"),
        ("Müller & Söhne GmbH", "muller-and-sohne-gmbh"),
        ("  Ein   Verein!  ", "ein-verein"),
        ("Straße 7", "strasse-7"),
        ("東京商事", idna.encode("東京商事").decode()),
        ("Ромашка", idna.encode("ромашка").decode()),
        ("O'Reilly", "o-reilly"),
        ("---", ""),
        ("🙂", ""),
    ],
)
def test_a_name_becomes_a_host_label(name: str, slug: str) -> None:
    assert slug_from_name(name) == slug


@given(st.text(max_size=120))
def test_whatever_the_name_the_slug_is_a_usable_label_or_empty(name: str) -> None:
    slug = slug_from_name(name)

    assert slug == "" or slug_problem(slug) in {None, "reserved", "length"}
    assert len(slug) <= SLUG_MAX


@given(st.text(max_size=120))
def test_a_slug_is_its_own_slug_unless_it_is_punycode(name: str) -> None:
    slug = slug_from_name(name)

    if not slug.startswith("xn--"):
        assert slug_from_name(slug) == slug


@pytest.mark.parametrize(
    "slug,problem",
    [
        ("a", "length"),
        ("a" * 41, "length"),
        ("Acme", "characters"),
        ("-acme", "characters"),
        ("acme-", "characters"),
        ("a.b", "characters"),
        ("a_b", "characters"),
        ("ab--cd", "characters"),
        ("admin", "reserved"),
        ("www", "reserved"),
        ("acme", None),
    ],
)
def test_what_is_wrong_with_a_slug_is_named(slug: str, problem: str | None) -> None:
    assert slug_problem(slug) == problem


@given(st.sampled_from(sorted(RESERVED)), st.integers(min_value=2, max_value=9999))
def test_numbering_frees_a_reserved_label(slug: str, number: int) -> None:
    assert slug_problem(numbered(slug, number)) in {None, "characters"}
