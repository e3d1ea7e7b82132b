"""What Daphne cannot do by itself: close a WebSocket with 1012, "service restart".

Its library lets an application close with 1000 or a private code only, though 1012 is registered
for exactly this (RFC 6455 §7.4 and the IANA registry of close codes).
"""

import sys

from daphne.ws_protocol import WebSocketProtocol

SERVICE_RESTART = 1012


def allow_service_restart() -> None:
    """Teach Daphne, where it is the server, to pass on the close code 1012."""
    if "daphne.server" not in sys.modules:
        return
    usual = WebSocketProtocol.serverClose

    def server_close(protocol: WebSocketProtocol, code: int | None = None) -> None:
        if code == SERVICE_RESTART:
            protocol.sendCloseFrame(code=code)
        else:
            usual(protocol, code)

    WebSocketProtocol.serverClose = server_close
