"""Slots: what a fact is about, so that a newer one can take the place of an older one. Pure.

A slot is `<about>.<attribute>`: `self.home`, `brother:tom.employer`, `self.preference:coffee`. At
any time a slot has one current value. The laws (tests/unit/memory/test_slots.py):

- The same value again proves what is known; it is never kept twice.
- What is said later holds, whatever it was before; what is learnt later but was said earlier is
  history at once. So the outcome does not depend on the order in which messages are read.
- The end of something ends that value alone: "I no longer work at Acme" says nothing about Beta.
- What was, was: "I used to live in Rome" takes no other value's place.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

SELF = "self"
SLOT_MAX, VALUE_MAX = 120, 200  # characters
_ENDED = "not "

_ARTICLE = re.compile(r"^(?:the|a|an|my|our|some|any|to)\s+")
_NOT_WORD = re.compile(r"[^\w\s:+#/&'-]")
_NEW = re.compile(r"^(?:new|current)\s+")


class Holds(StrEnum):
    """When a statement is true: now, no longer, or in the past."""

    NOW = "now"
    ENDED = "ended"
    PAST = "past"


class Verdict(StrEnum):
    """What becomes of a statement about a slot."""

    KEEP = "keep"  # a memory beside the others
    PROVE = "prove"  # it says what is known
    SUPERSEDE = "supersede"  # it takes the place of the current value
    HISTORY = "history"  # kept as what was true before the current value
    IGNORE = "ignore"  # it ends what is not current


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """A value in a slot, and when it was said last."""

    value: str
    said_at: datetime
    holds: Holds = Holds.NOW


def slot_of(about: str, attribute: str) -> str:
    """Return the name of a slot; empty for what has no attribute."""
    return f"{about}.{attribute}"[:SLOT_MAX] if attribute else ""


def plain_value(text: str) -> str:
    """Return a value as slots compare it: lower case, without article and punctuation."""
    plain = " ".join(_NOT_WORD.sub(" ", text.casefold()).split())
    before = ""
    while before != plain:
        before, plain = plain, _NEW.sub("", _ARTICLE.sub("", plain))
    return plain[:VALUE_MAX].strip()


def ended(value: str) -> str:
    """Return the value of a slot of which a value has ended."""
    return (_ENDED + value)[:VALUE_MAX] if not value.startswith(_ENDED) else value


def same_value(one: str, other: str) -> bool:
    """Say whether two values are the same: equal, or one says it in more detail.

    "rome" and "rome italy" are; "york" and "new york" are not, nor is a plan with another date.
    """
    if one == other:
        return True
    (one, _, day), (other, _, other_day) = one.partition("@"), other.partition("@")
    if day and other_day and day != other_day:
        return False
    shorter, longer = sorted((one.strip(), other.strip()), key=len)
    return bool(shorter) and (longer == shorter or longer.startswith(f"{shorter} "))


def judge(new: Filling, current: Filling | None) -> Verdict:
    """Say what becomes of a statement, given what the slot holds now.

    Args:
        new: What was said; an end names the value that has ended, empty for any.
        current: The slot's value; None where it has none.
    """
    if current is None or new.holds is Holds.PAST:
        return Verdict.KEEP
    if new.holds is Holds.ENDED:
        return _judge_end(new, current)
    if same_value(new.value, current.value):
        return Verdict.PROVE
    return Verdict.HISTORY if new.said_at < current.said_at else Verdict.SUPERSEDE


def _judge_end(new: Filling, current: Filling) -> Verdict:
    if same_value(current.value, ended(new.value)):
        return Verdict.PROVE
    if new.said_at < current.said_at or current.value.startswith(_ENDED):
        return Verdict.IGNORE
    names_it = not new.value or same_value(new.value, current.value)
    return Verdict.SUPERSEDE if names_it else Verdict.IGNORE
