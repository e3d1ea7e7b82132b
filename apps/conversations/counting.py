"""Counting each text once: a message of a long conversation is in hundreds of prompts.

Counts are kept per process by the text's hash, never the texts themselves.
"""

import hashlib
import threading
from collections import OrderedDict

from apps.providers.contracts import TokenCounter

_MOST = 100_000
_counts: "OrderedDict[tuple[str, bytes], int]" = OrderedDict()
_lock = threading.Lock()


def text_digest(text: str) -> bytes:
    """Return a hash of a text: 128 bits, so that no two texts of one installation share it."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def count_of(counter: TokenCounter, text: str) -> int:
    """Return the tokens of a text, from memory where it was counted before."""
    key = (counter.name, text_digest(text))
    found = _counts.get(key)
    if found is not None:
        return found
    counted = counter.count(text)
    with _lock:
        _counts[key] = counted
        while len(_counts) > _MOST:
            _counts.popitem(last=False)
    return counted
