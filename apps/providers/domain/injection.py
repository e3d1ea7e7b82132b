"""Signs that a text tries to take over the assistant. Pure.

Heuristics, each with a name and a weight; a score joins them as independent doubts:
`1 - (1 - a)(1 - b)…`. They find what is written openly or hidden in cheap ways (zero-width
characters, look-alike forms, Base64); they do not understand. In what a file, a page or a tool
returned an order to the assistant is out of place, so there the same words weigh more.
"""

import base64
import binascii
import re
import unicodedata
from dataclasses import dataclass

from apps.providers.domain.guarding import InjectionAction, Level, Origin, Outcome

READ_MAX = 40_000  # characters; of a longer text beginning and end are read


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectionSign:
    """One reason for doubt.

    Attributes:
        name: Stable word, such as `override`.
        reason: One sentence for people.
        weight: From 0 to 1.
        excerpt: The characters that gave it.
    """

    name: str
    reason: str
    weight: float
    excerpt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sign:
    name: str
    reason: str
    shape: re.Pattern[str]
    user: float  # weight in what the person wrote
    content: float  # weight in what came from elsewhere


def _sign(name: str, reason: str, shape: str, *, user: float, content: float) -> _Sign:
    return _Sign(
        name=name,
        reason=reason,
        shape=re.compile(shape, re.VERBOSE | re.IGNORECASE),
        user=user,
        content=content,
    )


_RULES = r"(?:instructions?|prompts?|rules?|directions?|guidelines?|directives?|commands?|context)"
_ALL = r"(?:(?:all|any|every|the|of|your|my|these|those)\s+){0,4}"
_BEFORE = r"(?:previous|prior|earlier|above|preceding|foregoing|former|initial|original|system)"

