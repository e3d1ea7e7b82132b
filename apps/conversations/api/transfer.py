"""REST: exports as downloads, and imports."""

from collections.abc import AsyncIterator, Mapping
from typing import IO, Any
from uuid import UUID

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from typing_extensions import override

from apps.accounts.permissions import CHAT_USER
from apps.conversations import export, selectors
from apps.conversations.api.base import ChatView
from apps.conversations.api.features import ImportSerializer
from apps.conversations.contracts import ImportState
from apps.conversations.rendering import as_json
from apps.conversations.services import transfer
from apps.core import ratelimit, scope
from apps.core.errors import InvalidInput, PayloadTooLarge

_FILE = "file"
_imports = ratelimit.Limit(name="chat.import", burst=20, period_s=600.0)


class _WholeBody(BaseParser):
    """Hand a JSON body on unread: whoever parses it can name the place of a mistake."""

    media_type = "application/json"

    @override
    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, bytes]:
        """Return the bytes, of which there are at most `CHAT_IMPORT_MAX_BYTES`.

        Raises:
            PayloadTooLarge: There are more.
        """
        limit = settings.CHAT_IMPORT_MAX_BYTES
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise PayloadTooLarge(limit_bytes=limit)
        return {_FILE: body}


class ExportView(ChatView):
    """A conversation as a file."""

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "format",
                {"type": "string", "enum": ["markdown", "json"], "default": "markdown"},
                description="`markdown`: the branch that is shown; `json`: all of it.",
            )
        ],
        responses={(200, "text/markdown"): OpenApiTypes.STR},
    )
    def get(self, request: Request, conversation_id: UUID) -> StreamingHttpResponse:
        """Download it, written page by page."""
        wanted = request.query_params.get("format", "markdown")
        viewer = selectors.require_owner(self.actor, CHAT_USER)
        view = selectors.get_conversation_view(
            actor=self.actor, conversation_id=conversation_id, permission=CHAT_USER
        )
        tenant = scope.require()
        content: AsyncIterator[str]
        if wanted == "markdown":
            name, kind = export.file_name(view, "md"), "text/markdown; charset=utf-8"
            content = export.markdown_export(view, viewer=viewer, tenant=tenant)
        elif wanted == "json":
            name, kind = export.file_name(view, "json"), "application/json"
            content = export.json_export(view, viewer=viewer, tenant=tenant)
        else:
            raise InvalidInput(fields={"format": ["It is `markdown` or `json`."]})
        answer = StreamingHttpResponse(content, content_type=kind)
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        answer["Cache-Control"] = "private, no-store"
        return answer


class ImportsView(ChatView):
    """Taking conversations in."""

    parser_classes = (_WholeBody, MultiPartParser)

    @extend_schema(
        request={
            "application/json": OpenApiTypes.OBJECT,
            "multipart/form-data": {
                "type": "object",
                "properties": {_FILE: {"type": "string", "format": "binary"}},
            },
        },
        responses={200: ImportSerializer, 202: ImportSerializer},
    )
    def post(self, request: Request) -> Response:
        """Import our own export, or ChatGPT's `conversations.json`; large ones take a while."""
        ratelimit.enforce(_imports, str(self.actor.id))
        view = transfer.start_import(
            actor=self.actor, permission=CHAT_USER, content=_content(request)
        )
        running = view.state is ImportState.RUNNING
        return Response(
            as_json(view), status=status.HTTP_202_ACCEPTED if running else status.HTTP_200_OK
        )


class ImportView(ChatView):
    """One import."""

    @extend_schema(responses=ImportSerializer)
    def get(self, request: Request, import_id: UUID) -> Response:
        """Say how far it is and what became of each conversation."""
        view = transfer.get_import(actor=self.actor, permission=CHAT_USER, import_id=import_id)
        return Response(as_json(view))


def _content(request: Request) -> bytes:
    """Return the bytes of the uploaded file or of the body.

    Raises:
        PayloadTooLarge: There are too many.
        InvalidInput: There is no file.
    """
    limit = settings.CHAT_IMPORT_MAX_BYTES
    body = request.data
    given = body.get(_FILE) if isinstance(body, dict) else None
    if isinstance(given, bytes):
        return given
    if not isinstance(given, UploadedFile):
        raise InvalidInput(fields={_FILE: ["Send the export as JSON, or as a file of this name."]})
    if given.size is None or given.size > limit:
        raise PayloadTooLarge(limit_bytes=limit)
    content: bytes = given.read()
    return content
