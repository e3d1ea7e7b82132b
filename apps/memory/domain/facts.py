"""What is true of somebody for a while: home, work, name, family, health, possessions. Pure."""

import re
from collections.abc import Iterator

from apps.memory.domain.fact_rules import FACT_RULES, HAVE, is_employer_name
from apps.memory.domain.predicates import Heard, Said, read_rule, value_of
from apps.memory.domain.slots import Holds, plain_value
from apps.memory.domain.subjects import NAME, RELATION, about_relation, canonical

_ATTRIBUTES = {
    "home": "home", "address": "address", "hometown": "birthplace", "home town": "birthplace",
    "city": "home", "home city": "home", "job": "job", "role": "job", "profession": "job",
    "occupation": "job", "job title": "job", "title": "job", "position": "job",
    "employer": "employer", "company": "employer", "birthday": "birthday", "birth date": "birthday",
    "date of birth": "birthday", "anniversary": "anniversary", "wedding anniversary": "anniversary",
    "phone number": "phone number", "number": "phone number", "phone": "phone", "email": "email",
    "e-mail": "email", "email address": "email", "time zone": "time zone", "timezone": "time zone",
    "nickname": "nickname", "name": "name", "first name": "name", "full name": "name",
    "last name": "last name", "surname": "last name", "middle name": "middle name",
    "pronouns": "pronouns", "native language": "native language",
    "mother tongue": "native language",
    "first language": "native language", "age": "age", "height": "height", "weight": "weight",
    "blood type": "blood type", "shoe size": "shoe size", "car": "car", "bike": "bike",
    "laptop": "laptop", "computer": "computer", "team": "team", "department": "department",
    "school": "school", "university": "university", "major": "major", "gym": "gym",
    "hobby": "hobby", "goal": "goal", "budget": "budget", "deadline": "deadline",
    "star sign": "star sign", "religion": "religion", "nationality": "nationality",
    "bank": "bank", "office": "office", "commute": "commute", "salary": "salary",
}  # fmt: skip
_MINE = re.compile(
    r"^(?:my|our)\s+(?:new\s+|current\s+|main\s+|only\s+)*"
    r"(?P<what>(?:all[- ]time\s+)?favou?rite\s+[\w-]+(?:\s+[\w-]+)?|"
    + "|".join(sorted(map(re.escape, _ATTRIBUTES), key=len, reverse=True))
    + r")\s+(?:is|are|will\s+be|has\s+changed\s+to|changed\s+to|has\s+become|became"
    r"|was\s+changed\s+to)"
    r"\s+(?:now\s+|actually\s+|currently\s+|going\s+to\s+be\s+|no\s+longer\s+(?P<ended>))?"
    r"(?:in\s+|at\s+|on\s+)?(?P<v>.+)$",
    re.IGNORECASE,
)
_RELATED = re.compile(
    rf"^(?:my|our)\s+{RELATION}(?:'s\s+name)?\s+(?:is|are)\s+(?:now\s+|actually\s+)?(?:called\s+|named\s+)?(?P<name>{NAME})\s*(?:$|,)",
    re.IGNORECASE,
)
_IS_MY = re.compile(rf"^(?P<name>{NAME})\s+is\s+(?:my|our)\s+(?:new\s+)?{RELATION}\b")
_HAS_ONE = re.compile(
    rf"^(?:have|has|got|adopted|own|bought)\s+(?:an?|one|my)\s+(?:\w+\s+)?{RELATION}\s+"
    rf"(?:called|named|whose\s+name\s+is)\s+(?P<name>{NAME})"
)
_CALL_ME = re.compile(
    r"^(?:[Pp]lease\s+)?[Cc]all\s+me\s+(?P<v>[A-Z][\w'-]+(?:\s+[A-Z][\w'-]+)?)\s*(?:$|[,.!]|instead|from)"
)
_BORN = re.compile(
    r"^I\s+was\s+born\s+on\s+(?P<v>(?:the\s+)?\d{1,2}\S*\s+(?:of\s+)?\w+(?:,?\s+\d{4})?|\w+\s+\d{1,2}\S*|\d{4}-\d\d-\d\d)"
)
_STATES = frozenset({"there", "here", "back", "done", "fine", "good", "ok", "okay"})


