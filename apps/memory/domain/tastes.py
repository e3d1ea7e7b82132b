"""What somebody likes, dislikes and prefers. Pure.

Liking and disliking one thing share a slot, `preference:coffee`, so a change of mind supersedes.
What is preferred to something has the slot of the pair, so that the reverse takes its place.
"""

import re
from collections.abc import Iterator

from apps.memory.domain.predicates import Heard, Said, value_of, values_of
from apps.memory.domain.slots import Holds, plain_value

_LIKES = re.compile(
    r"^(?:love|loves|like|likes|enjoy|enjoys|adore|adores|(?:am|is|are)\s+(?:\w+\s+)?(?:crazy|mad"
    r"|passionate)\s+about|(?:am|is|are)\s+(?:really\s+|very\s+|so\s+|totally\s+)?(?:into|fond\s+of"
    r"|keen\s+on)|(?:am|is|are)\s+(?:a|an)\s+(?:\w+\s+)?fan\s+of|(?:have\s+)?(?:fell\s+in\s+love\s+with|started\s+(?:to\s+)?(?:like|liking|enjoy|enjoying|love|loving)"
    r"|come\s+to\s+(?:like|love|enjoy)))\s+(?P<v>.+)$",
    re.IGNORECASE,
)
_DISLIKES = re.compile(
    r"^(?:hate|hates|dislike|dislikes|detest|detests|loathe|loathes|cannot\s+stand|cannot\s+bear"
    r"|(?:am|is|are)\s+(?:sick|tired)\s+of|went\s+off|(?:have\s+)?(?:started\s+(?:to\s+)?(?:hate"
    r"|hating|dislike|disliking)|come\s+to\s+(?:hate|dislike)))\s+(?P<v>.+)$",
    re.IGNORECASE,
)
_GERUND_ENDED = re.compile(r"^(?:liking|loving|enjoying)\s+(?P<v>.+)$", re.IGNORECASE)
_PREFERS = re.compile(r"^(?:prefer|prefers|(?:would\s+)?rather\s+have)\s+(?P<v>.+)$", re.IGNORECASE)
_TO = re.compile(r"\s+(?:to|over|instead\s+of|rather\s+than|than)\s+(?=\S)", re.IGNORECASE)
_SWITCHED = re.compile(
    r"^(?:have\s+|has\s+)?(?:switched|changed|converted)\s+(?:over\s+)?(?:from\s+(?P<old>.+?)\s+)to\s+(?P<v>.+)$",
    re.IGNORECASE,
)
_STRONG = re.compile(r"^(?:love|adore|am\s+(?:crazy|mad|passionate))", re.IGNORECASE)
_WORDS_MAX = 6
_CLAUSE = re.compile(r"\b(?:it|they|he|she|we|i|them|this|that)\b", re.IGNORECASE)
_OUT = re.compile(
    r"\b(?:sea|seaside|ocean|beach|mountains?|outdoors?|city|countryside|forests?|woods|snow|rain|sun"
    r"|heat|cold|summer|winter|spring|autumn|opera|theat(?:re|er)|cinema|piano|guitar|violin|drums"
    r"|gym|colou?r\s+\w+|taste\s+of|smell\s+of|sound\s+of|arts?|stars|desert|lake|river|sky)\b",
    re.IGNORECASE,
)
# What is meant by it stands somewhere else in the conversation.
_POINTS = re.compile(
    r"^(?:the\s+)?(?:first|second|third|fourth|last|latter|former|next|previous|other|rest|new|old"
    r"|version|answer|idea|option|one|ones|way|result|sound|look|part|end|ending|name|title|plan)\b"
    r"|^the\s+(?:\w+\s+)?(?:version|answer|idea|option|one|ones|paragraph|sentence|draft|way|result"
    r"|sound|look|part|end|ending|title|plan|story|poem|example|suggestion|list|approach)s?\b"
    r"|^(?:how|that|what|when|your|this|these|those)\b|\b(?:you|your|yours)\b",
    re.IGNORECASE,
)


