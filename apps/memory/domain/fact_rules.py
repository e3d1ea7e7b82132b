"""What is true of somebody for a while, as a table: how it sounds and how it is kept. Pure."""

import re

from apps.memory.domain.predicates import Rule, capital, occupation
from apps.memory.domain.slots import plain_value

_BE = r"(?:am|is|are|was|were|be)\s+"
HAVE = r"(?:(?:have|has|had)\s+)?"
_NOWHERE = frozenset(
    """
    home school work college university bed town peace fear luxury poverty harmony hope pain past
    moment present future same house apartment flat place city country village suburbs countryside
    dorm building neighbourhood neighborhood area house own world bubble
    """.split()  # noqa: SIM905  # a list of forty strings reads worse
)
_NO_EMPLOYER = frozenset(
    """
    home night nights free fun weekends weekend day days myself money living it that moment time
    times school peace scale hand pace desk office least first all once work
    """.split()  # noqa: SIM905  # a list of thirty strings reads worse
)
_DIETS = (
    r"vegan|vegetarian|pescatarian|flexitarian|kosher|halal|gluten[- ]free|lactose[- ]intolerant"
    r"|keto|teetotal|teetotaller"
)


def _place(value: str) -> bool:
    head = value.split()
    last = head[-1].casefold()
    nowhere = last in _NOWHERE and (len(head) == 1 or not head[-1][:1].isupper())
    if head[0].casefold() in {"a", "an", "some", "one"}:
        return False
    return not nowhere and not any(c.isdigit() for c in value) and len(head) <= 5


def _settled(value: str) -> bool:
    return _place(value) and capital(value)


def _employer(value: str) -> bool:
    first = plain_value(value).split()
    return bool(first) and first[0] not in _NO_EMPLOYER and len(first) <= 6


def is_employer_name(value: str) -> bool:
    """Say whether it is written as the name of an employer."""
    if value.split(maxsplit=1)[0].casefold() in {"a", "an", "some", "another"}:
        return False
    return _employer(value) and any(word[:1].isupper() for word in value.split())


def _short(value: str) -> bool:
    return len(value.split()) <= 4


def _rule(
    attribute: str, now: str, phrases: tuple[str, str, str], was: str = "", **rest: object
) -> Rule:
    return Rule(
        attribute=attribute,
        now=re.compile(now, re.IGNORECASE),
        phrases=phrases,
        was=re.compile(was, re.IGNORECASE) if was else None,
        **rest,  # type: ignore[arg-type]  # by name
    )


