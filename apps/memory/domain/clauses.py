"""Cutting what a person wrote into clauses that may state something. Pure.

What states nothing goes here already: code, quotations, material that a request brings along,
questions, greetings, thanks, requests, what is only supposed. Rules, not a model: they say the
same each time and cost microseconds.
"""

import re
from dataclasses import dataclass

LONG_TEXT = 4_000  # characters; what is longer was pasted, and only its beginning was written
_PASTED_LINE = 500  # characters; people do not write such lines, they paste them

_FENCE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|<(\w+)[^>]*>.*?</\1>", re.DOTALL)
_QUOTED = re.compile(
    r"\"[^\"\n]{3,}\"|“[^”\n]{3,}”|„[^“”\n]{3,}[“”]|«[^»\n]{3,}»|`[^`\n]+`"
    r"|(?<![\w])'[^'\n]{3,}'(?![\w])"
)
_MATERIAL = re.compile(
    r"^[^\n]*\b(?:summari[sz]e|translate|proofread|rewrite|rephrase|correct|edit|review|analy[sz]e"
    r"|check|explain|improve|shorten|fix|read|classify|debug|text|letter|e-?mail|article|paragraph"
    r"|story|poem|code|log|following|this|below)\b[^\n]*:\s*$",
    re.IGNORECASE | re.MULTILINE,
)
_INLINE_MATERIAL = re.compile(
    r"\b(?:summari[sz]e|translate|proofread|rewrite|rephrase|correct|classify|shorten|improve)\b"
    r"[^.!?\n:]{0,60}:\s",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?…])[\"'”)]*\s+(?=\S)|\n+")
_ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Prof|St|vs|etc|e\.g|i\.e|approx|No)\.$")
_OPENING = r"(?:I|i|[Mm]y|[Ww]e|[Oo]ur|[Mm]y)\b"
_CUT = re.compile(
    rf"\s*[;–—]\s*|\s+-\s+|\s*\((?={_OPENING})"
    rf"|,?\s+(?:and|but|so|because|though|although|then)\s+(?:now\s+)?(?={_OPENING})"
    rf"|,\s+(?={_OPENING})"
    r"|,\s+(?=(?:what|how|where|which|who|when|can|could|would|should|do|does|is|are|any|please"
    r"|right|ok|okay|isn't|don't)\b)"
)
# "… and work as a nurse" goes on with the subject of what stands before it.
_GOES_ON = re.compile(
    r",?\s+(?:and|but)\s+(?:now\s+)?(?=(?:am|live|lives|work|works|love|loves|like|likes|hate|hates"
    r"|have|has|prefer|prefers|moved|started|bought|quit|left|got|enjoy|enjoys|speak|speaks|play"
    r"|plays|dislike|dislikes|adopted|joined|became|drive|drives|study|studies|do\s+not|don't"
    r"|can't|no\s+longer)\b)"
)
_SUBJECT = re.compile(
    r"^(?P<subject>I|i|[Ww]e|[Mm]y\s+[\w-]+(?:\s+[A-Z][\w'-]+)?|[A-Z][\w'-]+)"
    r"(?:'m|'ve|'ll|’m|’ve|’ll|\s)"
)
_LEADS = re.compile(
    r"^(?:(?:well|so|oh|ah|hi|hey|hello|yes|yeah|yep|no(?!\s+longer)|nope|ok|okay|sure|btw|fyi|also|and|but|plus"
    r"|anyway|honestly|actually|unfortunately|sadly|luckily|fortunately|finally|recently|now|today"
    r"|nowadays|currently|lately|update|correction|haha|lol|wow|great|cool|thanks|thank\s+you"
    r"|good\s+morning|good\s+news|guess\s+what|by\s+the\s+way|to\s+be\s+honest|these\s+days"
    r"|just\s+so\s+you\s+know|for\s+the\s+record|for\s+your\s+information|as\s+of\s+(?:today|now)"
    r"|it\s+turns\s+out(?:\s+that)?|change\s+of\s+plans?|new\s+plan|i\s+changed\s+my\s+mind"
    r"|we\s+changed\s+our\s+minds?|big\s+news|small\s+update|one\s+more\s+thing|karen"
    r"|i\s+forgot\s+to\s+mention(?:\s+that)?|did\s+i\s+mention(?:\s+that)?|after\s+all|sorry"
    r"|(?:i\s+)?(?:should|must|have\s+to)\s+(?:mention|say|tell\s+you)(?:\s+that)?"
    r"|i\s+(?:think|guess|believe|suppose)(?:\s+that)?(?=\s+(?:i|my|we|our)\b)"
    r"|you\s+should\s+know(?:\s+that)?|(?:as\s+)?you\s+know)\b[\s,:!.–-]*)+",
    re.IGNORECASE,
)
_TOLD_TO_KEEP = re.compile(
    r"^(?:(?:please|pls|can\s+you|could\s+you|also)[\s,]+)*"
    r"(?:remember|keep\s+in\s+mind|bear\s+in\s+mind|note|take\s+note|don'?t\s+forget|save"
    r"|memori[sz]e|make\s+a\s+note)(?:\s*:\s*|\s+(?:that|down\s+that)\s+|\s+(?=(?:my|i|i'm)\b))",
    re.IGNORECASE,
)
_SUPPOSED = re.compile(
    r"^(?:if|unless|whether|suppose|supposing|imagine|imagining|pretend|assum(?:e|ing)|let'?s\s+say"
    r"|say\s+i|what\s+if|as\s+if|in\s+case|hypothetically|in\s+(?:my|the|a)\s+(?:dream|story|game"
    r"|novel|movie|book|scenario))\b"
    r"|\b(?:i|we)\s*(?:'d|’d|\s+would|\s+could|\s+might|\s+may|\s+should)\b|\bi\s+wish\b"
    r"|\bwould\s+(?:be|have|love|like|live|work)\b|\bif\s+i\s+(?:were|was|lived|worked|had)\b"
    r"|\b(?:role-?play|hypothetical)",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"^(?:(?:please|pls|kindly|now|then|ok|so|just)[\s,]+)*(?:what|who|whom|whose|where|when|why|how"
    r"|which|can|could|would|will|shall|should|do|does|did|is|are|was|were|am|has|have\s+you|may"
    r"|might|any\s+idea|write|tell|show|explain|translate|give|help|list|summari[sz]e|make|create"
    r"|find|fix|draft|generate|suggest|recommend|describe|compare|rewrite|convert|calculate|check"
    r"|look|search|think|act|play|let|let's|continue|go|try|add|remove|change|edit|improve|shorten"
    r"|repeat|stop|start|read|open|run|send|book|set|remind|plan|organi[sz]e|imagine|pretend)\b",
    re.IGNORECASE,
)
_WANTS_DONE = re.compile(
    r"^(?:i|we)\s+(?:want|need|would\s+like|expect|order|urge|ask|beg|hope)\s+(?:you|your|to\s+(?:know"
    r"|ask|see|understand|find\s+out|learn\s+(?:how|what|why|about)|hear)|help|a\s+(?:hand|list|plan"
    r"|recipe|poem|story|summary|translation|review)|some\s+(?:help|advice|ideas)|advice|ideas)\b"
    r"|^i\s+(?:have|got|had)\s+(?:a|an|another|one\s+more|two|some)\s+(?:quick\s+|small\s+|simple\s+"
    r"|more\s+)*(?:question|questions|problem|issue|idea|error|bug|feeling|doubt|favou?r|request)\b"
    r"|^i\s+(?:do\s+not|don'?t)\s+(?:know|understand|think|get|see|care|mind|remember|have\s+(?:time"
    r"|a\s+clue|any))\b",
    re.IGNORECASE,
)
_POLITE = re.compile(
    r"^(?:thanks?|thank\s+you|thx|cheers|great|perfect|awesome|nice|cool|sounds\s+good|got\s+it|ok"
    r"|okay|good\s+(?:morning|evening|night|idea|point|job)|you'?re\s+(?:right|welcome)|see\s+you"
    r"|bye|goodbye|hello|hi|hey|lol|haha|never\s*mind|no\s+problem)\b[\s\w,!.'’]{0,40}$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One clause that may state something.

    Attributes:
        text: Without what leads in to it, contractions written out.
        quote: The sentence it stands in, letter by letter.
        sentence: The same without quotations.
        told: The person asked that it be kept.
        asks: It is a question or a request: nothing but a standing instruction may come of it.
    """

    text: str
    quote: str
    sentence: str
    told: bool = False
    asks: bool = False


def clauses_in(text: str) -> list[Clause]:
    """Return the clauses of what a person wrote, in their order, those left out that state nothing.

    Args:
        text: As it was written, lines and all.
    """
    return [
        clause
        for sentence in sentences_in(text)
        for clause in _clauses(sentence)
        if clause.text and not _SUPPOSED.search(clause.text)
    ]


def sentences_in(text: str) -> list[str]:
    """Return the sentences that the person wrote themselves."""
    own = _FENCE.sub("\n", text[:LONG_TEXT])
    for material in (_MATERIAL, _INLINE_MATERIAL):
        found = material.search(own)
        if found is not None:
            own = own[: found.start()]
    lines = [
        line
        for line in own.split("\n")
        if len(line) <= _PASTED_LINE and not line.lstrip().startswith((">", "|", "#", "//", "$"))
    ]
    if len(text) > LONG_TEXT:
        lines = lines[:1]
    found_sentences: list[str] = []
    for piece in _SENTENCE.split("\n".join(lines)):
        if found_sentences and _ABBREVIATION.search(found_sentences[-1]):
            found_sentences[-1] += f" {piece.strip()}"
        elif piece.strip(" *-•\t"):
            found_sentences.append(piece.strip(" *-•\t"))
    return found_sentences


def _clauses(sentence: str) -> list[Clause]:
    plain = written_out(_QUOTED.sub(" … ", sentence))
    stripped = _LEADS.sub("", plain)
    keep = _TOLD_TO_KEEP.match(stripped)
    if keep is not None:
        stripped = stripped[keep.end() :]
    pieces = [piece for piece in _CUT.split(stripped) if piece and piece.strip()]
    found: list[Clause] = []
    for number, piece in enumerate(pieces):
        last = number == len(pieces) - 1
        for part in _with_subject(_LEADS.sub("", piece.strip())):
            text = part.strip(" ,;:()")
            asks = (last and sentence.rstrip().endswith("?")) or bool(
                _ASKS.match(text) or _WANTS_DONE.match(text) or _POLITE.match(text)
            )
            found.append(
                Clause(
                    text=text.rstrip(".!…"),
                    quote=sentence,
                    sentence=plain,
                    told=keep is not None,
                    asks=asks,
                )
            )
    return found


def _with_subject(piece: str) -> list[str]:
    """Cut "I live in Rome and work as a nurse" in two, each with its subject."""
    subject = _SUBJECT.match(piece)
    parts = _GOES_ON.split(piece)
    if subject is None or len(parts) == 1:
        return [piece]
    return [parts[0], *(f"{subject['subject']} {part}" for part in parts[1:])]


_CONTRACTIONS = tuple(
    (re.compile(pattern, re.IGNORECASE), full)
    for pattern, full in (
        (r"\bcan't\b", "cannot"),
        (r"\bwon't\b", "will not"),
        (r"\bain't\b", "am not"),
        (r"\b(do|does|did|is|are|was|were|has|have|had|would|could|should)n't\b", r"\1 not"),
        (r"\bI'?m\b(?!')", "I am"),
        (r"\b(I|we|they|you)'ve\b", r"\1 have"),
        (r"\b(I|we|they|you|he|she)'ll\b", r"\1 will"),
        (r"\b(we|they|you)'re\b", r"\1 are"),
        (r"\b(he|she|it|that|there|here)'s\b", r"\1 is"),
        (r"\bgonna\b", "going to"),
        (r"\bwanna\b", "want to"),
        (r"\bgotta\b", "have to"),
        (r"\bive\b", "I have"),
    )
)


def written_out(text: str) -> str:
    """Return the text with straight apostrophes, single blanks and contractions written out."""
    plain = " ".join(text.replace("’", "'").split())
    for pattern, full in _CONTRACTIONS:
        plain = pattern.sub(full, plain)
    return plain
