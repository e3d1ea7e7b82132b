"""ClamAV's daemon over its socket: the INSTREAM command of `clamd`.

Protocol: https://docs.clamav.net/manual/Usage/Scanning.html#clamd. Whatever is not a clear verdict
counts as no scanner: nothing passes unseen.
"""

import socket
import struct
from typing import BinaryIO
from urllib.parse import urlsplit

from django.conf import settings

from apps.conversations.attachments.errors import AttachmentInfected, ScannerUnavailable
from apps.core.logging import get_logger

logger = get_logger(__name__)

_CHUNK = 128 * 1024
_TIMEOUT_S = 30.0
_PORT = 3310
_ANSWER_BYTES = 4096


def enabled() -> bool:
    """Say whether a scanner is configured."""
    return bool(settings.CLAMAV_URL)


def scan(file: BinaryIO) -> None:
    """Have the daemon look at an open file, if one is configured.

    Raises:
        AttachmentInfected: It recognised something.
        ScannerUnavailable: It does not answer, or not with a verdict.
    """
    if not enabled():
        return
    file.seek(0)
    try:
        with _connect(settings.CLAMAV_URL) as connection:
            answer = _ask(connection, file)
    except (OSError, ValueError) as error:
        logger.warning("attachment.scanner_unavailable", cause=type(error).__name__)
        raise ScannerUnavailable from error
    _judge(answer)


def _connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_TIMEOUT_S)
        try:
            connection.connect(parts.path)
        except OSError:
            connection.close()
            raise
        return connection
    if parts.scheme != "tcp" or not parts.hostname:
        raise ValueError("CLAMAV_URL must look like tcp://host:3310 or unix:///path")
    return socket.create_connection((parts.hostname, parts.port or _PORT), timeout=_TIMEOUT_S)


def _ask(connection: socket.socket, file: BinaryIO) -> str:
    connection.sendall(b"zINSTREAM\0")
    while chunk := file.read(_CHUNK):
        connection.sendall(struct.pack("!I", len(chunk)) + chunk)
    connection.sendall(struct.pack("!I", 0))
    answer = b""
    while not answer.endswith(b"\0") and len(answer) < _ANSWER_BYTES:
        piece = connection.recv(1024)
        if not piece:
            break
        answer += piece
    return answer.rstrip(b"\0").decode(errors="replace").strip()


def _judge(answer: str) -> None:
    verdict = answer.removeprefix("stream:").strip()
    if verdict == "OK":
        return
    if verdict.endswith(" FOUND"):
        raise AttachmentInfected(signature=verdict.removesuffix(" FOUND")[:100])
    logger.warning("attachment.scanner_unclear", answer=verdict[:200])
    raise ScannerUnavailable
