"""What a question asks for: a time, a date, a person. Pure."""

import re
from collections.abc import Sequence
from datetime import date

from apps.memory.domain.dates import Period, periods_in

_ASKS_TIME = re.compile(
    r"^(?:when|how long|what (?:date|day|month|year|time))\b|\bwhich (?:month|year|day)\b",
    re.IGNORECASE,
)


def asks_time(question: str) -> bool:
    """Tell whether the answer is a time."""
    return _ASKS_TIME.search(question.strip()) is not None


def named_periods(question: str, asked_on: date) -> list[Period]:
    """Return the days, months and years that a question names."""
    return periods_in(question, asked_on)


def without_names(question: str, names: Sequence[str]) -> str:
    """Return the question without these names, for the vector.

    An embedding model gives a name most of the vector, and what people say does not hold their own.
    """
    for name in names:
        question = re.sub(rf"\b{re.escape(name)}(?:'s|\u2019s|')?", " ", question, flags=re.I)
    return re.sub(r"\s+([?,.!])", r"\1", " ".join(question.split()))


def named_speaker(question: str, speakers: Sequence[str]) -> int | None:
    """Return the index of the one speaker whom the question names; None for two or none."""
    named = [
        number
        for number, name in enumerate(speakers)
        if name and re.search(rf"\b{re.escape(name)}\b", question, re.I)
    ]
    return named[0] if len(named) == 1 else None
