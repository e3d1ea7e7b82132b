"""What can be learnt from what a person wrote: facts, tastes, plans, events, instructions. Pure.

Rules read clause by clause, and only what somebody states themselves: a question, a request, a
quotation, code or a supposition teaches nothing. What no rule knows is left alone; an empty memory
is an annoyance, a wrong one is a lie.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from apps.memory.contracts import EntityKind, MemoryKind, Namespace
from apps.memory.domain import weighing
from apps.memory.domain.clauses import Clause, clauses_in
from apps.memory.domain.dates import TimeSpan, looking_ahead, time_spans, worded
from apps.memory.domain.facts import facts_in, possessions_in, relatives_in
from apps.memory.domain.happenings import Happening, appointments_in, happenings_in
from apps.memory.domain.predicates import Said, heard_of
from apps.memory.domain.slots import SELF, VALUE_MAX, Holds, plain_value, slot_of
from apps.memory.domain.standing import standing_in
from apps.memory.domain.subjects import Stated, stated_of
from apps.memory.domain.tastes import tastes_in

_TEXT_MAX = 240  # characters of a learnt memory; what is longer was not understood
_PER_MESSAGE = 12
_MARK = "\x00"
_BEFORE_TIME = re.compile(
    r"(?:\b(?:on|in|at|by|since|from|until|till|for|about|around)\s+)?(?:the\s+)?\x00"
)
_LEADING = re.compile(
    r"^(?:(?:on|in|at|by|since|from|until|as\s+of|starting|already)\s+)?\x00\s*,?\s*", re.IGNORECASE
)
_UNTIL = re.compile(r"\b(?:until|till|up\s+to)\s+[\w\s,]{3,30}$|\bfrom\b.+\bto\b", re.IGNORECASE)
_AHEAD = re.compile(
    r"\b(?:going\s+to|will|plan(?:s|ning)?\s+(?:to|on)|intend|about\s+to|hoping\s+to|decided\s+to)\b"
    r"|^(?:I|[Ww]e)\s+(?:am|are)\s+\w+ing\b"
    r"|^(?:the|my|our)\s+.+\b(?:is|will\s+be|takes\s+place|starts|begins|leaves|moved|postponed"
    r"|rescheduled|pushed|shifted|changed|delayed|brought\s+forward)\b",
    re.IGNORECASE,
)
_MONTH = re.compile(
    r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b|\d{4}", re.IGNORECASE
)
_DATED = frozenset({"home", "employer", "job", "status", "diet", "drives", "studies", "learning"})
_NEUTRAL = tuple(
    (re.compile(pattern), plain)
    for pattern, plain in (
        (r"\b(?:I|i) am\b", "they are"), (r"\b(?:I|i) was\b", "they were"), (r"\bI\b", "they"),
        (r"\b[Mm]y\b", "their"), (r"\bme\b", "them"), (r"\bmyself\b", "themselves"),
        (r"\b[Oo]ur\b", "their"), (r"\bus\b", "them"), (r"\b[Ww]e\b", "they"),
        (r"\bmine\b", "theirs"), (r"\bourselves\b", "themselves"),
    )
)  # fmt: skip
_PERSON = Stated(about=SELF, said="", rest="")
_KINDS = {"home": EntityKind.PLACE, "birthplace": EntityKind.PLACE, "origin": EntityKind.PLACE,
          "employer": EntityKind.ORGANISATION, "name": EntityKind.PERSON}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Something that may be remembered.

    Attributes:
        text: In the third person: `Lives in Rome.`
        slot: What it is about, see `slots`; empty for what stands beside others.
        value: What it says of the slot.
        holds: When it is true.
        quote: The sentence it was read in, letter by letter.
        since: The first day on which it is true, where somebody said so.
        until: The last such day.
        replaces: The beginning of the slots of which the newest gives way; empty for none.
        names: The names it mentions, by kind.
    """

    text: str
    kind: MemoryKind
    quote: str
    slot: str = ""
    value: str = ""
    holds: Holds = Holds.NOW
    importance: int = 5
    confidence: float = 0.8
    namespace: Namespace = Namespace.LONG_TERM
    since: date | None = None
    until: date | None = None
    replaces: str = ""
    names: tuple[tuple[str, EntityKind], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is known besides the words.

    Attributes:
        said_on: The day from which "yesterday" counts.
        speaker: Who speaks, by name; empty for the subject of the memory.
        known: Who is known by which name: `{"tom": "brother:tom"}`.
        names: The names in the text, by kind, as a recogniser reads them.
    """

    said_on: date
    speaker: str = ""
    known: Mapping[str, str]
    names: Mapping[str, EntityKind]


def candidates_in(text: str, setting: Setting) -> list[Candidate]:
    """Return what can be learnt from a message, in its order, each once."""
    found: dict[tuple[str, str], Candidate] = {}
    instructed: set[str] = set()
    for found_clause in clauses_in(text):
        clause = replace(found_clause, text=with_weekdays(found_clause.text))
        for each in _of_clause(clause, setting, instructed):
            if len(each.text) <= _TEXT_MAX and "left out]" not in each.text:
                found.setdefault((each.slot, each.value or each.text), each)
    return list(found.values())[:_PER_MESSAGE]


def _of_clause(clause: Clause, setting: Setting, instructed: set[str]) -> Iterator[Candidate]:
    if clause.quote in instructed:
        return
    standing = standing_in(clause)
    if standing is not None:
        instructed.add(clause.quote)
        yield _Making(clause, setting, ()).candidate(_PERSON, standing)
        return
    if clause.asks:
        return
    made = list(_Making(clause, setting, time_spans(clause.text, setting.said_on)).all())
    yield from made
    if not made and clause.told:
        plain = neutral(clause.text)
        said = Said(
            attribute="", value=plain_value(plain), phrase=plain, shown=plain, weight="told"
        )
        yield _Making(clause, setting, ()).candidate(_PERSON, said)


def neutral(text: str) -> str:
    """Return a text in the third person: "my sister" is "their sister"."""
    for pattern, plain in _NEUTRAL:
        text = pattern.sub(plain, text)
    return text


_WEEKDAY = re.compile(
    r"\b(?P<before>to|until|till|for|is)\s+(?P<day>(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day)\b"
)


def with_weekdays(text: str) -> str:
    """Return a text whose "to Sunday" and "is Friday" read as the days to come."""
    return _WEEKDAY.sub(
        lambda found: (
            f"{found['before']} {'on' if found['before'] == 'is' else 'next'} {found['day']}"
        ),
        text,
    )


class _Making:
    """Makes candidates of one clause."""

    def __init__(self, clause: Clause, setting: Setting, spans: Sequence[TimeSpan]) -> None:
        self._clause = clause
        self._setting = setting
        self._spans = list(spans)
        if _AHEAD.search(clause.text):
            self._spans = [looking_ahead(span, clause.text, setting.said_on) for span in spans]
        self._marked = _without(clause.text, self._spans, lambda _span: _MARK)
        self._plain = _LEADING.sub("", self._marked)

    def all(self) -> Iterator[Candidate]:
        """Yield what all rules read in the clause."""
        dated = _without(self._clause.text, self._spans, self._resolved)
        owned = list(possessions_in(dated))
        for about, said in owned:
            yield self.candidate(Stated(about=about or SELF, said="", rest=""), said)
        if owned:
            return
        for happening in appointments_in(self._plain):
            yield self._happening(_PERSON, happening)
        stated = stated_of(self._plain, self._setting.known)
        if stated is None:
            return
        heard = heard_of(stated.rest)
        if stated.name and self._setting.known.get(stated.name.casefold()) != stated.about:
            yield self._introduced(stated)
        facts = [
            (Stated(about=about, said="", rest=""), said) for about, said in relatives_in(heard)
        ]
        facts += [(stated, said) for said in (*facts_in(heard), *tastes_in(heard))]
        for whose, said in facts:
            yield self.candidate(whose, said)
        ahead = any(span.period.last > self._setting.said_on for span in self._spans)
        for happening in happenings_in(
            heard,
            self._clause.sentence,
            has_time=bool(self._spans),
            ahead=ahead,
            known=bool(facts),
        ):
            yield self._happening(stated, happening)

    def candidate(self, stated: Stated, said: Said) -> Candidate:
        """Return what is kept of what was said."""
        since, until = self._validity(said)
        speaker = self._setting.speaker
        about = stated.about if not speaker else f"{speaker.casefold()}/{stated.about}"
        if speaker and stated.about == SELF:
            about = speaker.casefold()
        names = self._names(said)
        weight = said.weight
        return Candidate(
            text=self._text(stated, said, since, until),
            kind=said.kind,
            quote=self._clause.quote,
            slot=slot_of(about, said.attribute),
            value=said.value[:VALUE_MAX],
            holds=said.holds,
            importance=weighing.importance_of(weight, holds=said.holds, told=self._clause.told),
            confidence=weighing.confidence_of(
                self._clause.sentence,
                confirmed=any(name in said.shown for name, _kind in names),
                about_self=stated.about == SELF,
                told=self._clause.told,
            ),
            namespace=Namespace.PERSISTENT if weight in weighing.LASTING else Namespace.LONG_TERM,
            since=since,
            until=until,
            names=names,
        )

    def _introduced(self, stated: Stated) -> Candidate:
        relation = stated.about.partition(":")[0]
        said = Said(
            attribute="name",
            value=plain_value(stated.name),
            phrase=f"has a {relation} called {stated.name}",
            shown=stated.name,
            weight="relation",
        )
        return self.candidate(Stated(about=stated.about, said="", rest=""), said)

    def _happening(self, stated: Stated, happening: Happening) -> Candidate:
        said = happening.said
        made = self.candidate(stated, said)
        prefix = made.slot.removesuffix(said.attribute)
        value = made.value
        if happening.dated and self._spans:
            value = f"{value} @{self._spans[0].period.first.isoformat()}".strip()
        replaces = f"{prefix}{happening.replaces}" if happening.replaces else ""
        return replace(made, value=value[:VALUE_MAX], replaces=replaces)

    def _text(self, stated: Stated, said: Said, since: date | None, until: date | None) -> str:
        phrase = neutral(self._timed(said.phrase))
        if self._spans:
            phrase += self._when(said, since, until)
        whom = stated.said
        if self._setting.speaker and said.weight != "instruction":
            owner = self._setting.speaker
            whom = f"{owner}'s {whom[:1].lower()}{whom[1:]}" if whom else owner
        text = f"{whom} {phrase}" if whom else phrase
        text = " ".join(text.split())
        return f"{text[:1].upper()}{text[1:]}".rstrip(" .") + "."

    def _when(self, said: Said, since: date | None, until: date | None) -> str:
        """Return when it is true, for what does not say it in its words."""
        worded_first = worded(self._spans[0].period)
        if said.kind is MemoryKind.EPISODIC and _MARK not in said.phrase:
            return f" {worded_first}"
        if said.weight not in _DATED:
            return ""
        if said.holds is Holds.NOW:
            return f" (since {self._bare()})" if since is not None else ""
        if until is None:
            return ""
        return f" (until {self._bare()})" if self._says_until() else f" ({worded_first})"

    def _timed(self, phrase: str) -> str:
        """Put the days back in where time expressions stood."""
        for span in self._spans:
            phrase = _BEFORE_TIME.sub(worded(span.period), phrase, count=1)
        return phrase.replace(_MARK, "")

    def _bare(self) -> str:
        return re.sub(r"^(?:on|in)\s+(?:the\s+)?", "", worded(self._spans[-1].period))

    def _says_until(self) -> bool:
        before = self._clause.text[: self._spans[-1].end]
        return _UNTIL.search(before) is not None

    def _resolved(self, span: TimeSpan) -> str:
        text = self._clause.text[span.start : span.end]
        return text if _MONTH.search(text) else worded(span.period)

    def _validity(self, said: Said) -> tuple[date | None, date | None]:
        if not self._spans:
            return None, None
        first, last = self._spans[0].period, self._spans[-1].period
        if said.holds is Holds.NOW:
            dated = said.kind is MemoryKind.EPISODIC or said.weight in _DATED
            return (first.first if dated else None), None
        if self._says_until():
            return (first.first if len(self._spans) > 1 else None), last.last
        if said.holds is Holds.PAST:
            return first.first, first.last
        return None, first.first

    def _names(self, said: Said) -> tuple[tuple[str, EntityKind], ...]:
        found = {name: kind for name, kind in self._setting.names.items() if name in said.phrase}
        kind = _KINDS.get(said.weight) or (EntityKind.PERSON if said.weight == "relation" else None)
        if kind is not None and said.shown[:1].isupper() and len(said.shown) <= 120:
            found.setdefault(said.shown, kind)
        return tuple(found.items())


def _without(text: str, spans: Iterable[TimeSpan], put: Callable[[TimeSpan], str]) -> str:
    pieces, at = [], 0
    for span in spans:
        pieces += [text[at : span.start], put(span)]
        at = span.end
    return re.sub(r"\b(on|in)\s+\1\b", r"\1", "".join([*pieces, text[at:]]))
