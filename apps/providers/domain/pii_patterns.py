"""The shapes of personal data: patterns, checks, and the words that tell what a number is. Pure."""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from apps.providers.domain import check_digits as checks


class PiiKind(StrEnum):
    """What sort of personal data; also the word in placeholders."""

    PERSON = "PERSON"
    PLACE = "PLACE"
    ORGANISATION = "ORGANISATION"
    EMAIL = "EMAIL"
    PHONE = "PHONE"
    IBAN = "IBAN"
    CARD = "CARD"
    IP_ADDRESS = "IP_ADDRESS"
    NATIONAL_ID = "NATIONAL_ID"
    SECRET = "SECRET"  # noqa: S105  # a kind, not a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """One shape: `check` sees the group `value` in capitals, without separators unless `raw`."""

    kind: PiiKind
    detail: str
    shape: re.Pattern[str]
    score: float
    check: Callable[[str], bool] | None = None
    context: re.Pattern[str] | None = None
    raw: bool = False
    hint: str = ""  # one of these characters stands in each match; empty: always look


def _shape(text: str, flags: int = 0) -> re.Pattern[str]:
    return re.compile(text, re.VERBOSE | flags)


def _words(text: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{text})", re.IGNORECASE)


_DIGITS = "0123456789"


def _national(
    detail: str,
    shape: str,
    check: Callable[[str], bool],
    score: float,
    context: str,
    *,
    raw: bool = False,
) -> Pattern:
    return Pattern(
        kind=PiiKind.NATIONAL_ID,
        detail=detail,
        shape=_shape(rf"(?<![\w.-])(?P<value>{shape})(?![\w-])", re.IGNORECASE),
        score=score,
        check=check,
        raw=raw,
        context=_words(context),
        hint=_DIGITS,
    )


_NATIONAL = (
    _national(
        "us_ssn",
        r"\d{3}-\d{2}-\d{4}",
        checks.american_ssn_holds,
        0.7,
        r"ssn|social\ security",
    ),
    _national("us_ssn", r"\d{9}", checks.american_ssn_holds, 0.15, r"ssn\b|social security"),
    _national(
        "uk_nino",
        r"[A-Z]{2}\ ?\d{2}\ ?\d{2}\ ?\d{2}\ ?[A-D]",
        checks.british_nino_holds,
        0.6,
        r"nino\b|national insurance",
    ),
    _national("uk_nhs", r"\d{3}[ -]?\d{3}[ -]?\d{4}", checks.british_nhs_holds, 0.2, r"nhs\b"),
    _national(
        "de_tax_id",
        r"\d{2}\ ?\d{3}\ ?\d{3}\ ?\d{3}",
        checks.german_tax_id_holds,
        0.5,
        r"steuer|tax|idnr|tin\b",
    ),
    _national("es_dni", r"(?:[XYZ]-?\d{7}|\d{8})-?[A-Z]", checks.spanish_id_holds, 0.6, r"dni|nie"),
    _national(
        "fr_nir",
        r"[12]\ ?\d{2}\ ?\d{2}\ ?\d[\dAB]\ ?\d{3}\ ?\d{3}\ ?\d{2}",
        checks.french_nir_holds,
        0.8,
        r"nir\b|sécurité sociale|insee",
    ),
    _national(
        "it_tax_code",
        r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]",
        checks.italian_code_holds,
        0.9,
        r"codice fiscale",
    ),
    _national("nl_bsn", r"\d{9}", checks.dutch_bsn_holds, 0.2, r"bsn\b|burgerservicenummer|sofi"),
    _national("pl_pesel", r"\d{11}", checks.polish_pesel_holds, 0.45, r"pesel"),
    _national(
        "ch_ahv", r"756\.?\d{4}\.?\d{4}\.?\d{2}", checks.swiss_ahv_holds, 0.8, r"ahv|avs\b|oasi"
    ),
    _national(
        "be_national_number",
        r"\d{2}\.?\d{2}\.?\d{2}-?\d{3}\.?\d{2}",
        checks.belgian_number_holds,
        0.5,
        r"rijksregister|registre national|national number|nn\b",
    ),
    _national(
        "fi_hetu",
        r"\d{6}[-+A]\d{3}[0-9A-Y]",
        checks.finnish_hetu_holds,
        0.8,
        r"hetu|henkilötunnus",
        raw=True,  # the sign in the middle tells the century
    ),
    _national(
        "se_personal_number", r"\d{6}-\d{4}", checks.swedish_number_holds, 0.5, r"personnummer"
    ),
    _national(
        "br_cpf",
        r"\d{3}\.?\d{3}\.?\d{3}-?\d{2}",
        checks.brazilian_cpf_holds,
        0.5,
        r"cpf\b",
    ),
)

