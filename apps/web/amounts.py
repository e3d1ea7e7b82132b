"""How amounts of money, counts and times are written for people. Pure."""

from decimal import ROUND_HALF_UP, Decimal

_CENT = Decimal("0.01")
_SMALL_DIGITS = 2


def money_text(amount: Decimal | None) -> str:
    """Return an amount of US dollars: `$1,234.50`, `$0.0012`; a dash where it is not known."""
    if amount is None:
        return "–"
    if amount == 0:
        return "$0"
    if abs(amount) >= Decimal("0.1"):
        return f"${amount.quantize(_CENT, ROUND_HALF_UP):,}"
    # Small amounts keep two digits that say something.
    places = max(2, -amount.adjusted() + _SMALL_DIGITS - 1)
    return f"${round(amount, places):f}"


def count_text(number: Decimal | int | None) -> str:
    """Return a whole number with its thousands apart; a dash for none."""
    return "–" if number is None else f"{round(number):,}"


def short_count(number: float) -> str:
    """Return a number short enough for an axis: `950`, `1.2k`, `3M`."""
    for size, letter in ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.1f}".removesuffix(".0") + letter
    return f"{number:.0f}"


def seconds_text(milliseconds: int | None) -> str:
    """Return a time: `85 ms`, `1.2 s`; a dash for none."""
    if milliseconds is None:
        return "–"
    return f"{milliseconds} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def percent_text(share: float) -> str:
    """Return a share as `12 %`; a trace of something is not written as nothing."""
    if 0 < share < 0.01:
        return "< 1 %"
    return f"{share * 100:.0f} %"
