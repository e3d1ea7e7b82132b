"""What each mode tells the assistant and how freely it then speaks."""

from collections.abc import Mapping
from dataclasses import dataclass

from apps.conversations.contracts import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeSpec:
    """One way of approaching answers.

    Attributes:
        instruction: Added to the system message. Short: small models follow few sentences.
        temperature: Used where neither conversation nor persona set one; None for the
            installation's default.
    """

    instruction: str = ""
    temperature: float | None = None


MODES: Mapping[Mode, ModeSpec] = {
    Mode.DEFAULT: ModeSpec(),
    Mode.ANALYSIS: ModeSpec(
        instruction=(
            "Analyse before you conclude: separate facts, assumptions and open questions, weigh "
            "at least one alternative, and say how sure you are and what would change your mind."
        ),
        temperature=0.2,
    ),
    Mode.SUMMARISATION: ModeSpec(
        instruction=(
            "Summarise. Start with the main point in one sentence, then at most seven bullet "
            "points. Use only what the source says; keep names, numbers and dates exact."
        ),
        temperature=0.1,
    ),
    Mode.CODE: ModeSpec(
        instruction=(
            "Answer as a careful programmer: give complete, runnable code in fenced blocks with "
            "their language, handle errors and edge cases, and explain only what is not obvious."
        ),
        temperature=0.1,
    ),
    Mode.CREATIVE: ModeSpec(
        instruction=(
            "Be inventive: prefer vivid, concrete and unexpected ideas to safe ones, vary rhythm "
            "and form, and offer a second, different take when one is asked for."
        ),
        temperature=0.9,
    ),
}
