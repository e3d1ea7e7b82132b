"""What is said of somebody: "live in Rome", "used to work at Acme", "no longer like tea". Pure.

Each `Rule` is one thing that can be said: how it sounds, which attribute it fills, how it is kept
in the third person. A rule reads the words behind the subject, contractions written out.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from apps.memory.contracts import MemoryKind
from apps.memory.domain.slots import Holds, plain_value

_ADVERB = re.compile(
    r"^(?:(?:just|now|currently|recently|finally|actually|still|really|also|already|definitely"
    r"|absolutely|totally|truly|mostly|mainly|usually|generally|honestly|officially|simply|both"
    r"|kinda|kind of|sort of|very much|temporarily|happily|proudly|basically|all|even|personally)"
    r"\s+|(?:do|does)\s+(?!not\b))+",
    re.IGNORECASE,
)
_USED_TO = re.compile(r"^(?:used\s+to|once)\s+(?P<rest>.+)$", re.IGNORECASE)
_NO_LONGER = re.compile(
    r"^(?:(?:am|is|are|have|has)\s+)?no\s+longer\s+(?P<rest>.+)$"
    r"|^(?:(?:do|does|am|is|are|cannot|can|will|have|has)\s+)?(?:not|cannot)\s+(?:really\s+)?"
    r"(?P<more>.+?)\s+(?:any\s*more|any\s+longer)\b(?P<tail>.*)$"
    r"|^(?:have\s+|has\s+)?(?:stopped|quit|gave\s+up|given\s+up|am\s+done)\s+(?P<gerund>\w+ing\b.*)$",
    re.IGNORECASE,
)
_NOT = re.compile(r"^(?:do|does|am|is|are|have|has|did)\s+not\s+(?P<rest>.+)$", re.IGNORECASE)
_STOP = re.compile(
    r"\s*(?:[,;:(){}\[\]…\x00]|\s[-–—]\s|[.!](?:\s|$)|\b(?:and|but|because|since|so|which|who|where"
    r"|when|while|although|though|as\s+well|with\s+(?:my|our)|until|till|instead|rather|if|thanks"
    r"|for\s+(?:a|an|the\s+past|about|over|almost|nearly|\d+|two|three|four|five|six|seven|eight"
    r"|ten|many|several|years|months|weeks|now|good|work)|these\s+days|right\s+now|at\s+the\s+moment"
    r"|now|nowadays|any\s*more|any\s+longer|lately|recently|currently|again|too|already|by\s+the\s+way"
    r"|btw|actually|lol|haha|please|full[- ]time|part[- ]time|more\s+than|a\s+lot|so\s+much|very"
    r"|much|once|every|by\s+now|after|before|from\s+now|soon)\b).*$",
    re.IGNORECASE | re.DOTALL,
)
_TRAILING = re.compile(
    r"(?:\s+|^)(?:on|in|at|since|from|by|the|this|a|an|of|to|for|with|as|my|our|early|late|is|was"
    r"|back|around|about|just|really)$",
    re.IGNORECASE,
)
_EMPTY = re.compile(
    r"^(?:an?\s+(?:ton|tons|lot|lots|bunch|bit|few|couple|little)|it|that|this|them|these|those|you|your|yours|he|she|him|her|they|me|us|both|all|one|some"
    r"|something|anything|nothing|everything|everyone|someone|people|things?|stuff|here|there"
    r"|how|what|when|where|why|who|whom|whether|if|know|to know|way|idea|fact|look|sound|same"
    r"|other|another|more|most|much|lot|bit|so|too|not|no|yes|do|does|did|be|being|is|was|with|for"
    r"|from|about|by|into|as|than|like|on|at|in|of|up|out|off|over)\b",
    re.IGNORECASE,
)
_WORDS_MAX = 8
_AS = re.compile(r"\s+(?:as|in\s+the|in\s+their)\s+", re.IGNORECASE)
_AT = re.compile(
    r"\s+(?:at|for|with)\s+(?:(?:the|a|an)\s+)?(?=(?-i:[A-Z])|my\b|our\b)", re.IGNORECASE
)
_OCCUPATION = re.compile(
    r"(?:\w{2,}(?:[^e]er|eer|or|ist|ian|iatrist|ician|smith|wright|man|woman|person|ant|ive)"
    r"|nurse|chef|cook|coach|pilot|clerk|judge|nanny|architect|intern|apprentice|therapist|midwife"
    r"|freelance|student|surgeon|vet|scientist|guide|host|hostess|barista|paramedic|researcher"
    r"|academic|analyst|manager|lead|head|director|ceo|cto|cfo|vp|secretary|detective|dev|devops"
    r"|sysadmin|admin|undergraduate|postdoc|phd|priest|monk|soldier|sailor|trainee|diplomat|dj"
    r"|model|poet|critic|mechanic|physicist|chemist|beekeeper|representative|officer|aide|tutor)",
    re.IGNORECASE,
)
_NO_OCCUPATION = frozenset(
    """
    father mother brother sister daughter stepfather stepmother grandfather grandmother lover
    beginner newcomer owner believer member supporter sucker foreigner number winner loser
    survivor person man woman sufferer morning-person outsider smoker drinker eater fighter user
    dreamer listener introvert christian vegetarian human follower stranger customer adult better
    older younger former computer after other power minor major doctor's bigger super never ever
    over under either neither later sober eager bitter clever together easier harder positive
    error mirror door floor colour color flavour flavor motor factor sensor server router number
    browser folder parameter letter paper water winter summer dinner weather matter corner
    active native naive creative sensitive alive german russian italian american australian
    canadian indian norwegian brazilian hungarian romanian ukrainian egyptian persian asian
    """.split()  # noqa: SIM905  # a list of seventy strings reads worse
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one rule read.

    Attributes:
        attribute: Of the slot; empty for what may stand beside others.
        value: What fills the slot, plain; of an end, what has ended; empty for whatever it was.
        phrase: In the third person, without the subject and the full stop: `lives in Rome`.
        shown: The value as it was written.
        weight: See `weighing`.
    """

    attribute: str
    value: str
    phrase: str
    holds: Holds = Holds.NOW
    kind: MemoryKind = MemoryKind.SEMANTIC
    shown: str = ""
    weight: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The words behind a subject, with what was said about when they hold.

    Attributes:
        words: Time expressions replaced by NUL, so that a value ends there.
        denied: "I do not …".
    """

    words: str
    holds: Holds = Holds.NOW
    denied: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that can be said of somebody.

    Attributes:
        attribute: The slot's; `{}` stands for the value.
        now: How it sounds when it holds; the group `v` is the value.
        phrases: How it is kept: when it holds, has ended, was.
        was: How it sounds in the past tense.
        accepts: Says whether the words are a value at all.
    """

    attribute: str
    now: re.Pattern[str]
    phrases: tuple[str, str, str]
    was: re.Pattern[str] | None = None
    accepts: Callable[[str], bool] = field(default=lambda _value: True)
    several: bool = False
    keyed: Callable[[str], str] = field(default=lambda value: value)
    weight: str = ""