def facts_in(heard: Heard) -> Iterator[Said]:
    """Yield what the words behind a subject say by the rules of this module."""
    for rule in FACT_RULES:
        yield from read_rule(rule, heard)
    leaves = re.match(
        rf"{HAVE}(?:left|quit|resigned\s+from|(?:was|were|got|been)\s+(?:laid\s+off|fired|let\s+go)"
        r"(?:\s+(?:from|by))?|lost|retired\s+from)\s*(?P<v>.*)$",
        heard.words,
        re.IGNORECASE,
    )
    if leaves is not None and heard.holds is Holds.NOW and not heard.denied:
        yield from _left(leaves["v"])


def _left(rest: str) -> Iterator[Said]:
    job = re.match(
        r"(?:my|the|his|her|our)?\s*(?:old\s+|current\s+)?job\b(?:\s+(?:at|with)\s+(?P<v>.+))?",
        rest,
    )
    words = (job["v"] or "") if job is not None else rest
    value = value_of(words) if words else ""
    if (value and not is_employer_name(value)) or (not value and job is None):
        return
    shown = f"no longer works at {value}" if value else "no longer has their job"
    yield Said(
        attribute="employer",
        value=plain_value(value),
        phrase=shown,
        holds=Holds.ENDED,
        shown=value,
        weight="employer",
    )


def possessions_in(clause: str) -> Iterator[tuple[str, Said]]:
    """Yield (about, what is said) of "my name is Ann", "my wife is Sara", "Tom is my brother".

    `about` is empty for the person themselves.
    """
    called = _CALL_ME.match(clause)
    if called is not None:
        yield "", _name(called["v"])
    for pattern in (_RELATED, _IS_MY):
        found = pattern.match(clause)
        if found is not None and _is_name(found["name"]):
            yield _related(found["relation"], found["name"])
            return
    born = _BORN.match(clause)
    if born is not None:
        yield "", _owned("birthday", value_of(born["v"]) or born["v"], Holds.NOW)
    mine = _MINE.match(clause)
    if mine is None:
        return
    what = " ".join(mine["what"].casefold().split()).replace("favorite", "favourite")
    what = re.sub(r"\bcolor\b", "colour", what)  # one thing, however it is spelt
    value = value_of(mine["v"])
    if (
        not value
        or value.startswith("to ")
        or len(value.split()) > 4
        or value.casefold() in _STATES
    ):
        return
    if "favourite" in what:
        attribute = f"favourite:{what.partition('favourite ')[2]}"
    else:
        attribute = _ATTRIBUTES[what]
    yield "", _owned(attribute, value, Holds.ENDED if mine["ended"] is not None else Holds.NOW)


def _owned(attribute: str, value: str, holds: Holds) -> Said:
    if attribute == "name":
        return _name(value)
    templates = {
        "home": "lives in {}", "employer": "works at {}", "job": "works as {}",
        "birthday": "has their birthday on {}", "birthplace": "comes from {}",
        "age": "is {} years old",
    }  # fmt: skip
    label = attribute.replace("favourite:", "favourite ")
    template = templates.get(attribute, f"has {{}} as {label}")
    if attribute.startswith("favourite:"):
        template = f"has {{}} as their {label}"
    if holds is Holds.ENDED:
        template = f"no longer {template}"
    return Said(
        attribute=attribute,
        value=plain_value(value),
        phrase=template.format(value),
        holds=holds,
        shown=value,
        weight=attribute.partition(":")[0],
    )


def _name(value: str) -> Said:
    return Said(
        attribute="name",
        value=plain_value(value),
        phrase=f"is called {value}",
        shown=value,
        weight="name",
    )


def _is_name(name: str) -> bool:
    return name[:1].isupper() and not name.isupper()


def _related(relation: str, name: str) -> tuple[str, Said]:
    plain = canonical(relation)
    return about_relation(plain, name), Said(
        attribute="name",
        value=plain_value(name),
        phrase=f"has a {plain} called {name}",
        shown=name,
        weight="relation",
    )


def relatives_in(heard: Heard) -> Iterator[tuple[str, Said]]:
    """Yield (about, what is said) of "have a brother named Tom"."""
    found = _HAS_ONE.match(heard.words)
    if found is not None and _is_name(found["name"]) and heard.holds is Holds.NOW:
        yield _related(found["relation"], found["name"])
