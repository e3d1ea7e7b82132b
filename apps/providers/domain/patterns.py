"""Regular expressions written by people, searched in linear time whatever they wrote. Pure.

Python's own engine can be kept busy for hours by `(a+)+$`; RE2 cannot. What RE2 does not know
(looking around, referring back) is refused when a pattern is saved.
"""

from collections.abc import Callable
from functools import lru_cache

import re2

PATTERN_CHARACTERS = 1_000
_MEMORY_BYTES = 8 * 1024 * 1024


class PatternFault(ValueError):
    """A text that is no pattern, or one that needs too much."""


def _options() -> "re2.Options":
    options = re2.Options()
    options.max_mem = _MEMORY_BYTES
    options.log_errors = False
    return options


@lru_cache(maxsize=512)
def linear_pattern(pattern: object) -> Callable[[str], bool]:
    """Return a function that says whether a text holds a match.

    Raises:
        PatternFault: It is no pattern that RE2 knows, or too long.
    """
    if not isinstance(pattern, str) or not pattern:
        raise PatternFault("must be a pattern")
    if len(pattern) > PATTERN_CHARACTERS:
        raise PatternFault(f"longer than {PATTERN_CHARACTERS} characters")
    try:
        compiled = re2.compile(pattern, _options())
    except (re2.error, UnicodeEncodeError):
        raise PatternFault("is no pattern that can be searched in linear time") from None

    def holds(text: str) -> bool:
        # Lone surrogates have no UTF-8, which RE2 reads.
        return compiled.search(text.encode("utf-8", "replace").decode()) is not None

    return holds