_SIGNS = (
    _sign(
        "override",
        "It tells the assistant to ignore its instructions.",
        rf"""\b(?:ignore|disregard|forget|override|bypass|neglect|skip|drop|discard)\s+{_ALL}
        (?:{_BEFORE}\s+)(?:\w+\s+){{0,2}}{_RULES}
        | \b(?:ignore|disregard|forget)\s+(?:everything|anything|all)\s+
          (?!(?:i|we)\b)(?:\w+\s+){{0,3}}(?:above|before|said|told|so\ far)
        | \b(?:ignore|disregard|forget|override|bypass)\s+(?:all|any|every|your|these|those)\s+
          (?:(?:of|the|your|my)\s+){{0,3}}{_RULES}\b
        | \b(?:ignorier|vergiss|missachte)\w*\s+(?:\w+\s+){{0,4}}
          (?:anweisung|vorgabe|regel|instruktion)\w*
        | \bignor(?:e[rz]?|a)\s+(?:\w+\s+){{0,4}}(?:instruc\w+|consignes|reglas|règles)
        | \boublie[zr]?\s+(?:\w+\s+){{0,4}}(?:instructions|consignes|règles)""",
        user=0.7,
        content=0.85,
    ),
    _sign(
        "new_instructions",
        "It claims to give new instructions.",
        rf"""\b(?:new|updated|real|actual|true|secret|hidden)\s+(?:system\s+)?{_RULES}\s*(?::|are\b|follow)
        | \bfrom\s+now\s+on,?\s+(?:you|your|act|respond|answer|ignore)
        | \byou\s+(?:must|should|will)\s+now\s+(?:act|obey|follow|ignore|respond|only)
        | \b(?:ab\s+jetzt|von\s+nun\s+an)\s+(?:bist|wirst|sollst|musst)\s+du""",
        user=0.35,
        content=0.7,
    ),
    _sign(
        "role_play",
        "It asks the assistant to be somebody without rules.",
        r"""\b(?:(?-i:DAN)|do\ anything\ now|jailbr(?:eak|oken)\s+(?:mode|prompt|ai|assistant|model)
          |(?:enter|you\s+are\s+(?:now\s+)?in)\s+(?:developer|god|sudo)\s+mode)\b
        | \b(?:act|behave|pretend|respond|roleplay|role-play)\s+(?:\w+\s+){0,6}
          (?:no|without(?:\s+any)?|free\s+(?:of|from))\s+
          (?:rules|restrictions|limits|limitations|filters?|censorship|guidelines|morals|ethics)
        | \b(?:you\s+are|you're)\s+(?:now\s+)?(?:an?\s+)?
          (?:unrestricted|unfiltered|uncensored|jailbroken|amoral|evil)\b
        | \b(?:disable|turn\s+off|switch\s+off|remove|bypass)\s+(?:\w+\s+){0,3}
          (?:safety\s+(?:filters?|rules|guidelines|settings|training)|guardrails?
          |content\s+filters?|censorship|content\s+polic\w+|moderation)""",
        user=0.6,
        content=0.8,
    ),
    _sign(
        "reveal_prompt",
        "It asks for the assistant's own instructions.",
        r"""\b(?:reveal|show|print|repeat|output|display|leak|disclose|tell\s+me|give\s+me|write\s+out
          |what\s+(?:is|are|was|were))\s+(?:\w+\s+){0,5}
          (?:system\s+(?:prompt|message|instructions?)|(?:initial|hidden|original|secret)\s+
          (?:prompt|instructions?)|your\s+(?:prompt|instructions)\b)
        | \brepeat\s+(?:\w+\s+){0,4}(?:words|text|everything)\s+above""",
        user=0.5,
        content=0.7,
    ),
    _sign(
        "fake_turn",
        "It imitates the marks that separate messages.",
        r"""<\|(?:im_start|im_end|system|user|assistant|endoftext|eot_id|start_header_id
          |end_header_id|begin_of_text)\|>
        | \[/?INST\] | <</?SYS>> | <\|?(?:start|end)_of_turn\|?>
        | (?m:^)\s{0,8}(?:\#{1,4}\s{0,3})?(?:system|assistant)\s{0,3}(?:message|prompt)?\s{0,3}:
          \s{0,8}(?=\S{0,3}(?:you|ignore|new|from|do\ not|always|never|the\ assistant))""",
        user=0.6,
        content=0.8,
    ),
    _sign(
        "exfiltration",
        "It asks to send data to an address.",
        r"""!\[[^\]\n]{0,200}\]\(\s{0,4}https?://[^)\s]{0,300}[?&][^)\s=]{1,60}=[^)\s]{0,200}
          (?:\{|%7B|\$|<)
        | \b(?:send|post|forward|upload|exfiltrate|e-?mail|append|transmit)\s+(?:\w+\s+){0,8}
          (?:conversation|chat|history|messages?|secrets?|passwords?|keys?|tokens?|credentials?
          |data|files?|content)\s+(?:\w+\s+){0,4}(?:to|at|via)\s+\S{0,12}
          (?:https?://|[\w.-]{1,64}@|www\.)""",
        user=0.3,
        content=0.85,
    ),
    _sign(
        "addressed_to_model",
        "It speaks to a language model.",
        r"""\b(?:dear|hey|attention|hello|note\s+to)\s+(?:the\s+)?
          (?:ai|llm|chatgpt|gpt|claude|assistant|language\s+model|chatbot)\b[^.\n]{0,40}
        | \bif\s+you\s+are\s+(?:an?\s+)?(?:ai|llm|language\s+model|assistant|chatbot)\b
        | \b(?:as\s+an\s+ai|ai\s+assistants?)\s+(?:reading|processing|summari[sz]ing)\b""",
        user=0.1,
        content=0.55,
    ),
    _sign(
        "tool_order",
        "It orders a tool to be used.",
        r"""\b(?:call|invoke|execute|run|use)\s+(?:the\s+)?[\w.-]{0,40}\s{0,2}
          (?:tool|function|plugin|command)\b[^.\n]{0,80}\b(?:immediately|without\s+asking
          |without\s+confirm\w*|silently|do\s+not\s+(?:tell|ask|mention|inform))
        | \bdo\s+not\s+(?:tell|inform|mention|reveal|alert)\s+(?:\w+\s+){0,3}
          (?:user|person|human)""",
        user=0.3,
        content=0.75,
    ),
)
_HIDDEN = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\u00ad]")
_TAGS = re.compile(r"[\U000e0020-\U000e007e]{4,}")
_ENCODED = re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{40,4000}={0,2}(?![A-Za-z0-9+/=])")
_HIDDEN_MANY = 8
_ENCODED_MOST = 5  # pieces that are decoded


