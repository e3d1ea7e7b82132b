"""From an organisation's name to the label in its host name.

A slug is one DNS label (RFC 1035, RFC 5890): 2-40 of a-z, 0-9 and inner hyphens. Names in other
scripts are written in ASCII where Unicode decomposes them, else as a punycode label, so that
every organisation gets a working host. Labels that could pass for the platform are reserved.
"""

import re
import unicodedata

SLUG_MIN, SLUG_MAX = 2, 40

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")

RESERVED = frozenset(
    # One word a label, in a text because a list of quoted words would fill a page.
    """
    about abuse account accounts admin administrator api app apps assets auth autoconfig
    autodiscover beta billing blog broadcasthost cdn chat cname console contact dashboard
    demo-admin dev dns docs domain download email enter example files forum ftp grafana
    health help host hostmaster http https imap img info internal invite isatap karen legal
    localdomain localhost login logout mail mailer-daemon media metrics mx news noc noreply
    ns ns1 ns2 oauth operator operators ops pay platform pop postgres postmaster press
    privacy prometheus public redis register root sales saml schema security shop signin
    signup smtp ssl sso staff staging static status store subdomain support sysadmin system
    team template tenant tenants terms test tls unknown usenet uucp webmail webmaster
    workspace workspaces wpad ws www www1 www2
    """.split()  # noqa: SIM905
)

_TRANSLITERATION = str.maketrans(
    {
        "ß": "ss",
        "æ": "ae",
        "ø": "o",
        "œ": "oe",
        "ł": "l",
        "đ": "d",
        "þ": "th",
        "ð": "d",
        "\u0131": "i",
        "&": " and ",
    }
)


def slug_from_name(name: str) -> str:
    """Return a slug for `name`, or an empty string when nothing in it can form a label.

    The result obeys `slug_problem` except that it may be reserved or too short.
    """
    lowered = unicodedata.normalize("NFKC", name).lower().translate(_TRANSLITERATION)
    ascii_form = (
        unicodedata.normalize("NFKD", lowered).encode("ascii", errors="ignore").decode("ascii")
    )
    label = re.sub(r"[^a-z0-9]+", "-", ascii_form).strip("-")
    letters = sum(character.isalnum() for character in lowered)
    if len(label.replace("-", "")) * 2 >= letters and label:
        return label[:SLUG_MAX].strip("-").replace("--", "-")
    return _punycode_label(lowered)


def _punycode_label(lowered: str) -> str:
    kept = "".join(character for character in lowered if character.isalnum())
    while kept:
        try:
            label = "xn--" + kept.encode("punycode").decode("ascii").lower()
        except UnicodeError:
            return ""
        if len(label) <= SLUG_MAX and _LABEL.fullmatch(label):
            return label
        kept = kept[:-1]
    return ""


def slug_problem(slug: str) -> str | None:
    """Return what is wrong with `slug` as a host label, or None."""
    if not SLUG_MIN <= len(slug) <= SLUG_MAX:
        return "length"
    if not _LABEL.fullmatch(slug):
        return "characters"
    if slug in RESERVED:
        return "reserved"
    if slug[2:4] == "--" and not slug.startswith("xn--"):
        return "characters"
    return None


def numbered(slug: str, number: int) -> str:
    """Return `slug` with `-number` behind it, cut to the longest permitted label."""
    suffix = f"-{number}"
    return slug[: SLUG_MAX - len(suffix)].rstrip("-") + suffix
