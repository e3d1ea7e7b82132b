"""What the reading process may not do: much memory, long work, network, children, big files."""

import resource
import sys

_FORBIDDEN = (
    "socket.",
    "subprocess.",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "os.kill",
    "ctypes.dlopen",
    "webbrowser.",
    "ftplib.",
    "smtplib.",
    "urllib.",
)
_FILE_BYTES = 512 * 2**20
_OPEN_FILES = 64


class Forbidden(PermissionError):
    """A parser tried what no parser needs."""


def limit(*, memory_bytes: int, cpu_s: int) -> None:
    """Set the limits of this process; they cannot be raised again."""
    for what, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, _FILE_BYTES),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        _soft, hard = resource.getrlimit(what)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (allowed, allowed))


def close_doors() -> None:
    """Refuse network and other programs from now on, by Python's audit events.

    A second fence behind the parsers, not a sandbox: native code does not ask.
    """
    sys.addaudithook(_refuse)


def _refuse(event: str, _arguments: object) -> None:
    if event.startswith(_FORBIDDEN):
        raise Forbidden(event)