def injection_signs(text: str, *, origin: Origin) -> tuple[InjectionSign, ...]:
    """Return the reasons to distrust `text`, strongest first."""
    if len(text) > READ_MAX:
        text = f"{text[: READ_MAX // 2]}\n{text[-READ_MAX // 2 :]}"
    plain = _plain(text)
    found = {sign.name: sign for sign in _open_signs(plain, origin)}
    for sign in _hidden_signs(text, origin):
        found.setdefault(sign.name, sign)
    return tuple(sorted(found.values(), key=lambda sign: -sign.weight))


def injection_score(signs: tuple[InjectionSign, ...]) -> float:
    """Return how likely it is, from 0 to 1, taking the signs as independent."""
    doubt = 1.0
    for sign in signs:
        doubt *= 1 - sign.weight
    return round(1 - doubt, 4)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", _HIDDEN.sub("", text)).replace("’", "'")


def _open_signs(plain: str, origin: Origin) -> list[InjectionSign]:
    found: list[InjectionSign] = []
    for sign in _SIGNS:
        match = sign.shape.search(plain)
        if match is not None:
            weight = sign.user if origin is Origin.USER else sign.content
            found.append(
                InjectionSign(
                    name=sign.name, reason=sign.reason, weight=weight, excerpt=match.group()
                )
            )
    return found


def _hidden_signs(text: str, origin: Origin) -> list[InjectionSign]:
    found: list[InjectionSign] = []
    tags = _TAGS.search(text)
    if tags is not None:
        said = "".join(chr(ord(character) - 0xE0000) for character in tags.group())
        found.append(_hidden("invisible_text", "It holds text that people cannot see.", 0.9, said))
    elif len(_HIDDEN.findall(text)) >= _HIDDEN_MANY:
        reason = "It holds many characters that people cannot see."
        found.append(_hidden("invisible_characters", reason, 0.3, ""))
    for number, piece in enumerate(_ENCODED.finditer(text)):
        if number >= _ENCODED_MOST:
            break
        inner = _decoded(piece.group())
        if inner and _open_signs(_plain(inner), origin):
            reason = "It hides such an order in Base64."
            found.append(_hidden("encoded_order", reason, 0.85, piece.group()))
            break
    return found


def _hidden(name: str, reason: str, weight: float, excerpt: str) -> InjectionSign:
    return InjectionSign(name=name, reason=reason, weight=weight, excerpt=excerpt)


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


# From which score on what is done, by level: report, flag, refuse.
_THRESHOLDS = {
    Level.LOOSE: (0.6, 0.8, 0.95),
    Level.MEDIUM: (0.4, 0.6, 0.8),
    Level.STRICT: (0.25, 0.45, 0.65),
}
_STEPS = (InjectionAction.REPORT, InjectionAction.FLAG, InjectionAction.REFUSE)
_OUTCOMES = (Outcome.REPORTED, Outcome.FLAGGED, Outcome.REFUSED)


def injection_outcome(score: float, *, level: Level, most: InjectionAction) -> Outcome | None:
    """Return what is done about a text with this score; None for nothing.

    Args:
        score: As `injection_score` says.
        level: The workspace's.
        most: The most that the workspace wants to be done.
    """
    if most is InjectionAction.OFF:
        return None
    reached = sum(score >= threshold for threshold in _THRESHOLDS[level])
    allowed = _STEPS.index(most) + 1
    steps = min(reached, allowed)
    return _OUTCOMES[steps - 1] if steps else None
