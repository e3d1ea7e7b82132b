"""Laws of the pure parts of attachments: names, sniffing, budgets."""

import string

import pytest
from hypothesis import given, strategies as st

from apps.conversations.attachments.excerpts import beginning, excerpt, shares, tokens_of
from apps.conversations.attachments.names import NAME_BYTES, extension, safe_name
from apps.conversations.attachments.sniffing import (
    EXECUTABLE,
    decoded_start,
    encoding_of,
    sniff,
)

_SIGNATURES = st.sampled_from(
    [
        b"", b"%PDF-", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"MZ",
        b"\x7fELF", b"ID3", b"OggS", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"<?xml", b"<html",
        b"\x00\x00\x00\x18ftyp", b"\x1aE\xdf\xa3", b"BM", b"\xd0\xcf\x11\xe0",
    ]
)  # fmt: skip


@given(st.text())
def test_a_safe_name_leads_nowhere_and_stays_safe(offered: str) -> None:
    name = safe_name(offered)

    assert name
    assert name not in {".", ".."}
    assert not set(name) & set('/\\<>:"|?*\r\n\t\x00\u202e\u200b')
    assert len(name.encode()) <= NAME_BYTES + 1
    assert name == name.strip(" .")
    assert safe_name(name) == name


@given(st.text(alphabet=string.ascii_letters + "äöü漢", min_size=1, max_size=300))
def test_a_long_name_keeps_its_extension(stem: str) -> None:
    assert extension(safe_name(f"{stem}.pdf")) == "pdf"


@pytest.mark.parametrize("name", ["CON", "nul.txt", "Lpt1.log", "aux."])
def test_device_names_are_no_names(name: str) -> None:
    assert safe_name(name).startswith("_")


@given(_SIGNATURES, st.binary(max_size=300), st.binary(max_size=100), st.text(max_size=20))
def test_sniffing_never_raises_and_always_names_a_type(
    signature: bytes, rest: bytes, tail: bytes, name: str
) -> None:
    found = sniff(signature + rest, tail, safe_name(name))

    assert "/" in found.media_type
    assert found.executable == (found.media_type == EXECUTABLE)
    assert len(found.media_type) <= 100


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1))
def test_every_text_in_utf8_is_text(text: str) -> None:
    assert sniff(text.encode(), text.encode(), "a.txt").kind is not None
    assert encoding_of(text.encode(), complete=True) == (
        "utf-8-sig" if text.startswith("\ufeff") else "utf-8"
    )


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1))
def test_a_text_cut_within_a_character_is_still_text(text: str) -> None:
    assert decoded_start(text.encode()[:-1]) is not None


@given(st.sampled_from(["a.txt", "a.jpg", "a.pdf", "a"]), st.binary(max_size=50))
def test_a_program_is_one_whatever_it_is_called(name: str, rest: bytes) -> None:
    assert sniff(b"\x7fELF" + rest, rest, name).executable


@given(st.lists(st.integers(0, 5000), max_size=12), st.integers(-5, 20_000))
def test_shares_never_exceed_the_budget_or_the_wish(wanted: list[int], budget: int) -> None:
    given_ = shares(wanted, budget=budget)

    assert sum(given_) <= max(budget, 0)
    assert all(0 <= got <= wish for got, wish in zip(given_, wanted, strict=True))
    assert given_ == wanted or sum(given_) == max(budget, 0)  # nothing is left lying


@given(st.text(max_size=400), st.integers(0, 200))
def test_a_beginning_fits_and_could_not_be_longer(text: str, tokens: int) -> None:
    start = beginning(text, tokens=tokens)

    assert text.startswith(start)
    assert tokens_of(start) <= tokens
    assert start == text or tokens_of(text[: len(start) + 1]) > tokens


@given(st.text(max_size=400), st.text(max_size=60), st.integers(0, 200))
def test_an_excerpt_fits_the_budget(text: str, summary: str, tokens: int) -> None:
    shown, truncated = excerpt(text, summary=summary, tokens=tokens)

    assert tokens_of(shown) <= tokens + 1
    assert truncated == (shown != text)
