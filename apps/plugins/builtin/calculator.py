"""The tool that computes."""

from pydantic import Field

from apps.plugins.contracts import Arguments, Tool, ToolContext, ToolResult
from apps.plugins.domain import arithmetic
from apps.plugins.domain.numbers import ArithmeticProblem
from apps.plugins.errors import ToolRetry
from apps.plugins.permissions import USE


class Calculation(Arguments):
    """What is computed."""

    expression: str = Field(
        min_length=1,
        max_length=arithmetic.MAX_LENGTH,
        description="Such as (12.5 + 3) * 4, 2**64, sqrt(2), 200 * 15 / 100, round(10 / 3, 2).",
    )


def calculate(_context: ToolContext, arguments: Calculation) -> ToolResult:
    """Compute an expression.

    Raises:
        ToolRetry: It is not understood, not defined, or too large.
    """
    try:
        value = arithmetic.shown(arithmetic.computed(arguments.expression))
    except ArithmeticProblem as problem:
        raise ToolRetry(str(problem)) from problem
    return ToolResult(
        text=f"{arguments.expression.strip()} = {value}",
        data={"expression": arguments.expression, "value": value},
    )


CALCULATOR = Tool(
    name="calculator",
    title="Calculator",
    description=(
        "Compute an arithmetic expression exactly. Use it for every calculation beyond one digit. "
        "Operators + - * / // % ** and parentheses; functions such as sqrt, log, sin, round, min, "
        "max, sum, mean, factorial, comb, gcd; constants pi, e, tau."
    ),
    parameters=Calculation,
    run=calculate,
    permission=USE,
    timeout_s=5.0,
)
