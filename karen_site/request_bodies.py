"""Keep Twisted from parsing uploads that Django parses anyway.

`twisted.web.http.Request` parses every multipart POST whole, in memory and on the reactor's thread,
before the application hears of it: 24 MiB took 4 s and 300 MB here, for anybody who can connect.
Daphne never looks at the result (`Request.args`). Twisted has no switch for it.
"""

from typing import Any

from twisted.web import http


def leave_forms_to_django(module: Any = http) -> None:  # noqa: ANN401  # not public, untyped
    """Have Twisted hand multipart bodies on unread.

    Raises:
        RuntimeError: This Twisted has no such parser: look whether it still parses bodies.
    """
    if not hasattr(module, "_getMultiPartArgs"):
        raise RuntimeError("Twisted parses multipart bodies elsewhere now: see this module")
    module._getMultiPartArgs = _no_fields


def _no_fields(content: bytes, ctype: bytes) -> dict[bytes, list[bytes]]:
    del content, ctype  # the body stays where it is, for the application
    return {}
