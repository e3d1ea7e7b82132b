"""Whom a statement is about: "I", "my brother Tom", "Tom". Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from apps.memory.domain.slots import SELF, plain_value

_CANONICAL = {
    "mom": "mother", "mum": "mother", "mommy": "mother", "dad": "father", "daddy": "father",
    "grandma": "grandmother", "granny": "grandmother", "grandpa": "grandfather",
    "neighbor": "neighbour", "flatmate": "roommate", "housemate": "roommate", "kid": "child",
    "co-worker": "colleague", "coworker": "colleague", "fiancée": "fiancé", "fiancee": "fiancé",
    "fiance": "fiancé", "bf": "boyfriend", "gf": "girlfriend", "puppy": "dog", "kitten": "cat",
    "hubby": "husband", "sis": "sister", "bro": "brother", "spouse": "partner",
}  # fmt: skip
_SINGLE = frozenset(
    {"wife", "husband", "partner", "girlfriend", "boyfriend", "fiancé", "mother", "father"}
    | {"boss", "manager", "doctor", "dentist", "therapist", "landlord", "roommate", "supervisor"}
)
_SEVERAL = frozenset(
    {"brother", "sister", "son", "daughter", "child", "grandmother", "grandfather", "uncle", "aunt"}
    | {"cousin", "nephew", "niece", "friend", "neighbour", "colleague", "teammate", "teacher"}
    | {"dog", "cat", "horse", "rabbit", "parrot", "hamster", "pet", "ex", "stepson", "stepdaughter"}
    | {"coach", "mentor", "tutor", "godson", "goddaughter", "grandson", "granddaughter"}
)
_WORDS = sorted({*_CANONICAL, *_SINGLE, *_SEVERAL}, key=len, reverse=True)
_OLD = r"(?:older|younger|elder|big|little|twin|half|step|best|close|good|old|oldest|youngest|new)"
RELATION = rf"(?:{_OLD}[\s-]+)*(?P<relation>{'|'.join(_WORDS)})"
NAME = r"[A-ZÀ-Þ][\w'’-]*[\w](?:\s+(?:van|von|de|da|la|del)?\s*[A-ZÀ-Þ][\w'’-]*\w)?"

_FIRST = re.compile(r"^(?:I|i|[Ww]e)\s+(?P<rest>.+)$")
_RELATED = re.compile(
    rf"^(?:[Mm]y|[Oo]ur)\s+{RELATION}\b(?P<is>'s|\s+is)?(?:,?\s+(?P<name>{NAME}),?)?"
    r"(?=\s)\s+(?P<rest>.+)$"
)
_NAMED_PERSON = re.compile(rf"^(?P<name>{NAME})(?P<is>'s)?\s+(?P<rest>.+)$")
_NO_NAMES = frozenset(
    """
    The This That These Those There Here It He She They You We What When Where Who Why How Which
    Yes No Not And But Or So If My Your His Her Their Our Its A An In On At For With To From Of By
    As Is Are Was Were Am Be Do Does Did Have Has Had Can Could Will Would Should May Might Must
    Please Thanks Thank Hi Hello Hey Also Then Now Today Tomorrow Yesterday Everyone Everybody
    Someone Somebody People Nobody Nothing Everything Something Life Work Time God Always Never
    Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February March April May June
    July August September October November December Python Java Django Just Only Let Lets
    """.split()  # noqa: SIM905  # a list of eighty strings reads worse
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """A clause cut into whom it is about and what it says of them.

    Attributes:
        about: `self`, a relation such as `wife` or `brother:tom`, or a name in lower case.
        said: How sentences begin that are about them; empty for the person.
        rest: What stands behind the subject, as it was written.
        name: Their name, where the clause has it.
    """

    about: str
    said: str
    rest: str
    name: str = ""


def stated_of(text: str, known: Mapping[str, str]) -> Stated | None:
    """Return a clause's subject and the rest; None where it is about nobody in particular.

    Args:
        text: A clause.
        known: Who is known by which name or relation: `{"tom": "brother:tom"}`.
    """
    first = _FIRST.match(text)
    if first is not None:
        return Stated(about=SELF, said="", rest=first["rest"])
    related = _RELATED.match(text)
    return _named(text, known) if related is None else _relative(related, known)


def _relative(related: re.Match[str], known: Mapping[str, str]) -> Stated | None:
    name, rest = related["name"] or "", related["rest"]
    if name in _NO_NAMES:
        return None
    if related["is"]:
        if related["is"] == "'s":  # "my brother's car …" is about the car
            return None
        rest = f"is {name} {rest}" if name else f"is {rest}"
        name = ""
    relation = canonical(related["relation"])
    about = about_relation(relation, name) if name else known.get(relation, relation)
    told = about.partition(":")[2].title() if not name and ":" in about else name
    said = f"{relation.capitalize()} {told}" if told else relation.capitalize()
    return Stated(about=about, said=said, rest=rest, name=name)


def _named(text: str, known: Mapping[str, str]) -> Stated | None:
    named = _NAMED_PERSON.match(text)
    if named is None or named["name"].split()[0] in _NO_NAMES or named["is"]:
        return None
    whose = known.get(named["name"].casefold())
    if whose is None:
        return None
    said = named["name"]
    if ":" in whose:
        said = f"{whose.partition(':')[0].capitalize()} {said}"
    return Stated(about=whose, said=said, rest=named["rest"], name=named["name"])


def canonical(relation: str) -> str:
    """Return the one word for a relation: `mother` for mum, mom and mommy."""
    plain = relation.casefold()
    return _CANONICAL.get(plain, plain)


def about_relation(relation: str, name: str) -> str:
    """Return whom a relation with a name is: a person has one wife and may have many brothers."""
    return relation if relation in _SINGLE else f"{relation}:{plain_value(name)}"
