"""JSON bodies with a limit.

DRF reads the request as a stream, past Django's own `DATA_UPLOAD_MAX_MEMORY_SIZE`; a body of any
size would be parsed in memory.
"""

from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser
from typing_extensions import override

from apps.core.errors import PayloadTooLarge


class BoundedJSONParser(JSONParser):
    """Parse JSON of at most `DATA_UPLOAD_MAX_MEMORY_SIZE` bytes."""

    @override
    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the parsed body.

        Raises:
            PayloadTooLarge: It has more bytes than the limit.
            ParseError: It is not JSON, or nested beyond reason.
        """
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise PayloadTooLarge(limit_bytes=limit)
        try:
            return super().parse(BytesIO(body), media_type, parser_context)
        except RecursionError as error:
            raise ParseError from error
