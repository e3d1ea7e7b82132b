"""Arithmetic from text: a tokenizer and a precedence-climbing parser that computes as it reads.

Numbers are whole numbers of any size up to `MAX_DIGITS`, or decimals of `PRECISION` digits; `0.1 +
0.2` is `0.3`. Every step is bounded before it is computed, so `9**9**9` is refused at once. Nothing
of Python is evaluated. Pure.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, DecimalException, Overflow, localcontext

from apps.plugins.domain.numbers import (
    CONSTANTS,
    CONTEXT,
    FUNCTIONS,
    TOO_LARGE,
    ArithmeticProblem,
    Number,
    added,
    divided,
    fitting,
    floor_and_rest,
    multiplied,
    raised,
)

MAX_LENGTH = 1_000
MAX_DEPTH = 60
SHOWN = 28

_SAME = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "π": "pi", "√": "sqrt"})  # noqa: RUF001  # the signs people write
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d[\d_]*)(?:\.[\d_]*)?(?:[eE][+-]?\d+)?|\.\d[\d_]*(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign>\*\*|//|[-+*/%^(),]))"
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    place: int


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    place, end = 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            raise ArithmeticProblem(f"{text[place:].lstrip()[:1]!r} is not understood here.")
        kind = match.lastgroup or ""
        found.append(_Token(kind, match[kind], match.start(kind)))
        place = match.end()
    found.append(_Token("end", "", end))
    return found


_BINARY: dict[str, tuple[int, Callable[[Number, Number], Number]]] = {
    "+": (1, added),
    "-": (1, lambda a, b: added(a, -b)),
    "*": (2, multiplied),
    "/": (2, divided),
    "//": (2, lambda a, b: floor_and_rest(a, b)[0]),
    "%": (2, lambda a, b: floor_and_rest(a, b)[1]),
}
_UNARY_BINDS = 3
_POWER = {"**", "^"}


class _Parser:
    def __init__(self, tokens: Sequence[_Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0

    def whole(self) -> Number:
        value = self._expression(0)
        if self._peek.kind != "end":
            raise self._unexpected(self._peek)
        return value

    @property
    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next += token.kind != "end"
        return token

    def _expect(self, sign: str) -> None:
        token = self._take()
        if token.text != sign:
            raise ArithmeticProblem(f"A {sign!r} is missing at position {token.place + 1}.")

    @staticmethod
    def _unexpected(token: _Token) -> ArithmeticProblem:
        if token.kind == "end":
            return ArithmeticProblem("The expression ends too early.")
        return ArithmeticProblem(
            f"{token.text!r} is unexpected at position {token.place + 1}. Write products with *, "
            "and numbers without separators."
        )

    def _expression(self, binds: int) -> Number:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ArithmeticProblem(f"The expression is nested deeper than {MAX_DEPTH} levels.")
        left = self._unary()
        while (entry := _BINARY.get(self._peek.text)) is not None and entry[0] > binds:
            self._take()
            left = fitting(entry[1](left, self._expression(entry[0])))
        self._depth -= 1
        return left

    def _unary(self) -> Number:
        if self._peek.text in {"+", "-"}:
            sign = self._take().text
            # -2**2 is -4: a sign binds weaker than a power.
            value = self._expression(_UNARY_BINDS)
            return -value if sign == "-" else value
        return self._power()

    def _power(self) -> Number:
        base = self._atom()
        if self._peek.text in _POWER:
            self._take()
            # From right to left: 2**3**2 is 2**9.
            return fitting(raised(base, self._expression(_UNARY_BINDS)))
        return base

    def _atom(self) -> Number:
        token = self._take()
        if token.kind == "number":
            return _number(token.text)
        if token.kind == "name":
            return self._named(token)
        if token.text == "(":
            value = self._expression(0)
            self._expect(")")
            return value
        raise self._unexpected(token)

    def _named(self, token: _Token) -> Number:
        name = token.text.lower()
        if self._peek.text != "(":
            if name in CONSTANTS:
                return CONSTANTS[name]
            raise ArithmeticProblem(
                f"{token.text!r} is unknown. There are {', '.join(CONSTANTS)} and the functions "
                f"{', '.join(FUNCTIONS)}."
            )
        if name not in FUNCTIONS:
            raise ArithmeticProblem(
                f"There is no function {token.text!r}, but {', '.join(FUNCTIONS)}."
            )
        self._take()
        arguments = [self._expression(0)]
        while self._peek.text == ",":
            self._take()
            arguments.append(self._expression(0))
        self._expect(")")
        return self._applied(name, arguments)

    @staticmethod
    def _applied(name: str, arguments: list[Number]) -> Number:
        function, fewest, most = FUNCTIONS[name]
        if not fewest <= len(arguments) <= most:
            wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
            raise ArithmeticProblem(f"{name} takes {wanted} arguments, not {len(arguments)}.")
        try:
            return fitting(function(*arguments))
        except (OverflowError, ValueError) as error:
            if isinstance(error, ArithmeticProblem):
                raise
            raise ArithmeticProblem(f"{name} is not defined for this number.") from error


def _number(text: str) -> Number:
    plain = text.replace("_", "")
    if plain.isdecimal():
        return fitting(int(plain))
    return CONTEXT.create_decimal(plain)


def computed(expression: str) -> Number:
    """Return the value of an arithmetic expression.

    Understood are + - * / // % ** (or ^), parentheses, `FUNCTIONS` and `CONSTANTS`.

    Raises:
        ArithmeticProblem: It is not understood, not defined, or too large.
    """
    if len(expression) > MAX_LENGTH:
        raise ArithmeticProblem(f"The expression is longer than {MAX_LENGTH} characters.")
    if not expression.strip():
        raise ArithmeticProblem("The expression is empty.")
    if not expression.isascii():
        expression = expression.translate(_SAME)
    with localcontext(CONTEXT):
        try:
            return _Parser(_tokens(expression)).whole()
        except Overflow:
            raise ArithmeticProblem(TOO_LARGE) from None
        except DecimalException as error:
            raise ArithmeticProblem("This is not defined for these numbers.") from error


def shown(value: Number) -> str:
    """Return `value` as people write it: at most `SHOWN` significant digits, no idle zeros."""
    if isinstance(value, int):
        return str(value)
    with localcontext(CONTEXT) as context:
        context.prec = SHOWN
        rounded = +value
        if rounded == rounded.to_integral_value() and abs(rounded) < Decimal(10) ** SHOWN:
            return str(int(rounded))
        plain = rounded.normalize()
    _, digits, exponent = plain.as_tuple()
    assert isinstance(exponent, int)
    near = -12 <= len(digits) + exponent <= SHOWN
    return f"{plain:f}" if near else str(plain)
