"""What an API key looks like: `karen_<prefix>_<secret>`. Pure.

The prefix is public: it finds the row, stands in lists and in the audit record. The secret has 256
bits of its own and is never stored.
"""

import re
import secrets
from dataclasses import dataclass

BRAND = "karen"

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_PREFIX_LENGTH = 12
_SECRET_BYTES = 32
_TOKEN = re.compile(r"karen_(?P<prefix>[a-z0-9]{12})_(?P<secret>[A-Za-z0-9_-]{43})")
_BEARER = re.compile(r"bearer[ \t]+(?P<token>\S+)[ \t]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyToken:
    """A well-formed key; whether it is a valid one is another question.

    Attributes:
        prefix: Its public part.
        text: The whole of it, as the caller presents it.
    """

    prefix: str
    text: str


def new_token() -> KeyToken:
    """Return a fresh key."""
    prefix = "".join(secrets.choice(_ALPHABET) for _ in range(_PREFIX_LENGTH))
    text = f"{BRAND}_{prefix}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    return KeyToken(prefix=prefix, text=text)


def read_token(text: str) -> KeyToken | None:
    """Return the key in `text`, or None when it cannot be one; garbage asks no database."""
    match = _TOKEN.fullmatch(text)
    return KeyToken(prefix=match["prefix"], text=text) if match else None


def bearer_of(header: str) -> str | None:
    """Return the credential in an `Authorization` header, or None when it names no bearer.

    A bearer header without a credential gives an empty one: its sender meant to use a key and
    must not be taken for somebody without.
    """
    match = _BEARER.fullmatch(header.strip())
    if match:
        return match["token"]
    return "" if header.strip().lower() == "bearer" else None
