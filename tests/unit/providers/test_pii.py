"""Personal data: what is found, how sure that is, and that nothing takes long."""

import time
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from apps.providers.domain import check_digits
from apps.providers.domain.pii import (
    PiiFinding,
    PiiKind,
    find_pii,
    shifted,
    sure_enough,
    without_overlaps,
)

FOUND = {
    "write to ann.o'neill+x@acme.example, now": (PiiKind.EMAIL, "ann.o'neill+x@acme.example"),
    "mail jürgen@müller.example now": (PiiKind.EMAIL, "jürgen@müller.example"),
    "pay DE89 3704 0044 0532 0130 00 today": (PiiKind.IBAN, "DE89 3704 0044 0532 0130 00"),
    "pay gb82west12345698765432 today": (PiiKind.IBAN, "gb82west12345698765432"),
    "card 4111-1111-1111-1111.": (PiiKind.CARD, "4111-1111-1111-1111"),
    "amex 378282246310005": (PiiKind.CARD, "378282246310005"),
    "call +49 (0)30 1234567 now": (PiiKind.PHONE, "+49 (0)30 1234567"),
    "tel. 030 1234567": (PiiKind.PHONE, "030 1234567"),
    "phone: (555) 123-4567": (PiiKind.PHONE, "(555) 123-4567"),
    "host 10.1.2.3 is down": (PiiKind.IP_ADDRESS, "10.1.2.3"),
    "at 2001:db8::8a2e:370:7334, as said": (PiiKind.IP_ADDRESS, "2001:db8::8a2e:370:7334"),
    "my SSN is 078-05-1121": (PiiKind.NATIONAL_ID, "078-05-1121"),
    "Steuer-ID 86 095 742 719": (PiiKind.NATIONAL_ID, "86 095 742 719"),
    "DNI 12345678Z": (PiiKind.NATIONAL_ID, "12345678Z"),
    "NIE X1234567L": (PiiKind.NATIONAL_ID, "X1234567L"),
    "NIR 2 55 08 14 168 025 38": (PiiKind.NATIONAL_ID, "2 55 08 14 168 025 38"),
    "codice fiscale RSSMRA85T10A562S": (PiiKind.NATIONAL_ID, "RSSMRA85T10A562S"),
    "my BSN is 111222333": (PiiKind.NATIONAL_ID, "111222333"),
    "PESEL 44051401359": (PiiKind.NATIONAL_ID, "44051401359"),
    "AHV 756.9217.0769.85": (PiiKind.NATIONAL_ID, "756.9217.0769.85"),
    "rijksregisternummer 85.07.30-033.28": (PiiKind.NATIONAL_ID, "85.07.30-033.28"),
    "hetu 131052-308T": (PiiKind.NATIONAL_ID, "131052-308T"),
    "personnummer 811228-9874": (PiiKind.NATIONAL_ID, "811228-9874"),
    "NHS number 943 476 5919": (PiiKind.NATIONAL_ID, "943 476 5919"),
    "CPF 111.444.777-35": (PiiKind.NATIONAL_ID, "111.444.777-35"),
    "nino AB 12 34 56 C": (PiiKind.NATIONAL_ID, "AB 12 34 56 C"),
    "password: hunter2hunter2": (PiiKind.SECRET, "hunter2hunter2"),
    'the api key is "Zx81-9000"': (PiiKind.SECRET, "Zx81-9000"),
    "use sk-proj-abcdefghijklmnop1234 for it": (PiiKind.SECRET, "sk-proj-abcdefghijklmnop1234"),
    "AKIAABCDEFGHIJKLMNOP": (PiiKind.SECRET, "AKIAABCDEFGHIJKLMNOP"),
}  # fmt: skip

NOT_FOUND = [
    "",
    "nothing here",
    "@everyone, see you @ 5",
    "pay DE88370400440532013000 today",  # the check digits do not fit
    "card 4111-1111-1111-1112",
    "0000 0000 0000 0000",
    "at 12:30:45 on 2024-01-02, version 1.2.3",
    "::1 and 127.0.0.1 and 0.0.0.0 are everybody's",
    "999.1.1.1",
    "ssn 000-12-3456",
    "DNI 12345678A",
    "PESEL 44051401358",
    "the password is stored safely",
    "password: <your password>",
    "order 123456789",
    "1.234.567,89 euros",
]


