"""Why something was recalled, in words that people use. Pure."""

import re
from collections.abc import Mapping

_SHARE = re.compile(r"([a-z]+) ([+-]\d+(?:\.\d+)?)")
_WORDS = {
    "words": "the words it shares with your question",
    "meaning": "its meaning",
    "speaker": "the person you named",
    "time": "the time you asked about",
    "recency": "being recent",
    "importance": "its importance",
    "use": "having helped before",
}
_MOST = 3
_FAINT = 0.03  # a share below it decided nothing


def shares_in(why: str) -> dict[str, float]:
    """Return the shares that an explanation such as `meaning +0.62, words +0.30` names."""
    return {name: float(share) for name, share in _SHARE.findall(why)}


def reason_from(shares: Mapping[str, float]) -> str:
    """Return the greatest shares as a sentence without its full stop; empty where none decided."""
    ordered = sorted(shares.items(), key=lambda each: (-each[1], each[0]))
    said = [_WORDS[name] for name, share in ordered if share >= _FAINT and name in _WORDS][:_MOST]
    if not said:
        return ""
    *first, last = said
    return f"Chosen for {', '.join(first)} and {last}" if first else f"Chosen for {last}"