def topic_of(value: str) -> str:
    """Return what a taste is about: "to hike", "hiking" and "Hiking" are one topic."""
    words = plain_value(value).split()
    if value.casefold().startswith("to ") and words:
        words[0] = _gerund(words[0])
    if words and len(words[-1]) > 3 and words[-1].endswith("s") and not words[-1].endswith("ss"):
        words[-1] = words[-1][:-1]
    return " ".join(words)


def _gerund(verb: str) -> str:
    if verb.endswith("e") and not verb.endswith("ee"):
        return f"{verb[:-1]}ing"
    if re.fullmatch(r"[a-z]*[^aeiou][aeiou][bdgmnprt]", verb) and len(verb) < 5:
        return f"{verb}{verb[-1]}ing"
    return f"{verb}ing"


def tastes_in(heard: Heard) -> Iterator[Said]:
    """Yield what the words behind a subject say about tastes."""
    switched = _SWITCHED.match(heard.words)
    if switched is not None and heard.holds is Holds.NOW and not heard.denied:
        old, new = value_of(switched["old"]), value_of(switched["v"])
        if old and new and len(old.split()) <= 3 and len(new.split()) <= 3:
            yield _preferred(new, old)
            yield _taste(old, "-", f"no longer goes for {old}", Holds.ENDED)
        return
    prefers = _PREFERS.match(heard.words)
    if prefers is not None and heard.holds is Holds.NOW and not heard.denied:
        yield from _preferences(prefers["v"])
        return
    for pattern, likes in ((_LIKES, True), (_DISLIKES, False), (_GERUND_ENDED, True)):
        match = pattern.match(heard.words)
        if match is None or (pattern is _GERUND_ENDED and heard.holds is not Holds.ENDED):
            continue
        for value in values_of(match["v"]):
            if not _is_taste(value):
                return
            yield _liked(value, likes, heard, strong=bool(_STRONG.match(heard.words)))
        return


def _is_taste(value: str) -> bool:
    """Say whether a taste can be for it; "the freedom it brings" is a remark, not a taste."""
    if len(value.split()) > _WORDS_MAX or _POINTS.search(value) or _CLAUSE.search(value):
        return False
    return (
        not value.casefold().startswith("the ") or value[4:5].isupper() or bool(_OUT.search(value))
    )


def _preferences(words: str) -> Iterator[Said]:
    first, *rest = _TO.split(words, maxsplit=1)
    value, other = value_of(first), value_of(rest[0]) if rest else ""
    if (
        not value
        or _POINTS.search(value)
        or len(value.split()) > _WORDS_MAX
        or (rest and not other)
    ):
        return
    yield _preferred(value, other)


def _preferred(value: str, other: str) -> Said:
    one, two = topic_of(value), topic_of(other) if other else ""
    if two:
        attribute = "preference:" + " or ".join(sorted((one, two)))
    else:  # "window seats" and "aisle seats" are answers to one question
        words = one.split()
        attribute = f"preference:kind of {words[-1]}" if len(words) > 1 else f"preference:{one}"
    phrase = f"prefers {value} to {other}" if other else f"prefers {value}"
    return Said(
        attribute=attribute,
        value=f"prefers {one}",
        phrase=phrase,
        shown=value,
        weight="preference",
    )


def _liked(value: str, likes: bool, heard: Heard, *, strong: bool) -> Said:
    shown = value
    if heard.holds is Holds.PAST:
        verb = "used to like" if likes else "used to dislike"
        return _taste(shown, "likes" if likes else "dislikes", f"{verb} {shown}", Holds.PAST)
    if heard.holds is Holds.ENDED:
        verb = "no longer likes" if likes else "no longer dislikes"
        return _taste(shown, "dislikes" if likes else "likes", f"{verb} {shown}", Holds.NOW)
    if heard.denied:
        verb, stance = ("does not like", "dislikes") if likes else ("does not dislike", "likes")
    elif likes:
        verb, stance = ("loves" if strong else "likes"), "likes"
    else:
        verb, stance = "dislikes", "dislikes"
    return _taste(shown, stance, f"{verb} {shown}", Holds.NOW)


def _taste(value: str, stance: str, phrase: str, holds: Holds) -> Said:
    return Said(
        attribute=f"preference:{topic_of(value)}",
        value="" if stance == "-" else stance,
        phrase=phrase,
        holds=holds,
        shown=value,
        weight="preference",
    )
