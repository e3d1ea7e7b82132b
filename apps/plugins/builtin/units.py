"""The tool that converts units."""

from decimal import Decimal, DecimalException
from functools import cache
from typing import TYPE_CHECKING

from pydantic import Field

from apps.plugins.contracts import Arguments, Tool, ToolContext, ToolResult
from apps.plugins.domain.arithmetic import shown
from apps.plugins.domain.messages import suggestion
from apps.plugins.domain.units import MAX_LENGTH, UnitProblem, temperature_pair, unit_terms
from apps.plugins.errors import ToolRetry
from apps.plugins.permissions import USE

if TYPE_CHECKING:
    from pint import UnitRegistry

_MAX_EXPONENT = 400
_DIGITS = 12


class Conversion(Arguments):
    """What is converted."""

    value: Decimal = Field(description="How many of from_unit.", allow_inf_nan=False)
    from_unit: str = Field(
        min_length=1, max_length=MAX_LENGTH, description="Such as km/h, lb, degC, GiB, fl oz."
    )
    to_unit: str = Field(min_length=1, max_length=MAX_LENGTH, description="The unit wanted.")


@cache
def _registry() -> "UnitRegistry[Decimal]":
    import pint  # optional cost: a third of a second, paid by whoever converts first

    return pint.UnitRegistry(non_int_type=Decimal, autoconvert_offset_to_baseunit=True)


@cache
def _names() -> tuple[str, ...]:
    registry = _registry()
    return tuple(sorted(name for name in dir(registry) if name[:1].isalpha() and name in registry))


def _unit(text: str) -> str:
    terms = unit_terms(text)
    for name, power in terms:
        if name.startswith("_") or name not in _registry():
            raise UnitProblem(f"There is no unit {name!r}.{suggestion(name, _names())}")
        if name.casefold() in {"degc", "degf"} and (len(terms) > 1 or power != 1):
            raise UnitProblem("Inside a product write delta_degC or delta_degF.")
    return " * ".join(f"{name}**{power}" if power != 1 else name for name, power in terms)


def _bounded(value: Decimal) -> Decimal:
    if value and abs(value.adjusted()) > _MAX_EXPONENT:
        raise UnitProblem("The value is too large or too small.")
    return value


def _converted(value: Decimal, source: str, target: str) -> Decimal:
    import pint  # as above

    registry = _registry()
    try:
        there = registry.Quantity(_bounded(value), source).to(target)
        return Decimal(there.magnitude)
    except pint.DimensionalityError as error:
        raise UnitProblem(
            f"{error.units1} measures {_dimension(source)}, {error.units2} measures "
            f"{_dimension(target)}: one cannot become the other."
        ) from error
    except (pint.PintError, DecimalException, OverflowError) as error:
        raise UnitProblem("These units cannot be converted into each other.") from error


def _dimension(unit: str) -> str:
    return str(_registry().get_dimensionality(unit)).strip("[]") or "a number"


def convert(_context: ToolContext, arguments: Conversion) -> ToolResult:
    """Convert a value.

    Raises:
        ToolRetry: A unit is unknown, or the two do not measure the same.
    """
    try:
        pair = temperature_pair(arguments.from_unit, arguments.to_unit)
        source, target = pair or (_unit(arguments.from_unit), _unit(arguments.to_unit))
        value = _converted(arguments.value, source, target)
    except UnitProblem as problem:
        raise ToolRetry(str(problem)) from problem
    result = shown(_rounded(value))
    return ToolResult(
        text=f"{shown(arguments.value)} {arguments.from_unit} = {result} {arguments.to_unit}",
        data={"value": result, "unit": target},
    )


def _rounded(value: Decimal) -> Decimal:
    # Conversion factors are measured to some ten digits; more of them would be invented.
    return value if not value else Decimal(f"{value:.{_DIGITS - 1}e}")


CONVERT_UNITS = Tool(
    name="convert_units",
    title="Unit converter",
    description=(
        "Convert a value between units of length, mass, volume, area, speed, temperature, time, "
        "energy, power, pressure, data and their products. Not for money."
    ),
    parameters=Conversion,
    run=convert,
    permission=USE,
    timeout_s=10.0,
)
