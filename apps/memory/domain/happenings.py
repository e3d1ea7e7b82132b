"""What somebody plans, what was decided, what happened. Pure.

A plan's slot is its topic: `plan:travel paris`, so another date takes the old one's place, and
`replaces` says that the newest plan of the family gives way ("to Rome instead").
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from apps.memory.contracts import MemoryKind
from apps.memory.domain.predicates import Heard, Said, value_of
from apps.memory.domain.slots import Holds, plain_value

_PLANS = re.compile(
    r"^(?:(?:(?:am|is|are)\s+)?(?:going|planning|hoping|intending|about|set|scheduled|supposed|due|looking)\s+"
    r"(?:to|on)(?!\s+(?:(?:the|a|an|my|our)\b|(?-i:[A-Z])))|plan\s+(?:to|on)|plans\s+(?:to|on)|intend\s+to|intends\s+to|will)\s+(?P<act>.+)$"
    r"|^(?:have\s+|has\s+)?decided\s+(?:to|on)\s+(?P<decided>.+)$"
    r"|^(?:have\s+|has\s+)?(?:agreed|promised|committed|resolved)\s+to\s+(?P<agreed>.+)$",
    re.IGNORECASE,
)
_DECIDED_NOT = re.compile(
    r"^(?:have\s+|has\s+)?decided\s+(?:not\s+to|against)\s+(?P<act>.+)$"
    r"|^(?:have\s+|has\s+)?(?:cancelled|canceled|called\s+off|scrapped|dropped)\s+(?:the|my|our|that)\s+"
    r"(?:plan\s+to\s+|plans\s+to\s+)?(?P<thing>.+)$",
    re.IGNORECASE,
)
_COMING = re.compile(
    r"^(?:am|is|are)\s+(?P<act>(?:going|flying|travelling|traveling|driving|heading|moving|visiting"
    r"|meeting|starting|getting|having|taking|running|leaving|hosting|attending|celebrating|seeing"
    r"|giving|launching|presenting|returning)\b.*)$",
    re.IGNORECASE,
)
_TRAVEL = re.compile(
    r"^(?:(?:take|taking|go\s+on|going\s+on|make|making)\s+a\s+(?:trip|holiday|vacation|cruise)|go|going|fly|flying|travel|travelling|traveling|drive|driving|head|heading|trip|holiday"
    r"|vacation|visit|visiting|return|returning|cruise|spend\s+(?:the\s+|my\s+|our\s+)?\w+)\b"
    r"(?:\s+(?:back|on\s+(?:a\s+)?(?:holiday|vacation|trip)|over|out|away))*\s*(?:to|in|around|through)?\s+"
    r"(?:the\s+)?(?P<place>[A-Z].*)$"
)
_MOVE = re.compile(
    r"^(?:move|moving|relocate|relocating)\s+(?:back\s+|over\s+|out\s+)?to\s+(?P<place>[A-Z].*)$"
)
_SMALL = frozenset(
    "a an the my our your his her their some to for of in on at with and up out more new".split()  # noqa: SIM905  # a list of twenty strings reads worse
)
_EVENTS = (
    r"wedding|meeting|appointment|interview|exam|party|flight|trip|concert|surgery|operation|conference"
    r"|presentation|release|launch|holiday|vacation|due\s+date|graduation|birthday\s+party|move|demo"
    r"|dinner|lunch|anniversary|check-?up|thesis|reunion|race|marathon|course|class|training|deadline"
    r"|review|game|match|move-?in\s+date|start\s+date|baby"
)
_EVENT = re.compile(
    rf"^(?:the|my|our)\s+(?P<what>(?:[\w'-]+\s+){{0,2}}(?:{_EVENTS}))"
    r"(?:\s+(?:with|at|in|to|for)\s+(?P<whom>[\w' -]+?))?"
    r"\s+(?P<verb>is|will\s+be|takes\s+place|starts|begins|leaves|got|has\s+been|was|has|have\s+been)\s+"
    r"(?:now\s+)?(?P<moved>moved|postponed|rescheduled|pushed(?:\s+back)?|brought\s+forward|shifted"
    r"|changed|delayed|cancelled|canceled|called\s+off)?\s*(?:to|until|on|in|at|for)?\s*(?P<v>.*)$",
    re.IGNORECASE,
)
_PAST_VERBS = (
    r"went|visited|attended|bought|finished|completed|started|won|graduated|adopted|broke|lost|passed"
    r"|ran|climbed|painted|signed|met|celebrated|received|sold|got|had|took|made|built|wrote|published"
    r"|hiked|flew|travelled|traveled|drove|saw|watched|read|baked|cooked|joined|hosted|organi[sz]ed"
    r"|volunteered|applied|submitted|launched|ordered|booked|learned|learnt|performed|played|moved"
    r"|tried|found|gave|spent|participated|became|proposed|retired|interviewed|donated|planted|began"
    r"|registered|enrolled|competed|recorded|released|opened|closed|quit|injured|sprained|fell|swam"
    r"|returned|came|discovered|created|designed|presented|helped|renovated|repaired|crashed"
)
_HAPPENED = re.compile(rf"^(?:have\s+|has\s+)?(?P<act>(?:{_PAST_VERBS})\b\s+.+)$", re.IGNORECASE)
# What is worth keeping without a date.
_MILESTONE = re.compile(
    r"^(?:have\s+|has\s+)?(?:got\s+(?:married|engaged|divorced|promoted|my\s+(?:degree|licen[cs]e|phd))"
    r"|graduated|adopted|gave\s+birth|had\s+(?:a\s+baby|surgery)|broke\s+(?:my|his|her)\s+\w+"
    r"|bought\s+(?:a|an|my|our)\s+(?:\w+\s+)?(?:house|flat|apartment|car|bike|boat|dog|cat|laptop|phone"
    r"|guitar|piano|camera)|sold\s+(?:my|our)|won\s+(?:a|the|my)|ran\s+(?:a|my|the)\s+(?:\w+\s+)?marathon"
    r"|passed\s+(?:my|the)|published\s+(?:a|my)|finished\s+(?:my|the)\s+(?:\w+\s+)?(?:degree|thesis|book"
    r"|phd|studies|training|novel)|proposed|retired|launched\s+(?:my|our|a)|opened\s+(?:my|our|a))\b",
    re.IGNORECASE,
)
_PRAISE = re.compile(
    r"^(?:have\s+|has\s+)?had\s+(?:an?|such\s+an?|some|the)\s+(?:\w+\s+){0,2}"
    r"(?:time|day|experience|weekend|evening|night|blast|week)\s*\x00?\s*$",
    re.IGNORECASE,
)
_NOTHING = re.compile(
    r"\b(?:it|that|this|them|these|those|you|your|something|nothing|anything)\b", re.IGNORECASE
)
_INSTEAD_OF = re.compile(
    r"\s*,?\s*(?:instead\s+of|rather\s+than)\s+(?P<old>(?:(?!\s(?:in|on|at|this|next)\s*\x00)[^,.;\x00])+)",
    re.IGNORECASE,
)
_INSTEAD = re.compile(
    r"\binstead\b|change\s+of\s+plan|chang(?:ed?|ing)\s+(?:my|our)\s+(?:mind|plan)s?|plans?\s+(?:have\s+)?changed"
    r"|new\s+plan|rather\s+than",
    re.IGNORECASE,
)
# Plans of which nothing follows: "I'm going to keep going and make it".
_VAGUE = frozenset(
    """
    be need have see know think ask use try keep stay give let continue look wait do forget love
    miss enjoy say tell get feel make check ask go come put help
    """.split()  # noqa: SIM905  # a list of thirty strings reads worse
)
_WORDS_MAX = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """A plan, a decision or an event as it was read.

    Attributes:
        said: What was said; the act in `said.shown`.
        replaces: The beginning of the slots of which the newest gives way; empty for none.
        dated: The date is a part of the value.
    """

    said: Said
    replaces: str = ""
    dated: bool = False


def changes_plans(sentence: str) -> bool:
    """Say whether a sentence takes something back for what it says."""
    return _INSTEAD.search(sentence) is not None


def happenings_in(
    heard: Heard, sentence: str, *, has_time: bool, ahead: bool, known: bool
) -> Iterator[Happening]:
    """Yield plans, decisions and events among the words behind a subject.

    Args:
        heard: The words.
        sentence: What they stand in.
        has_time: A time expression stands in the clause.
        ahead: It means days to come.
        known: The words told a fact already, which no event has to repeat.
    """
    off = _DECIDED_NOT.match(heard.words)
    if off is not None:
        yield from _called_off(off["act"] or off["thing"], heard, thing=bool(off["thing"]))
        return
    words, replaced = _INSTEAD_OF.sub(" ", heard.words), changes_plans(sentence)
    plan = _PLANS.match(words)
    if plan is None and not heard.denied and (ahead or heard.holds is Holds.ENDED or replaced):
        plan = _COMING.match(words)
    if plan is None and heard.holds is Holds.NOW and not heard.denied:
        plan = re.match(
            r"^am\s+(?P<act>(?:going|flying|travelling|traveling)\s+to\s+[A-Z].*)$", words
        )
    if plan is not None:
        yield from _planned(plan, heard, replaced=replaced, has_time=has_time)
        return
    if known or heard.holds is not Holds.NOW or heard.denied:
        return
    if (has_time and not ahead) or _MILESTONE.match(words):
        happened = _HAPPENED.match(words)
        if happened is not None:
            yield from _event(happened["act"])


def appointments_in(clause: str) -> Iterator[Happening]:
    """Yield "my interview is on Friday", "the wedding was moved to 12 June"."""
    found = _EVENT.match(clause)
    if found is None:
        return
    what = " ".join(found["what"].casefold().split())
    whom = plain_value(found["whom"] or "")
    topic = f"event:{what}" + (f" {whom}" if whom else "")
    moved = (found["moved"] or "").casefold()
    shown = f"their {what}" + (f" with {found['whom']}" if found["whom"] else "")
    if moved.startswith(("cancel", "called")):
        yield Happening(said=_episode(topic, "", f"no longer has {shown}", Holds.ENDED, what))
        return
    if found["verb"].casefold() in {"was", "got", "has", "has been", "have been"} and not moved:
        return
    value = value_of(found["v"].replace("\x00", ""))
    place = value if value[:1].isupper() else ""
    if "\x00" not in found["v"] and not place:
        return
    phrase = f"has {shown} in {place}" if place else f"has {shown}"
    yield Happening(
        said=_episode(topic, plain_value(place), phrase, Holds.NOW, what),
        dated=True,
    )


def topic_of_act(act: str) -> str:
    """Return what an act is about: `travel paris` for flying to Paris, else its telling words."""
    plain = act.replace("\x00", " ").strip()
    for pattern, family in ((_MOVE, "move"), (_TRAVEL, "travel")):
        found = pattern.match(plain)
        if found is not None:
            place = value_of(found["place"])
            if place:
                return f"{family} {plain_value(place)}"
    words = [word for word in plain_value(plain).split() if word not in _SMALL]
    if words and words[0].endswith("ing") and len(words[0]) > 5:
        words[0] = words[0][:-3]
    return " ".join(words[:4])


def _planned(
    plan: re.Match[str], heard: Heard, *, replaced: bool, has_time: bool
) -> Iterator[Happening]:
    groups = plan.groupdict()
    decided = bool(groups.get("decided") or groups.get("agreed"))
    act = _act(groups.get("decided") or groups.get("agreed") or groups.get("act") or "")
    will = plan[0].casefold().startswith("will ")
    if not act or (will and not has_time):
        return
    topic = topic_of_act(act)
    family = topic.split()[0] if topic.split() else ""
    if not topic or _NOTHING.search(act) or (family in _VAGUE and not has_time):
        return
    if heard.holds is Holds.ENDED or heard.denied:
        said = _episode(
            f"plan:{topic}", "", f"no longer plans {_infinitive(act)}", Holds.ENDED, act
        )
        yield Happening(said=said)
        return
    if heard.holds is Holds.PAST:
        return
    phrase = f"decided {_infinitive(act)}" if decided else f"plans {_infinitive(act)}"
    yield Happening(
        said=_episode(f"plan:{topic}", topic, phrase, Holds.NOW, act),
        replaces=f"plan:{family} " if replaced else "",
        dated=True,
    )


def _called_off(words: str, heard: Heard, *, thing: bool) -> Iterator[Happening]:
    act = _act(words) or words.strip()
    if act and len(act.split()) <= _WORDS_MAX and heard.holds is Holds.NOW and not heard.denied:
        topic = topic_of_act(act)
        phrase = f"decided not to {act}" if not thing else f"called off the {act}"
        said = _episode(f"plan:{topic}", "", phrase, Holds.ENDED, act)
        yield Happening(said=said)


def _event(words: str) -> Iterator[Happening]:
    act = _act(words)
    content = [word for word in plain_value(act).split() if word not in _SMALL]
    if not act or len(content) < 2 or _NOTHING.search(act) or _PRAISE.match(act):
        return
    yield Happening(said=_episode("", plain_value(act), act, Holds.NOW, act))


def _act(words: str) -> str:
    """Return what is done, up to where the sentence goes on; empty where it is too vague."""
    cut = re.split(
        r"[,;:(…!?]|\s[-–—]\s|\.(?:\s|$)|\s+(?:because|since|so|but|which|where|while|when|if|instead"
        r"|though|although|as\s+well|and\s+(?:it|that|he|she|they|we|i|the)|after\s+all)\b",
        words,
        maxsplit=1,
        flags=re.IGNORECASE,
    )[0].strip(" .")
    if not cut or len(cut.split()) > _WORDS_MAX or len(cut.replace("\x00", "").split()) < 2:
        return ""
    return cut


def _infinitive(act: str) -> str:
    first = act.split(maxsplit=1)[0]
    return act if first.casefold().endswith("ing") else f"to {act}"


def _episode(attribute: str, value: str, phrase: str, holds: Holds, shown: str) -> Said:
    return Said(
        attribute=attribute,
        value=value,
        phrase=phrase,
        holds=holds,
        kind=MemoryKind.EPISODIC,
        shown=shown,
        weight="plan" if attribute.startswith("plan") else "event",
    )
