"""What somebody tells by hand, read as what is said in a conversation. Pure.

People write notes about themselves in the first person, as lines such as "lives in Rome", and other
assistants write "the user lives in Rome".
"""

import re
from collections.abc import Iterator

from apps.memory.domain.extraction import Candidate, Setting, candidates_in

_THE_USERS = re.compile(r"^(?:the\s+)?user['’]s\b", re.IGNORECASE)
_THE_USER = re.compile(r"^(?:the\s+)?user\b", re.IGNORECASE)
_BARE = re.compile(r"^[A-Za-z]+s\b(?!['’])")


def told_fact(text: str, setting: Setting) -> Candidate | None:
    """Return the one fact about one thing at a time that a text tells; None for anything else.

    Of several facts none is returned: the text stands for all of them, and a newer value of one
    must not take it away.
    """
    for worded in _wordings(text):
        found = candidates_in(worded, setting)
        if found:
            return found[0] if len(found) == 1 and found[0].slot else None
    return None


def _wordings(text: str) -> Iterator[str]:
    yield text
    if _THE_USER.match(text):
        yield _THE_USER.sub("I", _THE_USERS.sub("my", text))
    elif _BARE.match(text):
        yield f"I {text[:1].lower()}{text[1:]}"
