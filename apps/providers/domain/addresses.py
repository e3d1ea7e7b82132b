"""Addresses of providers: what may be written down at all. Pure.

Only the spelling is judged here, and addresses written as numbers. What a name resolves to is
checked where the connection is made (`core.http`), because it may change its mind.
"""

import re
import socket
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address

MAX_CHARACTERS = 400

# One strict shape instead of a parser: parsers disagree about backslashes, `@` and blanks.
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9._-]*[a-z0-9])?\.?)"
    r"(?::(?P<port>\d{1,5}))?"
    r"(?P<path>(?:/[\w.~%:+-]*)*)",
    re.ASCII | re.IGNORECASE,
)
_HERE = re.compile(r"(?:.+\.)?(?:localhost|local|internal|lan|home\.arpa|intranet)\.?")


class AddressProblem(StrEnum):
    """Why an address is refused."""

    MISSING = "missing"
    SHAPE = "shape"
    HTTPS = "https"
    PRIVATE = "private"


def normal_address(text: str) -> str:
    """Return an address without blanks around it and without slashes at its end."""
    return text.strip().rstrip("/")


def host_of(url: str) -> str:
    """Return the host that an accepted address names, in lower case and without brackets."""
    match = _URL.fullmatch(url)
    assert match is not None
    return match["host"].lower().strip("[]").rstrip(".")


def origin_of(url: str) -> str:
    """Return scheme, host and port of an accepted address: who would receive the key."""
    match = _URL.fullmatch(url)
    if match is None:
        return ""
    scheme = match["scheme"].lower()
    port = match["port"] or ("443" if scheme == "https" else "80")
    return f"{scheme}://{host_of(url)}:{int(port)}"


def written_address(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a host spells as a number, in any notation resolvers read.

    `127.1`, `2130706433` and `0x7f000001` all mean 127.0.0.1 to a resolver.
    """
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def names_this_network(host: str) -> bool:
    """Say whether a name can only mean a machine of one's own network."""
    return _HERE.fullmatch(host) is not None or "." not in host


def shape_problem(url: str, *, private_allowed: bool) -> AddressProblem | None:
    """Return what is wrong with an address before anybody asks where it leads."""
    if not url:
        return AddressProblem.MISSING
    match = _URL.fullmatch(url)
    if match is None or not _is_sane(url, match):
        return AddressProblem.SHAPE
    if private_allowed:
        return None
    if match["scheme"].lower() != "https":
        return AddressProblem.HTTPS
    host = host_of(url)
    own = written_address(host) is None and names_this_network(host)
    return AddressProblem.PRIVATE if own else None


def _is_sane(url: str, match: re.Match[str]) -> bool:
    if len(url) > MAX_CHARACTERS or not 0 < int(match["port"] or 1) < 65536:
        return False
    return not match["host"].startswith("[") or written_address(host_of(url)) is not None
