"""Standing instructions: how somebody wants to be answered from now on. Pure."""

import re

from apps.memory.contracts import MemoryKind
from apps.memory.domain.clauses import Clause
from apps.memory.domain.predicates import Said
from apps.memory.domain.slots import plain_value

_VERB = (
    r"(?:answer|reply|respond|write|speak|talk|use|give|keep|start|begin|end|add|include|explain|show"
    r"|format|call|address|ask|tell|be|make|put|cite|mention|translate|convert|assume|remember|check"
    r"|suggest|recommend|list|quote|say|send|round|avoid|skip|stick|provide|sign|wrap|sort|prefer)"
)
_ALWAYS = re.compile(
    rf"^(?:please\s+)?(?P<how>always|never)\s+(?P<do>{_VERB}\b.+)$"
    rf"|^(?:please\s+)?(?:from\s+now\s+on|from\s+here\s+on|in\s+(?:the\s+)?future|going\s+forward"
    rf"|henceforth|in\s+all\s+your\s+answers|every\s+time)\s*,?\s*(?:please\s+)?"
    rf"(?P<soon>(?:always\s+|never\s+|only\s+|do\s+not\s+)*{_VERB}\b.+)$"
    rf"|^(?:please\s+)?(?P<then>(?:only\s+|do\s+not\s+)*{_VERB}\b.+?)\s+(?:from\s+now\s+on|in\s+(?:the\s+)?future"
    r"|going\s+forward|every\s+time)$"
    rf"|^(?:please\s+)?(?P<dont>do\s+not\s+ever\s+{_VERB}\b.+)$"
    r"|^i\s+(?:want|would\s+like|need|prefer)\s+you\s+to\s+always\s+(?P<wish>.+)$",
    re.IGNORECASE,
)
_WHENEVER = re.compile(
    r"^(?:please\s+)?(?P<when>(?:when|whenever|if|each\s+time|every\s+time)\s+i\s+(?:ask|say|write|send|type"
    r"|give|mention|paste|want|talk)\b[^,]*),\s*(?:then\s+)?(?:please\s+)?(?P<do>.+)$",
    re.IGNORECASE,
)
_LANGUAGES = (
    r"english|german|french|spanish|italian|portuguese|dutch|polish|russian|turkish|arabic|chinese"
    r"|japanese|korean|hindi|swedish|danish|norwegian|finnish|czech|greek|hungarian|romanian|ukrainian"
)
_TOPICS = (
    ("language", re.compile(rf"\bin\s+(?:{_LANGUAGES})\b", re.IGNORECASE)),
    ("length", re.compile(
        r"\b(?:short|brief|briefly|concise|concisely|long|longer|detailed|in\s+detail|one\s+sentence"
        r"|bullet\s+points?|thorough|verbose)\b", re.IGNORECASE)),
    ("units", re.compile(
        r"\b(?:metric|imperial|celsius|fahrenheit|kilomet(?:re|er)s|miles|kilograms?"
        r"|pounds|24[- ]hour|12[- ]hour)\b", re.IGNORECASE)),
    ("tone", re.compile(
        r"\b(?:formal|formally|informal|casual|friendly|polite|humorous|funny|sarcas)\w*",
        re.IGNORECASE)),
    ("emoji", re.compile(r"\bemojis?\b", re.IGNORECASE)),
    ("address", re.compile(r"\b(?:call|address)\s+me\b", re.IGNORECASE)),
)  # fmt: skip
_VAGUE = re.compile(
    r"^(?:please\s+)?(?:always|never|from\s+now\s+on,?|in\s+(?:the\s+)?future,?)\s+(?:give|keep|be|make|put"
    r"|remember|start|end|stick|say|tell|assume|check|stop|avoid|ask|show|talk|speak|send|prefer|begin)\b",
    re.IGNORECASE,
)
_ANSWERS = re.compile(
    rf"\b(?:me|my|you|your|answers?|repl(?:y|ies)|responses?|sources?|examples?|code|units?|emojis?"
    rf"|sentences?|greeting|summary|summaries|{_LANGUAGES})\b",
    re.IGNORECASE,
)
# As instructions are kept: without "from now on", and with "they" for the person.
_KEPT = re.compile(
    rf"^(?:please\s+)?(?:(?:always|never|only|do\s+not|don't|ever)\s+)*{_VERB}\b"
    r"|^(?:when|whenever|if|each\s+time|every\s+time)\s+(?:i|they)\s[^,]*,\s*\S",
    re.IGNORECASE,
)
# As models that read write them down: a wish, or a rule with any verb, about answers.
_WISHED = re.compile(
    r"^(?:always|never|wants|prefers|likes|expects|asks|would\s+like)\b", re.IGNORECASE
)
_LENGTH_MAX = 300
_CALL_ME = re.compile(r"(?:[Pp]lease\s+)?[Cc]all\s+me\s+[A-Z]")  # says a name


def standing_in(clause: Clause) -> Said | None:
    """Return the standing instruction that a sentence gives, if it gives one."""
    sentence = clause.sentence.strip(" .!")
    if len(sentence) > _LENGTH_MAX or sentence.endswith("?") or _CALL_ME.match(sentence):
        return None
    whenever = _WHENEVER.match(sentence)
    if whenever is not None:
        when = whenever["when"].replace(" i ", " they ").replace(" I ", " they ")
        return _instruction(f"{when}, {whenever['do']}", topic=plain_value(whenever["when"])[:60])
    always = _ALWAYS.match(sentence)
    if always is None:
        return None
    if _VAGUE.match(sentence) and not _ANSWERS.search(sentence):
        return None
    told = always["soon"] or always["then"] or always["dont"]
    if always["wish"]:
        told = f"always {always['wish']}"
    elif always["how"]:
        told = f"{always['how'].lower()} {always['do']}"
    return _instruction(told, topic="")


def is_standing(text: str) -> bool:
    """Say whether a memory, as it is kept, tells how answers are to be.

    Whatever such a memory says is followed; anything else that is remembered is only known.
    """
    plain = text.strip()
    if len(plain) > _LENGTH_MAX:
        return False
    wished = _WISHED.match(plain) is not None and _ANSWERS.search(plain) is not None
    return wished or _KEPT.match(plain) is not None


def _instruction(told: str, *, topic: str) -> Said:
    found = topic or next((name for name, pattern in _TOPICS if pattern.search(told)), "")
    return Said(
        attribute=f"instruction:{found}" if found else "",
        value=plain_value(told),
        phrase=told.strip(),
        kind=MemoryKind.PROCEDURAL,
        shown=told,
        weight="instruction",
    )