@pytest.mark.parametrize("text", FOUND, ids=str)
def test_it_is_found_where_it_stands_and_as_what_it_is(text: str) -> None:
    kind, value = FOUND[text]

    (found,) = sure_enough(find_pii(text), 0.5)

    assert (found.kind, text[found.start : found.end]) == (kind, value)


@pytest.mark.parametrize("text", NOT_FOUND)
def test_what_is_none_is_not_found(text: str) -> None:
    assert sure_enough(find_pii(text), 0.5) == ()


def test_a_private_key_is_found_whole_and_without_its_end_too() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEvQIBADANBg==\n-----END RSA PRIVATE KEY-----"

    whole = find_pii(f"here: {key} done")
    cut = find_pii("here: -----BEGIN PRIVATE KEY-----\nMIIE")

    assert [(f.start, f.end) for f in whole] == [(6, 6 + len(key))]
    assert [f.detail for f in cut] == ["private_key"]


def test_a_word_nearby_makes_a_number_surer() -> None:
    (alone,) = find_pii("111222333")
    (told,) = find_pii("BSN: 111222333")

    assert alone.score < 0.5 <= told.score


@given(st.text(max_size=300))
def test_findings_lie_in_the_text_in_order_and_apart(text: str) -> None:
    found = find_pii(text)

    edges = [edge for each in found for edge in (each.start, each.end)]
    assert edges == sorted(edges)
    assert all(0 <= each.start < each.end <= len(text) for each in found)
    assert all(0 < each.score <= 1 for each in found)


_FINDINGS = st.builds(
    PiiFinding,
    kind=st.sampled_from(PiiKind),
    start=st.integers(0, 30),
    end=st.integers(0, 40),
    score=st.sampled_from([0.2, 0.5, 0.9]),
    detail=st.just("made"),
)


@given(st.lists(_FINDINGS, max_size=20))
def test_of_findings_that_overlap_the_surest_stays(findings: list[PiiFinding]) -> None:
    kept = without_overlaps(findings)

    assert all(a.end <= b.start for a, b in pairwise(kept))
    real = [each for each in findings if each.start < each.end]
    assert set(kept) <= set(real)
    for lost in set(real) - set(kept):
        rivals = [k for k in kept if k.start < lost.end and lost.start < k.end]
        assert any(rival.score >= lost.score for rival in rivals)


def test_findings_of_a_part_become_findings_of_the_whole() -> None:
    text = "see ann@acme.example"

    (found,) = shifted(find_pii(text[4:]), 4)

    assert text[found.start : found.end] == "ann@acme.example"


@given(st.integers(0, 10**15 - 1))
def test_of_ten_last_digits_one_makes_a_luhn_number(number: int) -> None:
    assert sum(check_digits.luhn_holds(f"{number}{last}") for last in range(10)) == 1


@given(st.text("0123456789", min_size=18, max_size=18))
def test_of_a_hundred_check_digits_one_or_two_make_an_account(account: str) -> None:
    holding = [n for n in range(100) if check_digits.iban_holds(f"DE{n:02}{account}")]

    assert 1 <= len(holding) <= 2  # 00 and 97 are the same remainder


@given(st.text("0123456789", min_size=12, max_size=12))
def test_one_changed_digit_makes_no_swiss_number(digits: str) -> None:
    number = "756" + digits[:10]
    if check_digits.swiss_ahv_holds(number):
        other = number[:5] + str((int(number[5]) + 1) % 10) + number[6:]
        assert not check_digits.swiss_ahv_holds(other)


@pytest.mark.parametrize(
    "piece",
    ["a", "1 ", "a@", "[ ", ":", "password ", "+1 ", "ab12 ", "eyJaaaaaaaa.", "1.", "AB12"],
)
def test_a_long_text_made_to_be_slow_is_read_in_linear_time(piece: str) -> None:
    def seconds(length: int) -> float:
        text = (piece * length)[:length]
        started = time.perf_counter()
        find_pii(text)
        return time.perf_counter() - started

    seconds(1_000)
    short, long = min(seconds(5_000) for _ in range(3)), seconds(50_000)

    assert long < max(short * 40, 0.5)  # ten times as long; forty leaves room for a busy machine
