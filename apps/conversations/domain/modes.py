"""How freely the assistant speaks in each mode; what it is told there is in `prompts.py`."""

from collections.abc import Mapping
from dataclasses import dataclass

from apps.conversations.contracts import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeSpec:
    """One way of approaching answers.

    Attributes:
        temperature: Used where neither conversation nor persona set one; None for the
            installation's default.
    """

    temperature: float | None = None


MODES: Mapping[Mode, ModeSpec] = {
    Mode.DEFAULT: ModeSpec(),
    Mode.ANALYSIS: ModeSpec(temperature=0.2),
    Mode.SUMMARISATION: ModeSpec(temperature=0.1),
    Mode.CODE: ModeSpec(temperature=0.1),
    Mode.CREATIVE: ModeSpec(temperature=0.9),
}