_LIVES = ("lives in {}", "no longer lives in {}", "used to live in {}")
_WORKS = ("works at {}", "no longer works at {}", "used to work at {}")
_JOB = ("works as {}", "no longer works as {}", "used to work as {}")
FACT_RULES: tuple[Rule, ...] = (
    _rule(
        "home",
        rf"(?:(?:{_BE})?(?:live|lives|living|reside|resides|residing|based|settled(?:\s+down)?)"
        r"|(?:have|has)\s+(?:lived|been\s+living|been\s+based)(?=.*(?:\bfor\b|\bsince\b|\x00)))\s+"
        r"(?:in|at|near|outside|over\s+in)\s+(?P<v>.+)",
        _LIVES,
        was=r"(?:lived|resided|was\s+based|were\s+based)\s+(?:in|at|near|outside)\s+(?P<v>.+)",
        accepts=_place,
    ),
    _rule(
        "home",
        rf"{HAVE}(?:moved|relocated|emigrated|immigrated|move)\s+"
        r"(?:(?:back|over|out|away|down|up|house|in)\s+)*(?:from\s+[\w\s]+?\s+)?to\s+(?P<v>.+)",
        _LIVES,
        accepts=_settled,
    ),
    _rule(
        "home",
        rf"{HAVE}(?:left|leave|moved\s+away\s+from|moved\s+out\s+of)\s+(?P<v>[A-Z].+)\s+for\s+good",
        ("no longer lives in {}", "no longer lives in {}", "used to live in {}"),
        accepts=_settled,
    ),
    _rule(
        "employer",
        rf"(?:(?:{_BE})?(?:work|works|working|employed|interning|intern)"
        r"|(?:have|has)\s+(?:worked|been\s+working|been\s+employed)(?=.*(?:\bfor\b|\bsince\b|\x00)))\s+"
        r"(?:(?:as|in)\s+[^,;.]+?\s+)?(?:at|for|by)\s+(?P<v>.+)",
        _WORKS,
        was=r"(?:worked|was\s+employed|were\s+employed|was\s+working)\s+"
        r"(?:(?:as|in)\s+[^,;.]+?\s+)?(?:at|for|by)\s+(?P<v>.+)",
        accepts=_employer,
    ),
    _rule(
        "employer",
        rf"{HAVE}(?:joined|(?:started|began|start|starting)\s+(?:(?:work|working|out"
        r"|(?:a|my|the)\s+(?:new\s+)?(?:job|position|role|internship)|as\s+[\w\s]+?)\s+)?"
        r"(?:at|with|for)"
        r"|got\s+(?:a|the|my|this)\s+[\w\s]*?(?:job|position|role|offer)\s+(?:at|with|from)"
        r"|(?:was|were|got|been)\s+hired\s+(?:at|by)"
        r"|accepted\s+[\w\s]*?(?:job|offer|position|role)\s+(?:at|from|with)"
        r"|(?:switched|changed)\s+(?:jobs?|employers?|companies|company)\s+(?:from\s+[\w\s]+?\s+)?to"
        r"|moved\s+(?:from\s+[\w\s]+?\s+)?to\s+work\s+(?:at|for))\s+(?P<v>.+)",
        _WORKS,
        accepts=is_employer_name,
    ),
    _rule(
        "job",
        rf"(?:{_BE})?(?:(?:work|works|working|employed|volunteer|volunteers|volunteering|start|started)\s+"
        r"(?:(?:at|for|in)\s+[\w\s&'-]+?\s+)?|joined\s+[\w\s&'-]+?\s+)as\s+(?P<v>(?:an?|the)\s+.+)",
        _JOB,
        was=r"(?:worked|was\s+working)\s+(?:(?:at|for|in)\s+[\w\s&'-]+?\s+)?as\s+(?P<v>(?:an?|the)\s+.+)",
    ),
    _rule(
        "job",
        rf"(?:am|is|are|be|became|become|{HAVE}become"
        r"|(?:have\s+been|has\s+been|was|were|got|been)\s+(?:promoted|appointed|named)(?:\s+to)?"
        r"|got\s+a\s+(?:new\s+)?job\s+as|started\s+(?:working\s+)?as"
        r"|(?:switched|changed)\s+careers?\s+to(?:\s+become)?|retrained\s+as|qualified\s+as)\s+"
        r"(?P<v>(?:an?\s+|the\s+)?.+)",
        ("works as {}", "no longer works as {}", "used to be {}"),
        was=r"(?:was|were)\s+(?P<v>an?\s+.+)",
        accepts=occupation,
    ),
    _rule(
        "job",
        r"(?:am\s+|is\s+|are\s+|have\s+|has\s+)?(?P<v>retired)\b",
        ("is {}", "is no longer {}", "was {}"),
    ),
    _rule(
        "age",
        r"(?:am|is|are|turned|have\s+turned|has\s+turned)\s+(?P<v>\d{1,2})"
        r"(?=\s*(?:years?\s+old|yo\b|\x00|$|[,.;!]|now\b))",
        ("is {} years old", "is no longer {}", "was {}"),
    ),
    _rule(
        "name",
        r"(?:go|goes)\s+by\s+(?P<v>[A-Z][\w'-]+.*)",
        ("is called {}", "is no longer called {}", "used to be called {}"),
    ),
    _rule(
        "name",
        rf"{HAVE}(?:changed|change)\s+my\s+(?:last\s+|first\s+|legal\s+|sur)?name\s+"
        r"(?:from\s+[\w'-]+(?:\s+[\w'-]+)?\s+)?to\s+(?P<v>[A-Z].+)",
        ("is called {}", "is no longer called {}", "used to be called {}"),
    ),
    _rule(
        "name",
        r"(?:am|is|are)\s+(?:called|named|known\s+as)\s+(?P<v>[A-Z].+)",
        ("is called {}", "is no longer called {}", "used to be called {}"),
    ),
    _rule(
        "birthplace",
        r"(?:was|am|were)\s+born(?:\s+and\s+raised)?\s+in\s+(?P<v>[A-Z].+)",
        ("was born in {}",) * 3,
        accepts=_settled,
    ),
    _rule(
        "origin",
        rf"(?:{_BE})?(?:originally\s+)?(?:come|comes|from|hail|hails)\s+(?:originally\s+)?"
        r"(?:from\s+)?(?P<v>[A-Z].+)",
        ("comes from {}",) * 3,
        accepts=_settled,
    ),
    _rule(
        "allergy:{}",
        rf"{_BE}(?:[\w-]+\s+)?allergic\s+to\s+(?P<v>.+)",
        ("is allergic to {}", "is not allergic to {}", "used to be allergic to {}"),
        several=True,
    ),
    _rule(
        "allergy:{}",
        r"(?:have|has|got)\s+an?\s+(?:\w+\s+)?(?P<v>[\w-]+)\s+allergy",
        ("is allergic to {}", "is not allergic to {}", "used to be allergic to {}"),
    ),
    _rule(
        "diet",
        rf"(?:{_BE}|(?:became|become|went|turned|have\s+become|have\s+gone|go|eat)\s+)"
        rf"(?:a\s+|an\s+)?(?:strict\s+)?(?P<v>{_DIETS})\b",
        ("is {}", "is no longer {}", "used to be {}"),
    ),
    _rule(
        "eats:{}",
        r"never\s+(?:eat|eats|drink|drinks)\s+(?P<v>.+)",
        ("does not have {}", "has {} again", "never had {}"),
        several=True,
    ),
    _rule(
        "health:{}",
        r"(?:have|has|suffer\s+from|suffers\s+from|(?:was|were|been|got)\s+diagnosed\s+with)"
        r"\s+(?P<v>(?:type\s+[12]\s+)?(?:diabetes|asthma|migraines?|epilepsy|arthritis|anxiety"
        r"|depression|adhd|autism|celiac(?:\s+disease)?|coeliac(?:\s+disease)?|insomnia"
        r"|high\s+blood\s+pressure|dyslexia|hay\s+fever|a\s+bad\s+back|a\s+heart\s+condition))\b",
        ("has {}", "no longer has {}", "used to have {}"),
    ),
    _rule(
        "speaks:{}",
        r"(?:speak|speaks|am\s+fluent\s+in|is\s+fluent\s+in)\s+(?:fluent\s+)?(?P<v>[A-Z].+)",
        ("speaks {}", "does not speak {}", "used to speak {}"),
        several=True,
    ),
    _rule(
        "learning:{}",
        rf"(?:{_BE}|{HAVE}(?:started|been)\s+)(?:learning|studying|taking\s+up)\s+(?P<v>.+)",
        ("is learning {}", "no longer learns {}", "used to learn {}"),
        accepts=_short,
    ),
    _rule(
        "studies",
        r"(?:study|studies|major\s+in|majors\s+in|am\s+majoring\s+in)\s+(?P<v>.+)",
        ("studies {}", "no longer studies {}", "studied {}"),
        was=r"(?:studied|majored\s+in)\s+(?P<v>.+)",
        accepts=_short,
    ),
    _rule(
        "plays:{}",
        r"(?:play|plays)\s+(?:the\s+)?(?P<v>[\w-]+(?:\s+[\w-]+)?)",
        ("plays {}", "no longer plays {}", "used to play {}"),
        accepts=lambda value: _short(value) and "with" not in value.split(),
    ),
    _rule(
        "drives",
        r"(?:drive|drives)\s+(?P<v>an?\s+.+)",
        ("drives {}", "no longer drives {}", "used to drive {}"),
        accepts=_short,
    ),
    _rule(
        "status",
        rf"(?:{_BE}|got\s+|{HAVE}been\s+)?(?P<v>married|single|divorced|engaged|widowed"
        r"|separated|pregnant)\b(?!\s+(?:in|with)\b)",
        ("is {}", "is no longer {}", "used to be {}"),
    ),
    _rule(
        "count:{}",
        r"(?:have|has)\s+(?P<v>(?:two|three|four|five|six|seven|\d|no|a|an|one)\s+"
        r"(?:kids|children|sons?|daughters?|brothers?|sisters?|siblings|cats?|dogs?|pets|horses?"
        r"|grandchildren|houses|cars|jobs))\b(?!\s+(?:named|called|who))",
        ("has {}", "no longer has {}", "used to have {}"),
        keyed=lambda value: value.split()[-1].rstrip("s"),
    ),
)
