"""Check digits of cards, accounts and national numbers. Pure; each takes the bare characters.

A check digit is what makes a pattern a finding: of ten random numbers of the right length nine
fail, of a hundred random accounts ninety-nine.
"""

import re
from collections.abc import Sequence

_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 23,
    "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28,
    "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23,
    "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26,
    "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20,
    "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30,
    "NL": 18, "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22,
    "SA": 24, "SC": 31, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23,
    "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip
_CARD_LENGTHS = {"2": (16,), "3": (14, 15, 16), "4": (13, 16, 19), "5": (16,), "6": (16, 19)}
_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"
_HETU = "0123456789ABCDEFHJKLMNPRSTUVWXY"
# Values of the characters at odd places of an Italian tax code; 0-9 count as A-J.
_FISCAL_ODD = (
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
)  # fmt: skip


def luhn_holds(digits: str) -> bool:
    """Say whether the last digit fits the others (ISO/IEC 7812)."""
    numbers = [int(digit) for digit in digits]
    doubled = (divmod(number * 2, 10) for number in numbers[-2::-2])
    return (sum(numbers[-1::-2]) + sum(map(sum, doubled))) % 10 == 0


def card_holds(digits: str) -> bool:
    """Say whether it is a payment card's number: opening digit, length and check digit."""
    return (
        len(digits) in _CARD_LENGTHS.get(digits[:1], ())
        and len(set(digits)) > 1
        and luhn_holds(digits)
    )


def iban_holds(iban: str) -> bool:
    """Say whether it is an account: country's length and remainder 1 of 97 (ISO 13616)."""
    if _IBAN_LENGTHS.get(iban[:2]) != len(iban):
        return False
    moved = iban[4:] + iban[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1


def german_tax_id_holds(digits: str) -> bool:
    """Say whether it is a German tax number (11 digits, ISO 7064 mod 11,10)."""
    if len(digits) != 11 or digits[0] == "0":
        return False
    counts = [digits[:10].count(digit) for digit in set(digits[:10])]
    if max(counts) not in {2, 3} or sum(count > 1 for count in counts) != 1:
        return False  # exactly one digit repeats, at most three times
    product = 10
    for digit in digits[:10]:
        product = (product + int(digit)) % 10 or 10
        product = product * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def spanish_id_holds(text: str) -> bool:
    """Say whether it is a Spanish DNI or NIE: the letter is the number's remainder of 23."""
    number = text[:-1].translate(str.maketrans("XYZ", "012"))
    return len(number) == 8 and number.isdigit() and _DNI[int(number) % 23] == text[-1]


def french_nir_holds(text: str) -> bool:
    """Say whether it is a French social security number (15 characters, key of 97)."""
    number = text[:13].replace("2A", "19").replace("2B", "18")
    return number.isdigit() and 97 - int(number) % 97 == int(text[13:])


def italian_code_holds(text: str) -> bool:
    """Say whether it is an Italian tax code: the last letter fits the fifteen before it."""
    places = [int(c) if c.isdigit() else ord(c) - ord("A") for c in text[:15]]
    total = sum(_FISCAL_ODD[place] for place in places[::2]) + sum(places[1::2])
    return chr(ord("A") + total % 26) == text[15]


def _weighted(digits: str, weights: Sequence[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def dutch_bsn_holds(digits: str) -> bool:
    """Say whether it is a Dutch citizen's number (the test of eleven)."""
    return len(set(digits)) > 1 and _weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def polish_pesel_holds(digits: str) -> bool:
    """Say whether it is a Polish PESEL: month, day and check digit."""
    month, day = int(digits[2:4]) % 20, int(digits[4:6])
    total = _weighted(digits[:10], (1, 3, 7, 9, 1, 3, 7, 9, 1, 3))
    return 1 <= month <= 12 and 1 <= day <= 31 and (10 - total % 10) % 10 == int(digits[10])


def swiss_ahv_holds(digits: str) -> bool:
    """Say whether it is a Swiss AHV number (13 digits from 756, as EAN-13)."""
    total = _weighted(digits[:12], (1, 3) * 6)
    return digits.startswith("756") and (10 - total % 10) % 10 == int(digits[12])


def belgian_number_holds(digits: str) -> bool:
    """Say whether it is a Belgian national number; born from 2000 on a 2 stands before it."""
    check = int(digits[9:])
    return any(97 - int(before + digits[:9]) % 97 == check for before in ("", "2"))


def finnish_hetu_holds(text: str) -> bool:
    """Say whether it is a Finnish identity code: the last character is a remainder of 31."""
    return _HETU[int(text[:6] + text[7:10]) % 31] == text[10]


def swedish_number_holds(digits: str) -> bool:
    """Say whether it is a Swedish personal number: month, day (or day + 60), Luhn."""
    month, day = int(digits[2:4]), int(digits[4:6]) % 60
    return 1 <= month <= 12 and 1 <= day <= 31 and luhn_holds(digits)


def british_nhs_holds(digits: str) -> bool:
    """Say whether it is a British NHS number (10 digits, mod 11)."""
    check = 11 - _weighted(digits[:9], range(10, 1, -1)) % 11
    return len(set(digits)) > 1 and (0 if check == 11 else check) == int(digits[9])


def brazilian_cpf_holds(digits: str) -> bool:
    """Say whether it is a Brazilian CPF (11 digits, two check digits)."""
    if len(set(digits)) == 1:
        return False
    first = _weighted(digits[:9], range(10, 1, -1)) * 10 % 11 % 10
    second = _weighted(digits[:10], range(11, 1, -1)) * 10 % 11 % 10
    return digits[9:] == f"{first}{second}"


_SSN = re.compile(r"(?!000|666|9\d\d)\d{3}(?!00)\d{2}(?!0000)\d{4}")
_NINO = re.compile(r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]")


def american_ssn_holds(digits: str) -> bool:
    """Say whether an American social security number may be so; it has no check digit."""
    return _SSN.fullmatch(digits) is not None and digits not in {"078051120", "219099999"}


def british_nino_holds(text: str) -> bool:
    """Say whether a British national insurance number may be so; it has no check digit."""
    return _NINO.fullmatch(text) is not None
