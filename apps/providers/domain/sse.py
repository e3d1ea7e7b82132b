"""Takes server-sent events apart as the bytes arrive. Pure.

OpenAI-compatible servers send one JSON document per `data:` line, so a line is an event.
"""

MAX_LINE_BYTES = 4 * 1024 * 1024


class SseError(ValueError):
    """A line is longer than any sensible event."""


class SseSplitter:
    """Collects bytes and returns the contents of complete `data:` lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Add bytes; return the data of every line they complete.

        Raises:
            SseError: An unfinished line exceeds `MAX_LINE_BYTES`.
        """
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > MAX_LINE_BYTES:
            raise SseError("an event is too long")
        return [line[5:].strip() for line in lines if line.startswith(b"data:")]
