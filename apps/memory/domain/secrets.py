"""Recognising what must not be remembered: card numbers, keys, passwords. Pure.

The patterns are few and mean what they say: a memory that is refused wrongly is an annoyance, a
password that is kept is a leak, and a rule nobody can predict is both.
"""

import re
from collections.abc import Iterator

_CARD = re.compile(r"(?<![\w.])(?:\d[ -]?){12,18}\d(?![\w])")
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?:.*?-----END [A-Z0-9 ]*PRIVATE KEY-----|.*)", re.DOTALL
)
_ACCESS_KEYS = re.compile(
    r"""
    \b(?:
        (?:AKIA|ASIA)[A-Z0-9]{16}                 # AWS
      | gh[pousr]_[A-Za-z0-9]{36,}                # GitHub
      | github_pat_[A-Za-z0-9_]{22,}
      | glpat-[A-Za-z0-9_-]{20,}                  # GitLab
      | xox[abprs]-[A-Za-z0-9-]{10,}              # Slack
      | AIza[A-Za-z0-9_-]{35}                     # Google
      | (?:sk|rk|pk)[-_](?:[a-z]+[-_])*[A-Za-z0-9]{16,}   # OpenAI, Stripe and their like
      | eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+  # JSON Web Token
    )
    """,
    re.VERBOSE,
)
_PHRASE = r"(?:pass(?:word|wort|phrase|code|wd)|kennwort|pwd|mot\ de\ passe|contraseña)"
_KEY = r"(?:(?:api|access|secret|private)[ _-]?(?:key|token)|client[ _-]?secret|bearer)"
_ASSIGNED = re.compile(
    rf"\b(?:{_PHRASE}|{_KEY})\b[^:=\n]{{0,30}}?\s*[:=]\s*[\"'`]?[^\s\"'`]{{4,}}", re.IGNORECASE
)
_SAID = re.compile(
    rf"\b(?:{_PHRASE}|{_KEY})\b(?:\s+(?:to|for|of|für|von)\s+\S+(?:\s\S+)?)?"
    r"\s+(?:is|was|lautet|ist|est|es)\s+[\"'`]?(?P<value>[^\s\"'`]{4,})",
    re.IGNORECASE,
)
_PIN = re.compile(r"\b(?:pin|cvv|cvc)\b\D{0,25}\d{3,8}\b", re.IGNORECASE)
_GRAVEST_FIRST = ("private_key", "access_key", "card_number", "password")
# Words that follow "the password is" without being one.
_ORDINARY = frozenset(
    """
    stored saved kept required expired reset changed strong weak safe secret never always needed
    wrong invalid managed hidden encrypted same different long short unknown forgotten written
    rotated shared missing from with that this what only also just very still being
    nicht sicher immer
    """.split()  # noqa: SIM905  # a list of forty strings reads worse
)


def secret_in(text: str) -> str:
    """Return which kind of secret `text` holds, the gravest first, or an empty string.

    Returns:
        `private_key`, `access_key`, `card_number`, `password` or nothing.
    """
    found = {kind for kind, _start, _end in _secrets(text)}
    return next((kind for kind in _GRAVEST_FIRST if kind in found), "")


def without_secrets(text: str) -> str:
    """Return the text with each secret replaced by what it was, such as `[password left out]`."""
    kept, at = [], 0
    for kind, start, end in sorted(_secrets(text), key=lambda found: (found[1], -found[2])):
        if end <= at:
            continue
        kept += [text[at : max(start, at)], f"[{kind.replace('_', ' ')} left out]"]
        at = end
    return "".join([*kept, text[at:]])


def _secrets(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield (kind, start, end) of each secret."""
    for match in _PRIVATE_KEY.finditer(text):
        yield "private_key", match.start(), match.end()
    for match in _ACCESS_KEYS.finditer(text):
        yield "access_key", match.start(), match.end()
    for match in _CARD.finditer(text):
        if _is_card(match.group()):
            yield "card_number", match.start(), match.end()
    for match in (*_ASSIGNED.finditer(text), *_PIN.finditer(text)):
        yield "password", match.start(), match.end()
    for match in _SAID.finditer(text):
        if match["value"].strip(".,;!?").lower() not in _ORDINARY:
            yield "password", match.start("value"), match.end("value")


def _is_card(text: str) -> bool:
    """Say whether the digits have a card's length, opening digit and check digit (ISO/IEC 7812)."""
    digits = [int(character) for character in text if character.isdigit()]
    if not 13 <= len(digits) <= 19 or digits[0] not in {2, 3, 4, 5, 6} or len(set(digits)) == 1:
        return False
    doubled = (digit * 2 for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(sum(divmod(digit, 10)) for digit in doubled)) % 10 == 0
