"""Registers the tools that ship with Karen and need nothing but themselves."""

from apps.plugins.builtin.calculator import CALCULATOR
from apps.plugins.builtin.date_time import DATE_TIME
from apps.plugins.builtin.units import CONVERT_UNITS
from apps.plugins.registry import register_tool


def register_all() -> None:
    """Register calculator, date and time, and units."""
    for tool in (CALCULATOR, DATE_TIME, CONVERT_UNITS):
        register_tool(tool)
