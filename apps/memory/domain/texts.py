"""What a memory's text is, apart from how it was typed. Pure."""

import hashlib
import re
import unicodedata

_WORD = re.compile(r"\w+")
_MAX_WORDS = 32


def cleaned(text: str) -> str:
    """Return the text as it is kept: without control characters, blanks at ends and in rows."""
    printable = (
        character if not unicodedata.category(character).startswith("C") else " "
        for character in unicodedata.normalize("NFC", text)
    )
    return " ".join("".join(printable).split())


def content_hash(text: str) -> str:
    """Return a hash that is equal for texts that say the same letter by letter.

    Case, blanks, width of characters and a full stop at the end make no difference.
    """
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split()).rstrip(" .!")
    return hashlib.sha256(plain.encode("utf-8", "replace")).hexdigest()


def query_words(query: str) -> list[str]:
    """Return the distinct words of a query in order, at most 32."""
    words = dict.fromkeys(word.casefold() for word in _WORD.findall(query))
    return [word for word in words if len(word) > 1 or word.isdigit()][:_MAX_WORDS]
