"""What the calculator can do with numbers: every step is bounded before it is computed. Pure."""

import math
from collections.abc import Callable
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    DivisionImpossible,
    InvalidOperation,
    Overflow,
)
from typing import TypeAlias

Number: TypeAlias = int | Decimal

MAX_DIGITS = 1_000
PRECISION = 50
MAX_BITS = int(MAX_DIGITS * math.log2(10))
MAX_EXPONENT = 9_999
CONTEXT = Context(
    prec=PRECISION,
    Emax=MAX_EXPONENT,
    Emin=-MAX_EXPONENT,
    traps=[DivisionByZero, InvalidOperation, Overflow],
)


class ArithmeticProblem(ValueError):
    """The expression cannot be computed; the text says why."""


def fitting(value: Number) -> Number:
    """Return `value` if it is one that can be worked with.

    Raises:
        ArithmeticProblem: It is larger than `MAX_DIGITS` digits or no number at all.
    """
    if isinstance(value, int):
        if value.bit_length() > MAX_BITS:
            raise ArithmeticProblem(TOO_LARGE)
        return value
    if not value.is_finite():
        raise ArithmeticProblem("The result is not a number.")
    return value


TOO_LARGE = f"The result has more than {MAX_DIGITS} digits: that is too large."


def divided(a: Number, b: Number) -> Number:
    """Return `a / b`, whole where it is whole."""
    if b == 0:
        raise ArithmeticProblem("Division by zero is not defined.")
    if isinstance(a, int) and isinstance(b, int) and a % b == 0:
        return a // b
    return Decimal(a) / Decimal(b)


def floor_and_rest(a: Number, b: Number) -> tuple[Number, Number]:
    """Return quotient and remainder as Python does: the remainder has the divisor's sign."""
    if b == 0:
        raise ArithmeticProblem("Division by zero is not defined.")
    if isinstance(a, int) and isinstance(b, int):
        return divmod(a, b)
    try:
        quotient, rest = divmod(Decimal(a), Decimal(b))
    except (DivisionImpossible, InvalidOperation):
        raise ArithmeticProblem("The quotient has too many digits for this.") from None
    if rest != 0 and (rest < 0) != (b < 0):
        return quotient - 1, rest + b
    return quotient, rest


def raised(base: Number, exponent: Number) -> Number:
    """Return `base ** exponent`, refused before it is computed where it is too large."""
    if isinstance(exponent, Decimal) and exponent == exponent.to_integral_value():
        exponent = int(exponent) if abs(exponent) <= MAX_BITS else exponent
    if base == 0 and exponent < 0:
        raise ArithmeticProblem("Zero cannot be raised to a negative power.")
    if base == 0 and exponent == 0:
        return 1
    if isinstance(base, int) and isinstance(exponent, int) and exponent >= 0:
        if abs(base) > 1 and (base.bit_length() - 1) * exponent > MAX_BITS:
            raise ArithmeticProblem(TOO_LARGE)
        small = exponent if abs(base) > 1 else exponent % 2 + 2
        return int(base**small) if exponent else 1
    if base < 0 and not isinstance(exponent, int):
        raise ArithmeticProblem("A negative number has no real power with a fraction.")
    return Decimal(base) ** Decimal(exponent)


def _whole(value: Number, what: str) -> int:
    if isinstance(value, int):
        return value
    if value == value.to_integral_value() and abs(value) < Decimal(10) ** PRECISION:
        return int(value)
    raise ArithmeticProblem(f"{what} needs whole numbers.")


def _rounded(value: Number, digits: Number = 0) -> Number:
    places = _whole(digits, "round")
    if not -MAX_DIGITS <= places <= PRECISION:
        raise ArithmeticProblem(f"round takes up to {PRECISION} digits.")
    if isinstance(value, int) and places >= 0:
        return value
    # As Python does: ties go to the even neighbour.
    step = Decimal(1).scaleb(-places)
    try:
        near = (Decimal(value) / step).to_integral_value(rounding=ROUND_HALF_EVEN) * step
    except InvalidOperation:
        return value  # it has no digits there
    return int(near) if places <= 0 else near


def _towards(rounding: str) -> Callable[[Number], Number]:
    def rounded(value: Number) -> Number:
        return value if isinstance(value, int) else int(value.to_integral_value(rounding=rounding))

    return rounded


def _factorial(value: Number) -> Number:
    number = _whole(value, "factorial")
    if number < 0:
        raise ArithmeticProblem("factorial needs a number that is not negative.")
    if math.lgamma(number + 1) > MAX_DIGITS * math.log(10):
        raise ArithmeticProblem(TOO_LARGE)
    return math.factorial(number)