_KEY_SHAPES = r"""
    (?<![A-Za-z0-9])(?P<value>
        (?:AKIA|ASIA)[A-Z0-9]{16}                             # AWS
      | gh[pousr]_[A-Za-z0-9]{36,255} | github_pat_[A-Za-z0-9_]{22,255}
      | glpat-[A-Za-z0-9_-]{20,255}                           # GitLab
      | xox[abprs]-[A-Za-z0-9-]{10,255}                       # Slack
      | AIza[A-Za-z0-9_-]{35}                                 # Google
      | hf_[A-Za-z0-9]{30,64}                                 # Hugging Face
      | karen_[A-Za-z0-9]{6,16}_[A-Za-z0-9_-]{20,64}          # our own
      | (?:sk|rk|pk)[-_](?:[A-Za-z]{2,12}[-_]){0,3}[A-Za-z0-9_-]{16,255}   # OpenAI, Stripe
      | eyJ[A-Za-z0-9_-]{8,2048}\.eyJ[A-Za-z0-9_-]{8,4096}\.[A-Za-z0-9_-]{8,1024}   # JWT
    )(?![A-Za-z0-9])
"""
_WHOSE = r"""
    (?:[^\S\n]{1,4}(?:to|for|of|für|von)[^\S\n]{1,4}[^\s:=]{1,40}(?:[^\S\n]{1,4}[^\s:=]{1,40})?
      |[^\S\n]?\([^()\n]{0,30}\))?
"""
_IS = r"(?:[:=]|(?:is|was|lautet|ist|est|es)\b[^\S\n]{0,2}:?)"
_SAID = rf"""
    \b(?:pass(?:word|wort|phrase|code|wd)|kennwort|pwd|mot\ de\ passe|contraseña
      |(?:api|access|secret|private)[ _-]?(?:key|token)|client[ _-]?secret|bearer)\b
    {_WHOSE}
    [^\S\n]{{0,4}}["'`]?[^\S\n]{{0,4}}{_IS}[^\S\n]{{0,4}}
    ["'`]?(?P<value>[^\s"'`,;]{{4,200}})
"""
_NUMBER_SAID = rf"""
    \b(?:pin|cvv|cvc)(?:[ -]?(?:code|number))?\b {_WHOSE}
    [^\S\n]{{0,4}}{_IS}?[^\S\n]{{0,4}}(?P<value>\d{{3,8}})(?![\w.])
"""
# Words that follow "the password is" without being one.
_ORDINARY = frozenset(
    """
    stored saved kept required expired reset changed strong weak safe secret never always needed
    wrong invalid managed hidden encrypted same different long short unknown forgotten written
    rotated shared missing from with that this what only also just very still being true false
    none null empty string nicht sicher immer falsch richtig
    """.split()  # noqa: SIM905  # a list of sixty strings reads worse
)


def _is_secret_word(value: str) -> bool:
    if value.startswith(("<", "{", "[", "$")):  # a placeholder
        return False
    return value.lower().rstrip(".!?:)") not in _ORDINARY


def _is_ip(value: str) -> bool:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_loopback)


def _is_phone(value: str) -> bool:
    digits = value.lstrip("+").replace("(", "").replace(")", "")
    return 8 <= len(digits) <= 15 and len(set(digits)) > 2