def heard_of(rest: str) -> Heard:
    """Return the words behind a subject without adverbs, and when they hold."""
    words = _ADVERB.sub("", rest)
    used = _USED_TO.match(words)
    if used is not None:
        return Heard(words=used["rest"], holds=Holds.PAST)
    longer = _NO_LONGER.match(words)
    if longer is not None:
        said = longer["rest"] or longer["more"] or longer["gerund"]
        return Heard(words=_ADVERB.sub("", said), holds=Holds.ENDED)
    denied = _NOT.match(words)
    if denied is not None:
        return Heard(words=_ADVERB.sub("", denied["rest"]), denied=True)
    perfect = re.match(
        r"^(?:have|has)\s+(?:just|recently|finally|now|already|always)\s+", words, re.I
    )
    if perfect is not None:
        words = f"have {words[perfect.end() :]}"
    between = re.match(r"^(am|is|are)\s+", words)
    if between is not None:
        words = between[0] + _ADVERB.sub("", words[between.end() :])
    return Heard(words=words)


def value_of(text: str) -> str:
    """Return the noun phrase at the beginning of a text; empty where there is none."""
    value = _STOP.sub("", f"{text} ", count=1).strip(" .!?'\"")
    before = ""
    while before != value:
        before, value = value, _TRAILING.sub("", value).strip(" .!?'\"")
    if not value or _EMPTY.match(value) or len(value.split()) > _WORDS_MAX or "…" in value:
        return ""
    return value if any(character.isalnum() for character in value) else ""


def values_of(text: str) -> list[str]:
    """Return the noun phrases of an enumeration: "hiking, tea and jazz"."""
    pieces = re.split(r"\s*,\s*(?:and\s+)?|\s+and\s+|\s+or\s+|\s+nor\s+|\s*&\s*", text)
    found: list[str] = []
    for piece in pieces:
        value = value_of(piece)
        if not value or (found and len(value.split()) > 3):
            break
        found.append(value)
        if value != piece.strip(" .!"):
            break
    return found


def capital(value: str) -> bool:
    """Say whether it is written as a name is."""
    return (value[:1].isupper() and not value.isupper()) or (value.isupper() and len(value) > 1)


def occupation(value: str) -> bool:
    """Say whether it ends in what people do for a living."""
    head = re.split(r"\s+(?:at|for|in|with|of|by)\s+", value)[0].split()
    if not head:
        return False
    last = head[-1].casefold()
    if head[0].casefold().endswith("ing") or any(character.isdigit() for character in value):
        return False
    return bool(_OCCUPATION.fullmatch(last)) and last not in _NO_OCCUPATION and len(head) <= 5


def _cut(attribute: str, value: str) -> str:
    """Return the employer of "Acme as a nurse", the job of "a nurse at Acme"."""
    if attribute == "employer":
        return _AS.split(value)[0]
    return _AT.split(value)[0] if attribute == "job" else value


def read_rule(rule: Rule, heard: Heard) -> Iterator[Said]:
    """Yield what a rule reads in the words behind a subject."""
    holds = heard.holds
    match = rule.now.match(heard.words)
    if match is None and rule.was is not None and holds is Holds.NOW and not heard.denied:
        match, holds = rule.was.match(heard.words), Holds.PAST
    if match is None:
        return
    values = values_of(match["v"]) if rule.several else [value_of(match["v"])]
    for found in values:
        value = _cut(rule.attribute, found)
        if not value or not rule.accepts(value):
            continue
        if heard.denied:
            holds = Holds.ENDED
        now, no_longer, was = rule.phrases
        phrase = {Holds.NOW: now, Holds.ENDED: no_longer, Holds.PAST: was}[holds]
        plain = plain_value(value)
        if not plain:
            continue
        yield Said(
            attribute=rule.attribute.format(rule.keyed(plain)),
            value=plain,
            phrase=phrase.format(value),
            holds=holds,
            shown=value,
            weight=rule.weight or rule.attribute.partition(":")[0],
        )
