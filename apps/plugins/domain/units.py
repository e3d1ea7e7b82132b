"""The little language of units: which spellings are understood, and which are refused. Pure.

Unit texts come from a model. Only words, products, quotients and one-digit powers are let through,
because the library behind would otherwise compute whatever stands there.
"""

import re

MAX_LENGTH = 60

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
# Both code points of the micro sign are in use.
_TERM = re.compile(
    "(?P<name>[A-Za-z\u00b5\u03bc\u03a9\u00b0_]+(?:_?[0-9]{0,3}[A-Za-z]+)?)"
    r"(?:\s*(?:\^|\*\*)?\s*(?P<power>-?\d))?"
)
_JOINT = re.compile(r"\s*(?P<sign>\*|/|·|\s)\s*")

# Spellings that the library does not know, or takes for something people do not mean.
_ALIASES = {
    "kb": "kilobyte",
    "kB": "kilobyte",
    "KB": "kilobyte",
    "kib": "kibibyte",
    "KiB": "kibibyte",
    "mb": "megabyte",
    "gb": "gigabyte",
    "tb": "terabyte",
    "kmh": "kilometer/hour",
    "mps": "meter/second",
    "mpg": "mile/gallon",
    "sqft": "foot**2",
    "sqm": "meter**2",
    "sqmi": "mile**2",
    "floz": "fluid_ounce",
    "fl_oz": "fluid_ounce",
    "litre": "liter",
    "litres": "liter",
    "Cal": "kilocalorie",
    "Mbps": "megabit/second",
    "mbps": "megabit/second",
    "Gbps": "gigabit/second",
    "gbps": "gigabit/second",
    "kbps": "kilobit/second",
    "bps": "bit/second",
    "lb": "pound",
    "lbs": "pound",
    "ton": "metric_ton",
    "tons": "metric_ton",
}
_PHRASES = {
    "fl oz": "floz",
    "fluid ounce": "floz",
    "fluid ounces": "floz",
    "sq ft": "sqft",
    "square feet": "sqft",
    "square foot": "sqft",
    "sq m": "sqm",
    "short ton": "short_ton",
    "short tons": "short_ton",
    "long ton": "long_ton",
    "metric ton": "metric_ton",
    "metric tons": "metric_ton",
    "nautical mile": "nautical_mile",
    "nautical miles": "nautical_mile",
    "light year": "light_year",
    "light years": "light_year",
    "light-year": "light_year",
    "light-years": "light_year",
    "miles per gallon": "mpg",
}
_TEMPERATURES = {
    "c": "degree_Celsius",
    "°c": "degree_Celsius",
    "degc": "degree_Celsius",
    "deg_c": "degree_Celsius",
    "celsius": "degree_Celsius",
    "centigrade": "degree_Celsius",
    "degree_celsius": "degree_Celsius",
    "degrees_celsius": "degree_Celsius",
    "f": "degree_Fahrenheit",
    "°f": "degree_Fahrenheit",
    "degf": "degree_Fahrenheit",
    "deg_f": "degree_Fahrenheit",
    "fahrenheit": "degree_Fahrenheit",
    "degree_fahrenheit": "degree_Fahrenheit",
    "degrees_fahrenheit": "degree_Fahrenheit",
    "k": "kelvin",
    "°k": "kelvin",
    "kelvin": "kelvin",
    "kelvins": "kelvin",
    "rankine": "degree_Rankine",
    "°r": "degree_Rankine",
    "degr": "degree_Rankine",
}
_MONEY = """
usd eur gbp jpy chf cny inr aud cad nzd sek nok dkk pln czk huf try rub brl mxn zar krw
sgd hkd thb idr myr php vnd ils aed sar egp ngn uah ron bgn isk btc eth dollar dollars
euro euros yen yuan renminbi rupee rupees franc francs peso pesos bitcoin bitcoins ruble
rubles lira won
"""
_CURRENCIES = frozenset(_MONEY.split())
_SYMBOLS = frozenset("$€£¥₹₽₩₺₿¢")


class UnitProblem(ValueError):
    """A unit is not understood; the text says why."""


def is_currency(text: str) -> bool:
    """Say whether `text` names money."""
    return text.strip().casefold() in _CURRENCIES or bool(_SYMBOLS & set(text))


def temperature_pair(source: str, target: str) -> tuple[str, str] | None:
    """Return both as units of temperature when both can be read so, as `C` and `F` can."""
    one, other = (_TEMPERATURES.get("_".join(text.casefold().split())) for text in (source, target))
    return (one, other) if one and other else None


def unit_terms(text: str) -> list[tuple[str, int]]:
    """Return the names of a unit with their powers: `km/h^2` is kilometre 1, hour -2.

    Raises:
        UnitProblem: It is money, too long, or no product of units.
    """
    spoken = " ".join(text.strip().split())
    if not spoken or len(spoken) > MAX_LENGTH:
        raise UnitProblem(f"A unit has 1 to {MAX_LENGTH} characters.")
    if is_currency(spoken):
        raise UnitProblem(
            "Money is no unit: exchange rates change by the hour, and this tool has none."
        )
    plain = _PHRASES.get(spoken.casefold(), spoken).translate(_SUPERSCRIPTS)
    plain = re.sub(r"\bper\b", "/", plain, flags=re.IGNORECASE)
    terms: list[tuple[str, int]] = []
    place, sign = 0, 1
    while True:
        term = _TERM.match(plain, place)
        if term is None:
            raise UnitProblem(
                f"{spoken!r} is not understood. Write a unit such as km, km/h, m^2 or fl oz."
            )
        terms += _known(term["name"], sign * int(term["power"] or 1))
        if term.end() == len(plain):
            return terms
        joint = _JOINT.match(plain, term.end())
        if joint is None:
            raise UnitProblem(f"{spoken!r} is not understood from {plain[term.end() :]!r} on.")
        sign = -1 if joint["sign"] == "/" else 1
        place = joint.end()


def _known(name: str, power: int) -> list[tuple[str, int]]:
    whole = _ALIASES.get(name, name)
    found: list[tuple[str, int]] = []
    for place, part in enumerate(whole.split("/")):
        unit, _, own = part.partition("**")
        found.append((unit, power * int(own or 1) * (-1 if place else 1)))
    return found