PATTERNS = (
    Pattern(
        kind=PiiKind.SECRET,
        detail="private_key",
        shape=_shape(
            r"(?P<value>-----BEGIN\ [A-Z0-9 ]{0,30}PRIVATE\ KEY-----"
            r"(?:[A-Za-z0-9+/=\s:,-]{0,8000}?-----END\ [A-Z0-9 ]{0,30}PRIVATE\ KEY-----"
            r"|[A-Za-z0-9+/=\s:,]{0,8000}))"  # cut off: what looks like the rest of it
        ),
        score=1.0,
        hint="-",
    ),
    Pattern(
        kind=PiiKind.SECRET,
        detail="access_key",
        shape=_shape(_KEY_SHAPES),
        score=0.95,
        hint="-_.AIS",
    ),
    Pattern(
        kind=PiiKind.SECRET,
        detail="password",
        shape=_shape(_SAID, re.IGNORECASE),
        score=0.8,
        check=_is_secret_word,
        raw=True,
    ),
    Pattern(
        kind=PiiKind.SECRET,
        detail="pin",
        shape=_shape(_NUMBER_SAID, re.IGNORECASE),
        score=0.8,
        hint=_DIGITS,
    ),
    Pattern(
        kind=PiiKind.EMAIL,
        detail="email",
        shape=_shape(
            r"(?<![\w.+-])(?P<value>\w[\w.+'-]{0,63}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24})(?![\w@])"
        ),
        score=0.95,
        hint="@",
    ),
    Pattern(
        kind=PiiKind.IBAN,
        detail="iban",
        shape=_shape(
            r"""(?<!\w)(?P<value>[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}
            (?:[ -]?[A-Z0-9]{1,4})?)(?!\w)""",
            re.IGNORECASE,
        ),
        score=0.98,
        check=checks.iban_holds,
        hint=_DIGITS,
    ),
    Pattern(
        kind=PiiKind.CARD,
        detail="card",
        shape=_shape(r"(?<![\w.-])(?P<value>\d(?:[ -]?\d){12,18})(?![\w-])"),
        score=0.85,
        check=checks.card_holds,
        context=_words(r"card|visa|mastercard|amex|karte|carte|tarjeta|credit|debit"),
        hint=_DIGITS,
    ),
    *_NATIONAL,
    Pattern(
        kind=PiiKind.IP_ADDRESS,
        detail="ipv4",
        shape=_shape(r"(?<![\w.])(?P<value>(?:\d{1,3}\.){3}\d{1,3})(?![\w]|\.\d)"),
        check=_is_ip,
        raw=True,
        score=0.6,
        context=_words(r"ip\b|address|host|server"),
        hint=".",
    ),
    Pattern(
        kind=PiiKind.IP_ADDRESS,
        detail="ipv6",
        shape=_shape(
            r"(?<![\w:.])(?P<value>(?:[0-9A-F]{0,4}:){2,7}[0-9A-F]{1,4})(?![\w:])", re.IGNORECASE
        ),
        check=_is_ip,
        raw=True,
        score=0.8,
        hint=":",
    ),
    Pattern(
        kind=PiiKind.PHONE,
        detail="phone_international",
        shape=_shape(
            r"""(?<![\w+])(?P<value>(?:\+|00)[1-9]\d{0,2}[ ./-]?(?:\(0?\d{1,4}\)[ ./-]?)?
            \d(?:[ ./-]?\d){5,12})(?!\w)"""
        ),
        score=0.8,
        check=_is_phone,
        hint="+0",
    ),
    Pattern(
        kind=PiiKind.PHONE,
        detail="phone_national",
        shape=_shape(
            r"""(?<![\w.+-])(?P<value>(?:\(\d{2,5}\)[ ]?|0\d{1,4}[ /-]|\d{3}[ .-])
            \d{2,4}(?:[ .-]?\d{2,4}){1,3})(?![\w-])"""
        ),
        score=0.35,
        check=_is_phone,
        context=_words(r"tel|phone|call|mobile|cell|fax|handy|ruf|móvil|portable|whatsapp"),
        hint=_DIGITS,
    ),
)
