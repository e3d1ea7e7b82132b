"""What must not be remembered: numbers of cards, keys, passwords.

The patterns are those of the guardrails (`providers.nlp`). A memory that is refused wrongly is an
annoyance, a password that is kept is a leak, and a rule nobody can predict is both.
"""

from apps.providers import nlp

_KINDS = {
    "private_key": "private_key",
    "access_key": "access_key",
    "card": "card_number",
    "password": "password",
    "pin": "password",
}  # the gravest first


def secret_in(text: str) -> str:
    """Return which kind of secret `text` holds, the gravest first, or an empty string.

    Returns:
        `private_key`, `access_key`, `card_number`, `password` or nothing.
    """
    found = {finding.detail for finding in nlp.secrets_in(text)}
    return next((kind for detail, kind in _KINDS.items() if detail in found), "")


def without_secrets(text: str) -> str:
    """Return the text with each secret replaced by what it was, such as `[password left out]`."""
    kept, at = [], 0
    for finding in nlp.secrets_in(text):
        name = _KINDS[finding.detail].replace("_", " ")
        kept += [text[at : finding.start], f"[{name} left out]"]
        at = finding.end
    return "".join([*kept, text[at:]])