def _chosen(name: str, count: Callable[[int, int], int]) -> Callable[[Number, Number], Number]:
    def computed(n: Number, k: Number) -> Number:
        total, some = _whole(n, name), _whole(k, name)
        if total < 0 or some < 0:
            raise ArithmeticProblem(f"{name} needs numbers that are not negative.")
        factors = min(some, total - some) if name == "comb" else some
        if some <= total and factors * total.bit_length() > 8 * MAX_BITS:
            raise ArithmeticProblem(TOO_LARGE)
        return count(total, some)

    return computed


def _float(function: Callable[[float], float]) -> Callable[[Number], Number]:
    def computed(value: Number) -> Number:
        # Sines of binary fractions carry noise behind the 15th digit: sin(pi) is 0.
        return Decimal(repr(round(function(float(value)), 15)))

    return computed


def _logarithm(value: Number, base: Number | None = None) -> Number:
    if value <= 0 or (base is not None and (base <= 0 or base == 1)):
        raise ArithmeticProblem("A logarithm needs positive numbers, and a base other than 1.")
    natural = Decimal(value).ln()
    if base is None:
        return natural
    power = round(float(natural / Decimal(base).ln()))
    if abs(power) <= MAX_BITS and isinstance(base, int) and isinstance(value, int) and power >= 0:
        exact = base**power if (base.bit_length() - 1) * power <= MAX_BITS else None
        if exact == value:
            return power
    return natural / Decimal(base).ln()


def _log10(value: Number) -> Number:
    if value <= 0:
        raise ArithmeticProblem("A logarithm needs positive numbers, and a base other than 1.")
    return Decimal(value).log10()


def _root(value: Number) -> Number:
    if value < 0:
        raise ArithmeticProblem("A negative number has no real square root.")
    if isinstance(value, int) and math.isqrt(value) ** 2 == value:
        return math.isqrt(value)
    return Decimal(value).sqrt()


def _total(*values: Number) -> Number:
    whole: Number = 0
    for value in values:
        whole = added(whole, value)
    return whole


def added(a: Number, b: Number) -> Number:
    """Return `a + b`."""
    return a + b if isinstance(a, int) and isinstance(b, int) else Decimal(a) + Decimal(b)


def multiplied(a: Number, b: Number) -> Number:
    """Return `a * b`."""
    return a * b if isinstance(a, int) and isinstance(b, int) else Decimal(a) * Decimal(b)


def _mean(*values: Number) -> Number:
    return divided(_total(*values), len(values))


def _common(name: str, function: Callable[..., int]) -> Callable[..., Number]:
    def computed(*values: Number) -> Number:
        return function(*(_whole(value, name) for value in values))

    return computed


_MANY = 100

# Name → function, fewest and most arguments.
FUNCTIONS: dict[str, tuple[Callable[..., Number], int, int]] = {
    "abs": (abs, 1, 1),
    "acos": (_float(math.acos), 1, 1),
    "asin": (_float(math.asin), 1, 1),
    "atan": (_float(math.atan), 1, 1),
    "ceil": (_towards(ROUND_CEILING), 1, 1),
    "comb": (_chosen("comb", math.comb), 2, 2),
    "cos": (_float(math.cos), 1, 1),
    "degrees": (_float(math.degrees), 1, 1),
    "exp": (lambda value: Decimal(value).exp(), 1, 1),
    "factorial": (_factorial, 1, 1),
    "floor": (_towards(ROUND_FLOOR), 1, 1),
    "gcd": (_common("gcd", math.gcd), 1, _MANY),
    "lcm": (_common("lcm", math.lcm), 1, _MANY),
    "ln": (_logarithm, 1, 1),
    "log": (_logarithm, 1, 2),
    "log10": (_log10, 1, 1),
    "log2": (lambda value: _logarithm(value, 2), 1, 1),
    "max": (max, 1, _MANY),
    "mean": (_mean, 1, _MANY),
    "min": (min, 1, _MANY),
    "perm": (_chosen("perm", math.perm), 2, 2),
    "pow": (raised, 2, 2),
    "radians": (_float(math.radians), 1, 1),
    "round": (_rounded, 1, 2),
    "sin": (_float(math.sin), 1, 1),
    "sqrt": (_root, 1, 1),
    "sum": (_total, 1, _MANY),
    "tan": (_float(math.tan), 1, 1),
}
CONSTANTS: dict[str, Decimal] = {
    "pi": Decimal("3.14159265358979323846264338327950288419716939937511"),
    "e": Decimal("2.71828182845904523536028747135266249775724709369996"),
    "tau": Decimal("6.28318530717958647692528676655900576839433879875021"),
}
